package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// pair is two agents for one Envoy, each with an upstream of its own.
type pair struct {
	sink   *sink
	envoy  *envoy
	app    *upstream
	agents [2]*alspan
	out    [2]*relay
	sent   int
}

// agents puts two agents where one was. Each signal of a request may get to either of them, or to both.
func (l *lab) agents(t *testing.T) {
	for name, play := range map[string]func(*testing.T, *lab){"copies": copies, "halves": halves, "calls": calls, "moved": moved} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, l)
		})
	}
}

// Both agents get everything: they make the same spans, so that a backend which drops repeats has each request once.
func copies(t *testing.T, l *lab) {
	p := l.pair(t, "3s", "2s", func(p *pair, b *bootstrap) {
		tap := startTap(t, p.sink, p.agents[0].grpc, p.agents[1].grpc)
		tap.copies = true
		b.Agent, b.Agent2, b.OTLP = p.agents[0].grpc, p.agents[1].grpc, tap.address
	})
	p.send(t, 20)
	for i := range p.agents {
		p.settle(t, i, 20, 20, metrics{`alspan_join_entries_total{fate="joined"}`: 20, "alspan_spans_made_total": 0})
	}
	first, second := p.servers(0), p.servers(1)
	for name, ids := range first {
		if len(ids) != 1 || len(second[name]) != 1 || ids[0].id() != second[name][0].id() || ids[0].origin() != joined || second[name][0].origin() != joined {
			t.Errorf("%s has spans %v and %v, want the same joined one", name, ids, second[name])
		}
	}
	if len(first) != 20 || len(second) != 20 {
		t.Errorf("the agents have %d and %d requests of 20", len(first), len(second))
	}
}

// One agent gets the access log, the other one the spans. Neither can know of the other: each has one SERVER of a request,
// and that of the log hangs below Envoy's. Both soon stop waiting.
func halves(t *testing.T, l *lab) {
	p := l.pair(t, "300ms", "300ms", func(p *pair, b *bootstrap) { b.Agent, b.OTLP = p.agents[0].grpc, p.agents[1].grpc })
	p.send(t, 80)
	p.settle(t, 0, 80, 0, metrics{"alspan_spans_made_total": 80})
	before := p.settle(t, 1, 0, 80, metrics{"alspan_spans_made_total": 0})
	log, _ := p.agents[0].metrics()
	p.send(t, 20)
	p.settle(t, 0, 100, 0, metrics{"alspan_spans_made_total": 100, timedOutEntries: log[timedOutEntries]})
	p.settle(t, 1, 0, 100, metrics{timedOutSpans: before[timedOutSpans]})
	if log[timedOutEntries] < 16 || before[timedOutSpans] < 64 {
		t.Errorf("%v entries and %v spans have waited in vain, which is too few", log[timedOutEntries], before[timedOutSpans])
	}
	p.compare(t, 100, func(name string, log, spans []*span) error {
		if len(log) != 1 || len(spans) != 1 || log[0].parent() != spans[0].id() {
			return fmt.Errorf("want one SERVER of each agent, that of the log below Envoy's, got %v and %v", log, spans)
		}
		return nil
	})
}

// The access log is a stream to one agent, each call with spans goes to either. What meets is one span; where the span went
// to the other agent, the entry's is an INTERNAL one below it. So each request has one SERVER, whoever has it.
func calls(t *testing.T, l *lab) {
	p := l.pair(t, "1s", "500ms", func(p *pair, b *bootstrap) {
		b.Agent, b.OTLP = p.agents[0].grpc, p.agents[0].grpc+" "+p.agents[1].grpc
	})
	const n = 40
	p.send(t, n)
	var page [2]metrics
	eventually(t, 40*time.Second, func() error {
		for i := range p.agents {
			var err error
			if page[i], err = p.agents[i].metrics(); err != nil {
				return err
			}
			if err := page[i].idle(); err != nil {
				return err
			}
		}
		if in := page[0]["alspan_spans_in_total"] + page[1]["alspan_spans_in_total"]; in != n || page[0]["alspan_entries_received_total"] != n {
			return fmt.Errorf("the agents have %v spans and %v entries", in, page[0]["alspan_entries_received_total"])
		}
		return nil
	})
	met, unpaired := page[0][`alspan_join_entries_total{fate="joined"}`], page[0][`alspan_join_entries_total{fate="unpaired"}`]
	if met != page[0]["alspan_spans_in_total"] || met+unpaired != n || met == 0 || unpaired == 0 {
		t.Errorf("%v entries met their spans and %v did not; %v spans came", met, unpaired, page[0]["alspan_spans_in_total"])
	}
	p.compare(t, n, func(name string, log, spans []*span) error {
		if len(log)+len(spans) != 1 {
			return fmt.Errorf("want one SERVER in all, got %v and %v", log, spans)
		}
		return nil
	})
	p.inner(t, int(unpaired))
}

