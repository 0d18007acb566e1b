package agent

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
)

// reload takes up another configuration, as an agent does.
func (r *rig) reload(change func(*config.Config)) {
	r.t.Helper()
	c := config.Default()
	c.Export.Batch.Age, c.Spans.Upstream = time.Millisecond, "always"
	change(c)
	s, err := newSettings(c, nil, r.p.settings.Load(), slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	r.p.take(c, s, slog.New(slog.DiscardHandler))
}

// What is sampled changes while requests come and wait: those that come afterwards go by it, and all are accounted for.
func TestReloadSampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) { c.Spans.Upstream = "always" })
		rnd := rand.New(rand.NewPCG(5, 6))
		n := 0
		dynamic := func(c *config.Config) {
			d := sampleRule(c, "dynamic", `span.kind != SPAN_KIND_CLIENT`)
			d.GoalRate, d.Keys = 4, []string{"http.status_code"}
		}
		for round, step := range []struct {
			change func(*config.Config)
			kept   func(trace string, failed bool) bool
		}{
			{func(*config.Config) {}, func(string, bool) bool { return true }},
			{percentage(0.1), func(trace string, _ bool) bool { return keptAt(trace, 0.1) }},
			{func(c *config.Config) { keepRule()(c); percentage(0.1)(c) }, func(trace string, failed bool) bool { return failed || keptAt(trace, 0.1) }},
			{keepRule(), func(_ string, failed bool) bool { return failed }},
			{dynamic, nil},
			{func(c *config.Config) { sampleRule(c, "drop", `span.name != "none"`) }, func(string, bool) bool { return false }},
			{percentage(0.5), func(trace string, _ bool) bool { return keptAt(trace, 0.5) }},
			{func(*config.Config) {}, func(string, bool) bool { return true }},
		} {
			feed := func(decided bool) (list []*asked) {
				for range 40 {
					q := ask(n, rnd.Uint64N(1<<56), []uint32{200, 503}[n%5/4], 503)
					list = append(list, q)
					r.came(q.clients...)
					if r.entries(append(q.ups, q.end)...); n%3 > 0 {
						r.came(q.server)
					}
					r.after(20 * time.Millisecond)
					n++
				}
				return list
			}
			feed(false) // they wait, and go by the one or by the other
			r.reload(step.change)
			r.after(time.Minute)
			out := len(r.out)
			list := feed(true)
			r.after(time.Minute)
			of := map[string]int{}
			for _, s := range r.out[out:] {
				of[fmt.Sprintf("%x", s.TraceId)]++
			}
			for _, q := range list {
				trace := fmt.Sprintf("%x", q.server.TraceId)
				if spans := of[trace]; step.kept != nil && (spans > 0) != step.kept(trace, q.end.Response.ResponseCode.Value >= 500) || spans != 0 && spans != 3 {
					t.Errorf("round %d: %d spans of a request that has ended with %v, trace %s", round, spans, q.end.Response.ResponseCode, trace)
				}
			}
		}
		r.end()
		s := &r.p.Spans
		if in := s.In.Load() + s.Made.Load(); in != s.Exported.Load()+s.Dropped[ledger.SpanSampledOut].Load()+s.Dropped[ledger.SpanAlreadyMade].Load() {
			t.Errorf("of %d spans %d left, %d were sampled out, %d made before", in, s.Exported.Load(), s.Dropped[ledger.SpanSampledOut].Load(), s.Dropped[ledger.SpanAlreadyMade].Load())
		}
		if e := &r.p.Entries; e.Received.Load() != int64(3*n) {
			t.Errorf("%d entries came, want %d", e.Received.Load(), 3*n)
		}
	})
}
