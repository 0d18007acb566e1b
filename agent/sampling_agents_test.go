package agent

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
)

// keptTraces gives the traces of what came out, but for those that are kept for want of a context: who has the span knows better.
func keptTraces(out []check.Out) map[string]bool {
	list := map[string]bool{}
	for _, o := range out {
		for _, rs := range o.Spans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					if attributesOf(s)["alspan.sampling.rule"] != "no_context" {
						list[fmt.Sprintf("%x", s.TraceId)] = true
					}
				}
			}
		}
	}
	return list
}

// Of agents with different probabilities each keeps some of the traces that those keep which keep more of them.
func TestSampledTracesNest(t *testing.T) {
	total := [4]int{}
	for n := range uint64(*sampledWorlds / 8) {
		w := worlds.Generate(1000 + n)
		var more map[string]bool
		for i, p := range []float64{1, 0.7, 0.4, 0.1} {
			kept := keptTraces(live(t, w, percentage(p)))
			for trace := range kept {
				if more != nil && !more[trace] {
					t.Errorf("world %d: an agent that keeps %v of all traces keeps %s, which one that keeps more drops", n, p, trace)
				}
				if !keptAt(trace, p) {
					t.Errorf("world %d: the trace %s is kept of %v", n, trace, p)
				}
			}
			more = kept
			total[i] += len(kept)
		}
	}
	for i, p := range []float64{1, 0.7, 0.4, 0.1} {
		if share := float64(total[i]) / float64(total[0]); *sampledWorlds >= 100 && (share < p-0.1 || share > p+0.1) {
			t.Errorf("%.2f of all traces are kept, want %v", share, p)
		}
	}
}

// Two agents with the same probability keep the same traces, in whichever order and to whichever of them the halves come.
func TestAgentsKeepTheSameTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rigs []*rig
		for range 3 {
			rigs = append(rigs, newRig(t, func(c *config.Config) { c.Sample.Probability, c.Sample.NoContext = config.All/4, config.All/4 }))
		}
		ways := slices.Sorted(maps.Keys(arrivals))
		rnd := rand.New(rand.NewPCG(3, 4))
		want := map[string]bool{}
		const n = 200
		for i := range n {
			r := rnd.Uint64N(1 << 56)
			for k, to := range rigs {
				q := ask(i, r, 200, 200)
				trace := fmt.Sprintf("%x", q.server.TraceId)
				if want[trace] = keptAt(trace, 0.25); k == 2 { // halves at two agents
					rigs[i%2].came(q.server)
					continue
				}
				arrivals[ways[(i+7*k)%len(ways)]](to, q)
			}
			rigs[0].after(time.Second)
		}
		for k, r := range rigs {
			r.after(time.Minute)
			r.end()
			got := keptTraces(r.batches)
			for trace, kept := range want {
				if k < 2 && got[trace] != kept {
					t.Errorf("agent %d: the trace %s is kept: %v, want %v", k, trace, got[trace], kept)
				}
			}
		}
	})
}
