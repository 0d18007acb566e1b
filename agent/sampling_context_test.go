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
