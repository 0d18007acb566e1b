package charts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// whole are the keys that the README has in one row, with all that is below them.
var whole = map[string]bool{
	"resources": true, "podSecurityContext": true, "securityContext": true, "startupProbe": true, "readinessProbe": true, "livenessProbe": true,
}

// leaves gives the keys of values by path, with their defaults as JSON, in the order of the file.
func leaves(t *testing.T, path string, value any) (rows []string) {
	t.Helper()
	if m, ok := value.(yaml.MapSlice); ok && len(m) > 0 && !whole[path] {
		for _, item := range m {
			rows = append(rows, leaves(t, strings.TrimPrefix(path+"."+item.Key.(string), "."), item.Value)...)
		}
		return rows
	}
	text, err := yaml.MarshalWithOptions(value, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(plain)
	return []string{fmt.Sprintf("`%s` | `%s`", path, text)}
}

// The README has each key of values.yaml with its default, and no other.
func TestReadmeHasEveryValue(t *testing.T) {
	text, err := os.ReadFile("alspan/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &values, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("alspan/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]+` \\| `[^|]*`) \\| .+ \\|$").FindAllSubmatch(readme, -1) {
		rows = append(rows, string(m[1]))
	}
	if diff := cmp.Diff(leaves(t, "", values), rows); diff != "" {
		t.Errorf("the table has other values (-) than values.yaml (+):\n%s", diff)
	}
}

// notes gives what a user reads after an installation.
func notes(t *testing.T, args ...string) string {
	t.Helper()
	readAll(t, "alspan")
	dir := filepath.Join(t.TempDir(), "alspan")
	if err := os.CopyFS(dir, os.DirFS("alspan")); err != nil {
		t.Fatal(err)
	}
	// Without a cluster Helm shows no notes, so that a manifest has to.
	shown := `notes: |-{{ include (print $.Template.BasePath "/NOTES.txt") . | nindent 2 }}`
	if err := os.WriteFile(filepath.Join(dir, "templates", "shown.yaml"), []byte(shown), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := helm(t, append([]string{"template", "alspan", dir, "-n", "observe", "--kube-version", kube, "-s", "templates/shown.yaml"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Notes string }
	if err := yaml.Unmarshal([]byte(out), &manifest); err != nil {
		t.Fatal(err)
	}
	return manifest.Notes
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		values string
		want   []string
		not    []string
	}{
		{"default", []string{
			"kubectl rollout status daemonset/alspan -n observe\n",
			"(ALS), an HTTP/2 cluster to   alspan.observe.svc:4317\n", "alspan.observe.svc:9001\n",
			"http://alspan.observe.svc:4318/v1/traces\n", "http://alspan.observe.svc:9411/api/v2/spans\n",
			"Spans go to http://otel-collector:4317, the default", "Nodes with taints have no agent",
		}, []string{"HOST_IP", "TLS", "Log files"}},
		{"hostport", []string{"alspan.observe.svc:4317\n", "otlp-grpc on the node's own address            $(HOST_IP):4317\n", "$(HOST_IP):19411\n"}, nil},
		{"hostnetwork", []string{"$(HOST_IP):14317\n", "$(HOST_IP):4318\n"}, []string{"observe.svc"}},
		{"tls", []string{"https://alspan.observe.svc:4318/v1/traces\n", "These ports speak TLS", "Spans go to https://collector.observability.svc:4317.\n"}, []string{"http://"}},
		{"files", []string{"followed:\n\n  /var/log/pods/*/envoy/*.log\n\n", "label namespace observe --overwrite pod-security.kubernetes.io/enforce=privileged\n"}, []string{"taints"}},
		{"full", []string{"edge-tracer.telemetry.svc:19001\n", "http://edge-tracer.telemetry.svc:80/api/v2/spans\n"}, []string{"/v1/traces", "taints"}},
	} {
		got := notes(t, "-f", cases(t)[c.values])
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the notes have no %q:\n%s", c.values, want, got)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: the notes have %q:\n%s", c.values, not, got)
			}
		}
	}
	if got := notes(t, "--set", "files.enabled=true", "--set-json", "config.receive.files.paths=[]"); !strings.Contains(got, "paths is empty\n") {
		t.Errorf("the notes do not say that no files are followed:\n%s", got)
	}
	if got := notes(t, "--set", "service.enabled=false"); !strings.Contains(got, "Nothing leads to the agents") {
		t.Errorf("the notes do not say that nothing leads to the agents:\n%s", got)
	}
}
