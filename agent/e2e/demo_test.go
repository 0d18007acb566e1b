package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// demo runs `alspan demo` as the README says, through real Envoys that have the documentation's configuration: every trace
// is one tree, and the totals add up. Ctrl-C ends it.
func (l *lab) demo(t *testing.T) {
	t.Parallel()
	envoy, err := toolbox.Path(toolbox.Envoy())
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "the demo", l.agent, "demo", "--envoy", envoy, "--rate", "10")
	p.await(t, time.Minute, func(out string) string {
		if strings.Count(out, "\ntrace ") < 12 {
			return ""
		}
		return "enough"
	})
	if _, err := p.stop(30 * time.Second); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	out := p.out.String()
	if !strings.Contains(out, "a real Envoy: "+envoy) {
		t.Error("the demo does not say which Envoy it uses")
	}
	roots, hops := len(regexp.MustCompile(`(?m)^└─ edge +SERVER`).FindAllString(out, -1)), strings.Count(out, "─ mid  SERVER")
	if traces := strings.Count(out, "\ntrace "); roots != traces || hops < traces || strings.Contains(out, "elsewhere") {
		t.Errorf("%d traces have %d roots at edge and %d hops to mid", traces, roots, hops)
	}
	for _, want := range []string{
		`(?m)^\d+ requests$`,
		`(?m)^\d+ entries received = \d+ used for spans \+ \d+ that told the caller's context \+ 0 dropped$`,
		`(?m)^\d+ spans made \+ \d+ received from Envoy's tracer = \d+ taken by the receiver \+ 0 dropped$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the demo prints no line %q", want)
		}
	}
}

// The example configuration is one that every Envoy since 1.38 takes as it is.
func TestExampleIsAConfiguration(t *testing.T) {
	file, err := filepath.Abs("../../docs/examples/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range append([]toolbox.Tool{toolbox.Envoy()}, toolbox.OtherEnvoys()...) {
		if strings.HasPrefix(tool.Version, "1.36.") {
			continue // refuses custom tags with ids
		}
		envoy, err := toolbox.Path(tool)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(envoy, "--mode", "validate", "-c", file).CombinedOutput(); err != nil {
			t.Errorf("%s refuses the example: %v\n%s", tool, err, out)
		}
	}
}
