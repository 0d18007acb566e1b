package agent

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/sampler"
)

// reasons gives of what came out since the last call what has decided, with the names.
func (r *rig) reasons() (list []string) {
	for _, s := range r.out {
		list = append(list, fmt.Sprint(s.Name, ": ", attributesOf(s.Span)[sampler.RuleAttribute]))
	}
	r.out = nil
	slices.Sort(list)
	return list
}

func (r *rig) want(what string, want ...string) {
	r.t.Helper()
	r.after(30 * time.Second)
	if got := r.reasons(); !slices.Equal(got, want) {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A request without a context is sampled by its own probability, unless its span knows the trace: then by that, whichever comes first
// or late. What waits for its span does not wait in vain, so that the next one does meet it.
func TestRequestsWithoutContext(t *testing.T) {
	for _, p := range []config.Percent{0, config.All} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) { c.Sample.Probability, c.Sample.NoContext = config.All/2, p })
			bare := func(n int, rnd uint64) *asked {
				q := ask(n, rnd, 200, 200)
				q.end.Request.RequestHeaders = nil
				return q
			}
			alone := []string{"GET: no_context"}
			if p == 0 {
				alone = nil
			}
			q := bare(0, 1<<56-1)
			r.came(q.server)
			r.entries(q.end)
			r.want("joined, and kept", "ingress: probability")
			for n := 1; n < 40; n += 2 { // more than an entry waits for in vain before it gives up
				q := bare(n, 0)
				r.came(q.server)
				r.entries(q.end)
				q = bare(n+1, 0)
				r.entries(q.end)
				r.after(time.Second)
				r.came(q.server)
				r.want("dropped by the trace")
			}
			q = bare(41, 1<<56-1)
			r.entries(q.end)
			r.after(7 * time.Second)
			r.came(q.server)
			r.want("still joined", "ingress: probability")
			q = bare(42, 0)
			r.came(q.server)
			r.after(15 * time.Second)
			r.entries(q.end)
			r.want("the entry late")
			q = bare(43, 1)
			r.entries(q.end)
			r.want("the entry alone", alone...)
			if n := r.p.Entries.Dropped[ledger.EntrySampledOut].Load(); n != 21 {
				t.Errorf("%d entries follow their spans, want 21", n)
			}
			r.end()
		})
	}
}

// A tracestate says more than the trace id: the randomness that counts instead. Both halves go by it, whether the entry has logged it or
// not.
func TestHintsOfBothHalves(t *testing.T) {
	for _, logged := range []bool{false, true} {
		for _, way := range []string{"the entry first", "the span first", "all at once", "the entry late", "CLIENTs after"} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *config.Config) { c.Sample.Probability = config.All / 2 })
				for n, rnd := range []uint64{0, 0, 1<<56 - 1} { // the first one teaches that there are such hints
					q := ask(n, rnd, 200, 200)
					state := fmt.Sprintf("ot=rv:%014x", 1<<56-1-rnd)
					for _, e := range append(q.ups, q.end) {
						if logged {
							e.Request.RequestHeaders["tracestate"] = state
						}
					}
					for _, s := range append(q.clients, q.server) {
						s.TraceState = state
					}
					arrivals[way](r, q)
					r.after(30 * time.Second)
					entry := false
					for _, s := range r.out {
						entry = entry || attributesOf(s.Span)["envoy.log_name"] != ""
					}
					if n == 1 && (len(r.out) == 0 || way != "CLIENTs after" && !entry) || n == 2 && len(r.out) != 0 {
						t.Errorf("%s, logged: %v: request %d leaves as %q", way, logged, n, names(r.out))
					}
					r.out = nil
				}
				r.end()
			})
		}
	}
}

// Where every request is logged, nothing was sampled before, and what the configuration knows of a tracer is not about those requests:
// neither about their entries nor about their spans.
func TestUpstreamProbabilityIsOfSpansAlone(t *testing.T) {
	wholes(t, func(c *config.Config) {
		c.Sample.Mode, c.Sample.UpstreamProbability, c.Sample.Probability = "proportional", config.All/2, config.All/2
	}, func() []*asked {
		return []*asked{ask(1, 6<<52, 200, 503), ask(2, 9<<52, 200, 503), ask(3, 15<<52, 200, 503)}
	}, false, true, true)
}
