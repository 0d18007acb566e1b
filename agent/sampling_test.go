package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/sampler"
)

// asked is a request of two attempts: all that an Envoy can say of it.
type asked struct {
	end     *alspb.HTTPAccessLogEntry
	ups     []*alspb.HTTPAccessLogEntry
	server  *tracepb.Span
	clients []*tracepb.Span
}

// ask makes request n, which has just ended with that code, in a trace with the randomness r; its first attempt has another code.
func ask(n int, r uint64, code, first uint32) *asked {
	q := &asked{}
	q.end, q.ups, q.server, q.clients = tried(n)
	trace := fmt.Sprintf("%016x%016x", n+1, r)
	for i, e := range append(slices.Clone(q.ups), q.end) {
		e.Request.RequestHeaders["traceparent"] = "00-" + trace + e.Request.RequestHeaders["traceparent"][35:]
		e.Response.ResponseCode = wrapperspb.UInt32([]uint32{first, code, code}[i])
	}
	for i, s := range append(slices.Clone(q.clients), q.server) {
		s.TraceId = unhex(trace)
		c := []uint32{first, code, code}[i]
		for _, a := range s.Attributes {
			if a.Key == "http.status_code" {
				a.Value = text("", fmt.Sprint(c)).Value
			}
		}
		if c >= 500 {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}
	}
	return q
}

// hedge makes the attempts overlap.
func (q *asked) hedge() *asked {
	q.ups[1].CommonProperties.StartTime = timestamppb.New(q.ups[0].CommonProperties.StartTime.AsTime().Add(time.Millisecond))
	q.clients[1].StartTimeUnixNano = q.clients[0].StartTimeUnixNano + 1e6
	return q
}

func (r *rig) entries(list ...*alspb.HTTPAccessLogEntry) { r.logs(1, alsMessage(r.t, list...)) }
func (r *rig) came(list ...*tracepb.Span)                { r.request(otlpMessage(r.t, list...)) }

// arrivals are the ways in which what is about a request can come.
var arrivals = map[string]func(r *rig, q *asked){
	"the entry alone":        func(r *rig, q *asked) { r.entries(q.end) },
	"the span alone":         func(r *rig, q *asked) { r.came(q.server) },
	"the entry first":        func(r *rig, q *asked) { r.entries(q.end); r.after(time.Second); r.came(q.server) },
	"the span first":         func(r *rig, q *asked) { r.came(q.server); r.after(time.Second); r.entries(q.end) },
	"the entry late":         func(r *rig, q *asked) { r.came(q.server); r.after(4 * time.Second); r.entries(q.end) },
	"the entry very late":    func(r *rig, q *asked) { r.came(q.server); r.after(15 * time.Second); r.entries(q.end) },
	"the span late":          func(r *rig, q *asked) { r.entries(q.end); r.after(10 * time.Second); r.came(q.server) },
	"the span very late":     func(r *rig, q *asked) { r.entries(q.end); r.after(25 * time.Second); r.came(q.server) },
	"attempts, entries only": func(r *rig, q *asked) { r.entries(append(q.ups, q.end)...) },
	"attempts later":         func(r *rig, q *asked) { r.entries(q.end); r.came(q.server); r.after(time.Second); r.entries(q.ups...) },
	"attempts before":        func(r *rig, q *asked) { r.entries(q.ups...); r.after(time.Second); r.came(q.server); r.entries(q.end) },
	"attempts, no SERVER":    func(r *rig, q *asked) { r.came(q.clients...); r.entries(append(q.ups, q.end)...) },
	"all at once":            func(r *rig, q *asked) { r.came(append(q.clients, q.server)...); r.entries(append(q.ups, q.end)...) },
	"hedged": func(r *rig, q *asked) {
		q.hedge()
		r.entries(append(q.ups, q.end)...)
		r.came(append(q.clients, q.server)...)
	},
	"CLIENTs before": func(r *rig, q *asked) { r.came(q.clients...); r.after(4 * time.Second); r.came(q.server) },
	"CLIENTs after":  func(r *rig, q *asked) { r.came(q.server); r.after(4 * time.Second); r.came(q.clients...) },
	"CLIENTs before, joined": func(r *rig, q *asked) {
		r.came(q.clients...)
		r.after(4 * time.Second)
		r.entries(q.end)
		r.came(q.server)
	},
	"a CLIENT, no SERVER": func(r *rig, q *asked) { r.came(q.clients[1]); r.entries(q.end) },
	"one CLIENT each": func(r *rig, q *asked) {
		r.came(q.clients[0])
		r.came(q.server)
		r.after(time.Second)
		r.came(q.clients[1])
	},
	"records after CLIENTs": func(r *rig, q *asked) {
		r.came(q.clients...)
		r.after(3 * time.Second)
		r.entries(append(q.ups, q.end)...)
		r.came(q.server)
	},
	"records late": func(r *rig, q *asked) {
		r.came(append(q.clients, q.server)...)
		r.after(5 * time.Second)
		r.entries(append(q.ups, q.end)...)
	},
	"everything twice": func(r *rig, q *asked) {
		r.entries(q.end, q.end)
		r.came(q.server, q.server)
		r.after(4 * time.Second)
		r.entries(q.end)
		r.came(q.server)
	},
}

