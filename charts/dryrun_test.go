package charts

import (
	"maps"
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
			var warnings []string
			asking := *s.Client
			asking.Warn = func(text string) { warnings = append(warnings, text) }
			all := objects(t, manifests)
			if len(all) < 3 {
				t.Errorf("only %d manifests:\n%s", len(all), manifests)
			}
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
			if got := strings.Join(warnings, "\n"); got != want {
				t.Errorf("the API server warns of %q, want %q", got, want)
			}
		})
	}
	if left, err := s.labelled(t.Context(), "app.kubernetes.io/instance=trial"); err != nil || len(left) > 0 {
		t.Errorf("a dry run has made %q, %v", left, err)
	}
}