// The spans came to the agent that has the access log, and go to another one from some time on: after sixteen entries in
// vain it does not wait any more. No entry makes a SERVER.
func moved(t *testing.T, l *lab) {
	var between *tap
	p := l.pair(t, "500ms", "300ms", func(p *pair, b *bootstrap) {
		between = startTap(t, p.sink, p.agents[0].grpc)
		b.Agent, b.OTLP = p.agents[0].grpc, between.address
	})
	p.send(t, 5)
	p.settle(t, 0, 5, 5, metrics{`alspan_join_entries_total{fate="joined"}`: 5})
	between.to(p.agents[1].grpc)
	p.send(t, 30)
	p.settle(t, 0, 35, 5, metrics{`alspan_join_entries_total{fate="joined"}`: 5, "alspan_spans_made_total": 30})
	began := time.Now()
	p.send(t, 10)
	p.settle(t, 0, 45, 5, metrics{"alspan_spans_made_total": 40, "alspan_join_oldest_milliseconds": 0})
	t.Logf("what did not wait took %s", time.Since(began))
	p.settle(t, 1, 0, 40, metrics{})
	p.compare(t, 45, func(name string, log, spans []*span) error {
		if len(log)+len(spans) != 1 {
			return fmt.Errorf("want one SERVER in all, got %v and %v", log, spans)
		}
		return nil
	})
	p.inner(t, 40)
}

const (
	timedOutEntries = `alspan_join_entries_total{fate="timed_out"}`
	timedOutSpans   = `alspan_join_spans_total{fate="timed_out"}`
)

// pair starts everything; connect tells Envoy where to send what.
func (l *lab) pair(t *testing.T, wait, spanWait string, connect func(*pair, *bootstrap)) *pair {
	t.Helper()
	p := &pair{sink: startSink(t)}
	p.app = startUpstream(t, "app", false, func(_, _, _ string, _ traceContext, _ string, _, _ time.Time) {})
	for i := range p.agents {
		p.out[i] = startRelay(t, l.jaeger.otlp)
		p.agents[i] = startAgent(t, l.agent, basicConfig(p.out[i].address, wait, spanWait))
	}
	version := toolbox.Envoy().Version
	b := bootstrap{envoyFlags: envoyFlags{Tracing: "otel"}, Name: "edge", Exact: knowsSpanID(version), Sink: p.sink.grpc, OTLPWeb: p.sink.web,
		Zipkin: p.sink.web, App: p.app.address, Unix: p.app.unix, Mirror: p.app.address, Next: p.app.address, Dead: deadAddress(t)}
	connect(p, &b)
	p.envoy = startEnvoy(t, version, b)
	return p
}

// send sends n requests, each in a trace of its own.
func (p *pair) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		p.sent++
		name := fmt.Sprintf("r%d", p.sent)
		r := &request{Name: name, Method: "GET", Path: "/ok", Context: "w3c", HTTP: "1.1", Trace: digest(16, t.Name(), name, "trace"), Span: digest(8, t.Name(), name, "span")}
		if err := r.send(t.Context(), p.envoy.address, nil); err != nil {
			t.Fatalf("cannot send %s: %v", name, err)
		}
	}
}

// settle waits until one agent has got so many entries and spans, all of them have left it, and its counters are as wanted.
func (p *pair) settle(t *testing.T, i, entries, spans int, want metrics) (page metrics) {
	t.Helper()
	want["alspan_entries_received_total"], want["alspan_spans_in_total"] = float64(entries), float64(spans)
	eventually(t, 40*time.Second, func() (err error) {
		if page, err = p.agents[i].metrics(); err != nil {
			return err
		}
		if err := page.idle(); err != nil {
			return err
		}
		for name, value := range want {
			if page[name] != value {
				return fmt.Errorf("agent %d: %s is %v, want %v", i, name, page[name], value)
			}
		}
		return page.balanced()
	})
	return page
}

// servers gives the SERVER spans of an agent by request.
func (p *pair) servers(i int) map[string][]*span {
	all := map[string][]*span{}
	for _, s := range p.out[i].all() {
		if s.Kind == trace.Span_SPAN_KIND_SERVER {
			name := spanRequest(s, nil)
			all[name] = append(all[name], s)
		}
	}
	return all
}

// compare checks the SERVER spans of every request: those of the first agent, and those of the second.
func (p *pair) compare(t *testing.T, n int, check func(name string, log, spans []*span) error) {
	t.Helper()
	first, second := p.servers(0), p.servers(1)
	for i := range n {
		name := fmt.Sprintf("r%d", i+1)
		if err := check(name, first[name], second[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// inner checks that the first agent has so many INTERNAL spans, each below the SERVER that the second one has.
func (p *pair) inner(t *testing.T, want int) {
	t.Helper()
	there, n := p.servers(1), 0
	for _, s := range p.out[0].all() {
		if s.Kind != trace.Span_SPAN_KIND_INTERNAL {
			continue
		}
		n++
		if above := there[spanRequest(s, nil)]; len(above) != 1 || above[0].id() != s.parent() {
			t.Errorf("the entry's span %v is not below Envoy's %v", s, above)
		}
	}
	if n != want {
		t.Errorf("there are %d INTERNAL spans, want %d", n, want)
	}
}
