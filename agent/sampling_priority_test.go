package agent

import (
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/traces"
)

// Who asks for a trace to be kept gets all of the request, and who asks for the opposite gets nothing of it.
func TestPriorities(t *testing.T) {
	value := func(v any) *commonpb.AnyValue {
		switch v := v.(type) {
		case int:
			return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v)}}
		case float64:
			return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}
		case bool:
			return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}
		}
		return text("", v.(string)).Value
	}
	for _, c := range []struct {
		key   string
		value any
		kept  int // of two: one in a trace that is kept, one in one that is not
	}{
		{"sampling.priority", 1, 2}, {"sampling.priority", 0, 0}, {"sampling.priority", 0.5, 2}, {"sampling.priority", 0.0, 0}, {"sampling.priority", "1", 2},
		{"sampling.priority", "0", 0}, {"sampling.priority", "high", 1}, {"sampling.priority", -1, 0}, {"zipkin.debug", true, 2}, {"zipkin.debug", false, 1}, {"other", 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) { c.Sample.Probability = config.All / 2 })
			say := func(s *tracepb.Span) {
				s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: c.key, Value: value(c.value)})
			}
			for n, rnd := range []uint64{0, 1<<56 - 1} {
				app := &tracepb.Span{TraceId: ask(n, rnd, 200, 200).server.TraceId, SpanId: []byte("app-span"), Name: "app"}
				say(app)
				r.came(app)
			}
			r.after(time.Second)
			if len(r.out) != c.kept {
				t.Errorf("%s %v: %v, want %d spans of the application", c.key, c.value, names(r.out), c.kept)
			}
			// An Envoy whose spans say so: from the second request on both halves, and what Envoy sends of attempts, go together.
			for n, rnd := range []uint64{0, 0, 1<<56 - 1} {
				r.out = nil
				q := ask(10+n, rnd, 200, 200)
				say(q.server)
				r.came(q.clients...)
				r.entries(q.end)
				r.after(time.Second)
				r.came(q.server)
				r.after(30 * time.Second)
				kept := c.kept == 2 || c.kept == 1 && rnd > 0
				if n > 0 && (kept && len(r.out) != 3 || !kept && len(r.out) != 0) {
					t.Errorf("%s %v at %x: %v, kept should be %v", c.key, c.value, rnd, names(r.out), kept)
				}
			}
			r.end()
		})
	}
}

// B3 can ask for a request to be kept, which only its entry says.
func TestDebug(t *testing.T) {
	for _, change := range []func(*config.Config){func(c *config.Config) { c.Sample.Probability = 0 }, keepRule()} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, change)
			for n := range 3 {
				q := flagged(ask(n, 0, 200, 503), true, "d")
				r.request(otlpMessage(t, append(q.clients, q.server)...), traces.Zipkin, traces.Zipkin, traces.Zipkin)
				r.entries(q.end)
				if n > 0 { // the first one teaches that it is not the trace id alone
					r.want("all of it", "attempt 0: debug", "attempt 1: debug", "ingress: debug")
				}
				r.after(30 * time.Second)
				if got := r.reasons(); n == 0 && len(got) != 0 && len(got) != 3 {
					t.Errorf("the first one: %q", got)
				}
			}
			q := flagged(ask(9, 0, 200, 200), true, "1")
			r.entries(q.end)
			r.request(otlpMessage(t, append(q.clients, q.server)...), traces.Zipkin, traces.Zipkin, traces.Zipkin)
			r.want("nothing of it")
			r.end()
		})
	}
}

// A filter drops what was sampled, be it the late half alone; what was not sampled is counted as that.
func TestSampledAndFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			keepRule()(c)
			sampleRule(c, "drop", `span.attributes["http.status_code"] == "404"`)
			spanFilter(`attributes["envoy.log_name"] == "edge"`, `attributes["http.status_code"] == "418"`)(c)
		})
		for n, code := range []uint32{503, 200, 404, 418} {
			q := ask(n, 0, code, code)
			r.came(append(q.clients, q.server)...)
			r.after(5 * time.Second)
			r.entries(q.end)
			r.after(30 * time.Second)
		}
		if filtered, out := r.p.Spans.Dropped[ledger.SpanFiltered].Load(), r.p.Spans.Dropped[ledger.SpanSampledOut].Load(); filtered != 1+4 || out != 4+4 {
			t.Errorf("%d are filtered and %d sampled out, want 5 and 8", filtered, out)
		}
		r.want("what failed, but its entry", "attempt 0: rule 0", "attempt 1: rule 0", "ingress: rule 0")
		r.end()
	})
}
