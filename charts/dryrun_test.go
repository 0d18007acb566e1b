package charts

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each values file of ci gives manifests that the API server takes as they are: strictly, and with nothing to warn of. Helm's own dry
// run asks it only what it knows; so each manifest is sent, too.
func (s *site) dryRuns(t *testing.T) {
	s.namespace(t, "strict", "warn=restricted")
	s.namespace(t, "telemetry", "warn=restricted") // full has its own
	s.namespace(t, "lax", "warn=baseline")
	onNode := map[string]string{
		"files":       `would violate PodSecurity "baseline:latest": hostPath volumes (volumes "files-pods", "files-0", "files-state")`,
		"hostport":    `would violate PodSecurity "baseline:latest": hostPort (container "alspan" uses hostPorts 19411, 4317)`,
		"hostnetwork": `would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true), hostPort (container "alspan" uses hostPort 14317)`,
	}
	for _, name := range slices.Sorted(maps.Keys(cases(t))) {
		t.Run(name, func(t *testing.T) {
			namespace, want := "strict", onNode[name]
			if want != "" {
				namespace = "lax"
			}
			out := s.helm(t, "install", "trial", "alspan", "-n", namespace, "--dry-run=server", "--hide-notes", "-f", cases(t)[name])
			_, manifests, found := strings.Cut(out, "\nMANIFEST:\n")
			if !found {
				t.Fatalf("Helm shows no manifests:\n%s", out)
			}
			all := objects(t, manifests)
			if len(all) < 3 {
				t.Errorf("only %d manifests:\n%s", len(all), manifests)
			}
			if got := s.send(t, all); got != want {
				t.Errorf("the API server warns of %q, want %q", got, want)
			}
		})
	}
	t.Run("docs", s.documented)
	if left, err := s.labelled(t.Context(), "app.kubernetes.io/instance=trial"); err != nil || len(left) > 0 {
		t.Errorf("a dry run has made %q, %v", left, err)
	}
}

// The manifests that users are told to apply are as good.
func (s *site) documented(t *testing.T) {
	text, err := os.ReadFile("../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	s.namespace(t, "projectcontour")
	var sent int
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
		if !strings.Contains(string(block[1]), "apiVersion:") {
			continue // values
		}
		all := objects(t, string(block[1]))
		delete(all, "ExtensionService") // Contour's own
		sent += len(all)
		if got := s.send(t, all); got != "" {
			t.Errorf("the API server warns of %q", got)
		}
	}
	if sent == 0 {
		t.Error("there are no manifests")
	}
}

// send has the API server check manifests strictly, and gives what it warns of.
func (s *site) send(t *testing.T, all map[string]object) string {
	t.Helper()
	var warnings []string
	asking := *s.Client
	asking.Warn = func(text string) { warnings = append(warnings, text) }
	for kind, o := range all {
		of := slices.IndexFunc(s.kinds, func(r resource) bool { return r.kind == kind && r.api == o["apiVersion"] })
		if of < 0 {
			t.Fatalf("the API server knows no %v %s", o["apiVersion"], kind)
		}
		in, _ := at(o, "metadata", "namespace").(string)
		if err := asking.Create(t.Context(), s.kinds[of].path(in)+"?dryRun=All&fieldValidation=Strict", o); err != nil {
			t.Error(err)
		}
	}
	return strings.Join(warnings, "\n")
}
