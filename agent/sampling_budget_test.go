package agent

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
)

// What comes out comes near to the budget, whatever comes in: requests with all of their spans, those first that rules keep, then those
// whose traces have the highest randomness.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		budget   int
		failed   int // of 20
		errors   bool
		from, to int // spans that are left in ten seconds
	}{
		{60, 0, false, 540, 690}, {60, 1, true, 540, 690}, {60, 10, true, 540, 690}, {100000, 10, true, 8000, 8000},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(k *config.Config) {
				if k.Sample.Budget.Spans, k.Spans.Upstream = c.budget, "always"; c.errors {
					sampleRule(k, "keep")
				}
			})
			r.running.Go(func() { r.p.govern(r.parted) })
			rnd := rand.New(rand.NewPCG(1, 2))
			seconds, failed := map[string]int{}, map[string]bool{}
			const perSecond = 400
			var list []*alspb.HTTPAccessLogEntry
			for i := range 20 * perSecond { // two spans each
				code := uint32(200)
				if i%20 < c.failed {
					code = 503
				}
				q := ask(i, rnd.Uint64N(1<<56), code, code)
				trace := fmt.Sprintf("%x", q.server.TraceId)
				seconds[trace], failed[trace] = i/perSecond, code == 503
				if list = append(list, q.end); len(list) == 20 {
					r.entries(list...)
					list = nil
					r.after(20 * time.Second / perSecond)
				}
			}
			r.after(30 * time.Second)
			spans, late, lowest := map[string]int{}, 0, map[bool]float64{false: 1, true: 1}
			for _, s := range r.out {
				trace := fmt.Sprintf("%x", s.TraceId)
				if spans[trace]++; seconds[trace] >= 10 {
					late++
				}
			}
			for trace, n := range spans {
				if n != 2 {
					t.Errorf("budget %d: %d spans of a request", c.budget, n)
				}
				if seconds[trace] >= 15 {
					lowest[failed[trace]] = min(lowest[failed[trace]], rankOf(trace))
				}
			}
			if late < c.from || late > c.to {
				t.Errorf("budget %d, %d of 20 failed: %d spans in ten seconds, want %d to %d", c.budget, c.failed, late, c.from, c.to)
			}
			missing := 0
			for trace, second := range seconds {
				if second >= 15 && spans[trace] == 0 && rankOf(trace) > lowest[failed[trace]]+0.1 {
					missing++
				}
			}
			if missing > 0 {
				t.Errorf("budget %d, %d of 20 failed: %d requests are dropped although the randomness of their trace is high: the lowest that are kept have %v", c.budget, c.failed, missing, lowest)
			}
			r.end()
		})
	}
}

// rankOf gives the randomness of a trace, as a part of the highest.
func rankOf(trace string) float64 {
	p := 1.0
	for at := 0.5; at > 1e-6; at /= 2 {
		if keptAt(trace, p-at) {
			p -= at
		}
	}
	return 1 - p
}

// An agent that gets more than its budget exports about as much as that.
func TestBudgetOfAnAgent(t *testing.T) {
	backend := startBackend(t)
	const budget, seconds = 400, 3
	a := startAgent(t, backend, func(c *config.Config) { c.Sample.Budget.Spans = budget })
	e := newEnvoy(t, a, 5*time.Millisecond)
	rnd := rand.New(rand.NewPCG(7, 8))
	sent, sentThen, began := 0, 0, time.Now()
	var spansThen uint64
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for range ticks.C {
		for want := int(time.Since(began).Seconds() * 10 * budget); sent < want; sent++ {
			if err := e.Log(0, ask(sent, rnd.Uint64N(1<<56), 200, 200).end); err != nil {
				t.Fatal(err)
			}
		}
		if past := time.Since(began); spansThen == 0 && past > 1500*time.Millisecond {
			spansThen, sentThen = backend.Stats().Spans, sent
		} else if past > seconds*time.Second {
			break
		}
	}
	if sent-sentThen < 2*budget {
		t.Fatalf("%d requests in 1.5 s are too few to say anything", sent-sentThen)
	}
	spans := backend.Stats().Spans - spansThen
	if rate := float64(spans) / (seconds - 1.5); rate < budget/3 || rate > budget*3 {
		t.Errorf("%.0f spans a second are exported of a budget of %d", rate, budget)
	}
	await(t, "all entries", func() bool { return a.pipeline.Entries.Received.Load() == int64(sent) })
	e.Close(t.Context())
	a.Stop()
	checkLedgers(t, a)
	if s := &a.pipeline.Spans; s.Exported.Load()+s.Dropped[ledger.SpanSampledOut].Load() != s.Made.Load() {
		t.Errorf("%d spans were made, %d exported, %d sampled out", s.Made.Load(), s.Exported.Load(), s.Dropped[ledger.SpanSampledOut].Load())
	}
	for _, s := range backend.Spans() {
		if attributesOf(s.Span)["alspan.sampling.rule"] == "" {
			t.Fatalf("a span says nothing of why it was kept: %v", s.Span)
		}
	}
}
