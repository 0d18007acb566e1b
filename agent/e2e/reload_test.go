package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// reload exchanges the configuration of a running agent as Kubernetes does, and sends it signals.
func (l *lab) reload(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]func(*testing.T, *lab){"load": reloadUnderLoad, "envoy": reloadBehindEnvoy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, l)
		})
	}
}

// Entries and spans come without a pause while the configuration is exchanged. No connection and no stream ends, nothing is lost or
// doubled, and each request obeys the rules that are in force when it comes.
func reloadUnderLoad(t *testing.T, l *lab) {
	load := newLoad(t)
	c := newConfigMap(t, l, basicConfig(load.backend.Address(), "0s", "1s"))
	load.begin(t, c.agent.grpc)
	load.flows(t)
	filters := []bool{false} // of each generation
	refused := 0
	for _, step := range []struct {
		what   string
		change func()
		next   *bool // whether the next generation has a filter; nil: the one that is there stays
		bad    bool
	}{
		{what: "a filter", change: func() { c.exchange(t, c.filtering(1)) }, next: new(true)},
		{what: "a signal for nothing new", change: func() { c.hangUp(t) }},
		{what: "no filter", change: func() { c.exchange(t, c.plain(2)) }, next: new(false)},
		{what: "other attributes", change: func() { c.exchange(t, c.plain(3)) }, next: new(false)},
		{what: "a filter and a signal", change: func() { c.exchange(t, c.filtering(4)); c.hangUp(t) }, next: new(true)},
		{what: "a mistake", change: func() { c.exchange(t, c.broken(5)) }, bad: true},
		{what: "a signal for the mistake", change: func() { c.hangUp(t); c.mistake = append(c.mistake, c.mistake[0]) }, bad: true},
		{what: "no filter again", change: func() { c.exchange(t, c.plain(5)) }, next: new(false)},
	} {
		before := c.state(t)
		load.pass(len(filters) - 1)
		step.change()
		after := c.reloaded(t, before)
		if step.next != nil {
			filters = append(filters, *step.next)
		}
		if step.bad {
			refused++
		}
		if same := after.hash == before.hash; same != (step.next == nil) || after.refused != refused || after.successful == step.bad {
			t.Errorf("%s: the agent said %+v, and then %+v", step.what, before, after)
		}
		load.flows(t)
		if err := c.open(streams, streams+callers); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
	}
	load.pass(len(filters) - 1)
	if stats := load.envoy.Stats(); stats.Streams != streams || load.dials.Load() != streams+callers {
		t.Errorf("%d streams were opened and %d connections, want %d and %d", stats.Streams, load.dials.Load(), streams, streams+callers)
	}
	entries, spans := load.end(t)
	page := c.idle(t, entries, spans)
	dropped := load.check(t, filters)
	t.Logf("%d entries and %d spans, of which %d were dropped", entries, spans, dropped)
	if page[filteredSpans] != float64(dropped) || page["alspan_spans_dropped_total"] != float64(dropped) || page["alspan_spans_made_total"] != float64(entries) {
		t.Errorf("%d of %d and %d requests were dropped, but the agent counted:\n%s", dropped, entries, spans, page.nonzero())
	}
	c.stop(t)
}

// A real Envoy's requests, one after the other, are joined, changed and dropped by what is in force, on the streams that are there.
func reloadBehindEnvoy(t *testing.T, l *lab) {
	out, sink := startRelay(t, l.jaeger.otlp), startSink(t)
	app := startUpstream(t, "app", false, func(_, _, _ string, _ traceContext, _ string, _, _ time.Time) {})
	c := newConfigMap(t, l, basicConfig(out.address, "3s", "2500ms"))
	version, agent := toolbox.Envoy().Version, c.agent.grpc
	e := startEnvoy(t, version, bootstrap{envoyFlags: envoyFlags{Tracing: "otel"}, Name: "edge", Exact: knowsSpanID(version), Agent: agent, OTLP: agent,
		Sink: sink.grpc, OTLPWeb: sink.web, Zipkin: sink.web, App: app.address, Unix: app.unix, Mirror: app.address, Next: app.address, Dead: deadAddress(t)})
	all, err := parseRequests(t.Name(), `
ok          GET /ok      w3c
grafana     GET /grafana w3c
flaky       GET /flaky   w3c
knative     GET /ok      w3c     header="user-agent: Knative-Ingress-Probe"
off         GET /ok      w3c-off
knative-off GET /ok      w3c-off header="user-agent: Knative-Ingress-Probe"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{} // by request: how its one span came to be, and its attribute cluster
	sent, sampled := 0, 0
	for i, step := range []struct {
		change     func()
		filter     bool
		generation int
	}{
		{change: func() {}},
		{func() { c.exchange(t, c.filtering(1)) }, true, 1},
		{func() { c.exchange(t, c.broken(2)); c.hangUp(t) }, true, 1},
		{func() { c.exchange(t, c.plain(2)); c.hangUp(t) }, false, 2},
		{func() { c.exchange(t, c.filtering(3)) }, true, 3},
	} {
		before := c.state(t)
		if step.change(); i > 0 {
			c.reloaded(t, before)
		}
		for _, r := range all {
			again, origin := *r, made
			again.Name = fmt.Sprintf("%s~%d", r.Name, i)
			again.Trace, again.Span = digest(16, t.Name(), again.Name, "trace"), digest(8, t.Name(), again.Name, "span")
			if err := again.send(t.Context(), e.address, nil); err != nil {
				t.Fatalf("cannot send %s: %v", again.Name, err)
			}
			if sent++; r.Context == "w3c" {
				origin = joined
				sampled++
			}
			if !step.filter || !slices.Contains([]string{"grafana", "knative", "knative-off"}, r.Name) {
				want[again.Trace] = fmt.Sprint(again.Name, " ", origin, " ", step.generation)
			}
		}
		c.idle(t, sent, sampled)
	}
	got := map[string]string{}
	for _, s := range out.all() {
		if got[s.trace()] != "" || kindName(s.Kind) != "SERVER" {
			t.Errorf("there is one span too many: %v", s.Span)
		}
		path := strings.TrimPrefix(s.text("url.path"), "/")
		got[s.trace()] = fmt.Sprint(path[strings.LastIndex(path, "/")+1:], " ", s.origin(), " ", s.text("cluster"))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +came):\n%s", diff)
	}
	e.keptStreams(t)
	e.process.stop(5 * time.Second)
	c.stop(t)
}

// keptStreams checks that no connection and no stream of entries to the agent has ended.
func (e *envoy) keptStreams(t *testing.T) {
	t.Helper()
	page, err := get("http://" + e.admin + "/stats?filter=^cluster.(als|otlp).upstream_(cx_total|cx_destroy|rq_total|rq_active)$")
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]string{}
	for line := range strings.Lines(page) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		stats[strings.TrimPrefix(name, "cluster.")] = value
	}
	if stats["als.upstream_rq_total"] == "0" || stats["als.upstream_rq_active"] != stats["als.upstream_rq_total"] || stats["als.upstream_cx_destroy"] != "0" ||
		stats["otlp.upstream_cx_total"] == "0" || stats["otlp.upstream_cx_destroy"] != "0" {
		t.Errorf("a stream or a connection to the agent has ended:\n%s", page)
	}
}
