package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// apps puts real instrumented applications behind Envoy, which report to the agent as Envoy does: everybody's spans are one
// tree, and those of the application are as it sent them.
func (l *lab) apps(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "shop")
	build := exec.Command("go", "build", "-o", shop, ".")
	build.Dir = filepath.Join("testdata", "shop")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the application: %v\n%s", err, out)
	}
	python, err := toolbox.Path(toolbox.PythonOTel())
	if err != nil {
		t.Fatal(err)
	}
	w3c, b3 := envoyFlags{Tracing: "otel"}, envoyFlags{Tracing: "zipkin", Spawn: true, Shared: true}
	const tree = "caller CLIENT(edge SERVER(shop SERVER(shop INTERNAL)))"
	for name, c := range map[string]struct {
		envoy   envoyFlags
		context string
		start   func(*alspan) []string
		tree    string
	}{
		"go, OTLP over gRPC":     {w3c, "w3c", func(a *alspan) []string { return []string{shop, "otlp-grpc", a.grpc} }, tree},
		"go, OTLP over HTTP":     {w3c, "w3c", func(a *alspan) []string { return []string{shop, "otlp-http", a.http} }, tree},
		"Python, OTLP over HTTP": {w3c, "w3c", func(a *alspan) []string { return []string{python, "testdata/shop/shop.py", a.http} }, tree},
		// Both ends of Envoy share ids with it: the caller keeps its own, and so does Envoy's CLIENT.
		"go, Zipkin": {b3, "b3", func(a *alspan) []string { return []string{shop, "zipkin", a.zipkin} },
			"caller CLIENT(edge SERVER(edge CLIENT(shop SERVER(shop INTERNAL))))"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, sink := startRelay(t, l.jaeger.otlp), startSink(t)
			agent := startAgent(t, l.agent, basicConfig(out.address, "3s", "2s"))
			args := c.start(agent)
			app := start(t, "the application", args[0], args[1:]...)
			listening := regexp.MustCompile(`listening on (\S+)\n`)
			address := app.await(t, 20*time.Second, func(said string) string {
				if found := listening.FindStringSubmatch(said); found != nil {
					return found[1]
				}
				return ""
			})
			version := toolbox.Envoy().Version
			e := startEnvoy(t, version, bootstrap{envoyFlags: c.envoy, Name: "edge", Exact: knowsSpanID(version), Agent: agent.grpc, Sink: sink.grpc,
				OTLP: agent.grpc, OTLPWeb: agent.http, Zipkin: agent.zipkin, App: address, Unix: address, Mirror: address, Next: address, Dead: address})
			const n = 5
			for i := range n + 1 { // the first one shows who shares ids
				r := &request{Name: fmt.Sprintf("r%d", i), Method: "GET", Path: "/ok", Context: c.context, HTTP: "1.1"}
				r.Trace, r.Span = digest(16, t.Name(), r.Name, "trace"), digest(8, t.Name(), r.Name, "span")
				began := time.Now()
				if err := r.send(t.Context(), e.address, nil); err != nil {
					t.Fatal(err)
				}
				reportZipkin(t, agent.zipkin, r, [2]string{r.Trace, r.Span}, began)
				wanted := (i + 1) * (strings.Count(c.tree, "(") + 1)
				eventually(t, 20*time.Second, func() error {
					page, err := agent.metrics()
					if err == nil {
						err = page.idle()
					}
					if got := len(out.all()); err == nil && got != wanted {
						err = fmt.Errorf("%d spans have come of %d", got, wanted)
					}
					return err
				})
				if got := drawTrace(out.all(), r.Trace); i > 0 && got != c.tree {
					t.Errorf("%s is %s, want %s", r.Name, got, c.tree)
				}
			}
			for _, s := range out.all() {
				if s.Service == "shop" {
					checkShop(t, s)
				}
			}
			page, err := agent.metrics()
			if err != nil {
				t.Fatal(err)
			}
			if err := page.balanced(); err != nil {
				t.Error(err)
			}
			if got := page[`alspan_join_entries_total{fate="joined"}`]; got != n+1 {
				t.Errorf("%v of %d requests were joined", got, n+1)
			}
		})
	}
}

// checkShop looks at a span of the application: what the SDK has put into it is there, and nothing else.
func checkShop(t *testing.T, s *span) {
	t.Helper()
	if s.Name == "work" && (s.text("items") != "3" || len(s.Events) != 1 || s.Events[0].Name != "packed") {
		t.Errorf("the application's span has lost something: %v", s.Span)
	}
	if s.text("envoy.log_name") != "" || s.origin() != made {
		t.Errorf("the application's span has become Envoy's: %v", s.Span)
	}
	if sdk := text(s.Resource.GetAttributes(), "telemetry.sdk.name"); sdk != "" && text(s.Resource.GetAttributes(), "k8s.pod.name") != "shop-1" {
		t.Errorf("the application's resource has lost something: %v", s.Resource)
	}
}

// drawTrace gives a trace as a tree of services and kinds.
func drawTrace(all []*span, id string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(s *span) bool { return s.trace() != id })
	known := map[string]bool{}
	for _, s := range all {
		known[s.id()] = true
	}
	var draw func(parent func(*span) bool) string
	draw = func(below func(*span) bool) string {
		var parts []string
		for _, s := range all {
			if !below(s) {
				continue
			}
			part := s.Service + " " + kindName(s.Kind)
			if inner := draw(func(c *span) bool { return c.parent() == s.id() }); inner != "" {
				part += "(" + inner + ")"
			}
			parts = append(parts, part)
		}
		slices.Sort(parts)
		return strings.Join(parts, " ")
	}
	return draw(func(s *span) bool { return !known[s.parent()] })
}