// pass lets requests pass through an agent, in a way of arriving, and gives what came out of each, as text. It has seen other ones.
func pass(t *testing.T, change func(*config.Config), arrive func(*rig, *asked), requests func() []*asked) (out [][]string, dropped, early int64) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			c.Spans.Upstream = "always"
			if change != nil {
				change(c)
			}
		})
		warm := ask(100, 1<<56-1, 500, 500)
		arrivals["all at once"](r, warm)
		r.after(time.Minute)
		before := r.p.Spans.Dropped[ledger.SpanSampledOut].Load()
		list := requests()
		for _, q := range list {
			arrive(r, q)
			r.after(time.Minute)
		}
		dropped = r.p.Spans.Dropped[ledger.SpanSampledOut].Load() - before
		early = r.p.Entries.Dropped[ledger.EntrySampledOut].Load()
		reasons := make([]map[string]bool, len(list))
		for i, q := range list {
			var spans []string
			reasons[i] = map[string]bool{}
			for _, s := range r.out {
				if string(s.TraceId) == string(q.server.TraceId) {
					spans = append(spans, fmt.Sprintf("%s %v %x below %x", s.Name, s.Kind, s.SpanId, s.ParentSpanId))
					reasons[i][attributesOf(s.Span)[sampler.RuleAttribute]] = true
				}
			}
			if len(reasons[i]) > 1 {
				t.Errorf("request %d is kept for the reasons %v", i, reasons[i])
			}
			slices.Sort(spans)
			out = append(out, spans)
		}
		r.end()
	})
	return out, dropped, early
}

// wholes checks what becomes of requests that are sampled, however they arrive: each leaves as it would without sampling, or nothing
// of it does.
func wholes(t *testing.T, change func(*config.Config), requests func() []*asked, kept ...bool) {
	t.Helper()
	for way, arrive := range arrivals {
		t.Run(way, func(t *testing.T) {
			all, _, _ := pass(t, nil, arrive, requests)
			got, dropped, early := pass(t, change, arrive, requests)
			gone := int64(0)
			for i := range kept {
				switch {
				case len(all[i]) == 0:
					t.Errorf("request %d does not leave without sampling", i)
				case kept[i] && !slices.Equal(all[i], got[i]):
					t.Errorf("request %d leaves as\n%s\nand without sampling as\n%s", i, strings.Join(got[i], "\n"), strings.Join(all[i], "\n"))
				case !kept[i] && len(got[i]) != 0:
					t.Errorf("request %d leaves as\n%s", i, strings.Join(got[i], "\n"))
				case !kept[i]:
					gone += int64(len(all[i]))
				}
			}
			if early == 0 && dropped != gone {
				t.Errorf("%d spans are counted as sampled out, want %d", dropped, gone)
			}
		})
	}
}

// A request is kept or dropped by what it became, with all of its attempts.
func TestSampledByErrors(t *testing.T) {
	for _, p := range []config.Percent{0, 1} {
		wholes(t, func(c *config.Config) { keepRule()(c); c.Sample.Probability = p },
			func() []*asked {
				return []*asked{ask(1, 1, 200, 503), ask(2, 1, 503, 503), ask(3, 1, 503, 200), ask(4, 1, 200, 200), ask(5, 1, 404, 404), ask(6, 1<<56-1, 200, 503)}
			},
			false, true, true, false, false, p > 0)
	}
}

// What a rule says of an attempt alone is nothing: its request decides.
func TestRulesOnAttempts(t *testing.T) {
	two := func() []*asked { return []*asked{ask(1, 1, 200, 503), ask(2, 1<<55, 503, 503)} }
	for _, action := range []string{"drop", "keep"} {
		wholes(t, func(c *config.Config) {
			c.Sample.Probability, c.Sample.NoContext = config.All/2, config.All/2
			sampleRule(c, action, `span.kind == SPAN_KIND_CLIENT`)
		}, two, false, true)
	}
}

// A rule that matches the span of the request alone takes its attempts along, whichever of its halves comes first.
func TestRulesOnRequests(t *testing.T) {
	two := func() []*asked { return []*asked{ask(1, 1, 200, 503), ask(2, 1<<56-1, 503, 503)} }
	wholes(t, func(c *config.Config) { sampleRule(c, "drop", `span.kind != SPAN_KIND_CLIENT`) }, two, false, false)
	wholes(t, func(c *config.Config) {
		keepRule(`span.kind != SPAN_KIND_CLIENT`)(c)
		c.Sample.Rules[0].Action, c.Sample.Rules[0].Probability = "probability", config.All/4
	}, two, false, true)
	wholes(t, func(c *config.Config) { c.Sample.Probability = config.All / 4 }, two, false, true)
}
