package sampler

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Goroutines judge while others look anew, read the counts, and take up another configuration. The counts are those of all that was
// judged.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const judges, rounds, each = 4, 360, 20
		o := with(keepFailed, Rule{Name: "slow", SlowerThan: time.Second, Conditions: conditions(`span.attributes["http.route"] == "/cart"`), Action: Probability, Probability: 0.5}, dynamic(3, "http.route"))
		o.Spans, o.StressAbove = 100, 70
		s := reload(t, nil, o)
		var current atomic.Pointer[Sampler]
		var came atomic.Int64
		current.Store(s)
		spans := [][]byte{encoded(t, spanOf(1, failed, "ot=th:8")), encoded(t, spanOf(2000, unset, "", text("http.route", "/cart"))), encoded(t, spanOf(1, unset, "", text("http.route", "/")))}
		var all sync.WaitGroup
		for g := range judges {
			all.Go(func() {
				r := random(uint64(g))
				var j *Judge
				for i := range rounds {
					now := current.Load()
					if j == nil || j.s != now { // as after a change of the configuration
						j.Flush()
						j = now.Judge()
					}
					for range each * (1 + i/80%2*9) { // and with more at times
						sub, span := subjectOf(randomness(r)), spans[r.IntN(len(spans))]
						v := j.Judge(sub, span, nil, nil, true)
						came.Add(1)
						if r.IntN(10) == 0 && v.Keep {
							j.Note(append(make([]byte, 0, 1<<10), span...), j.Follow(sub, v.Reason, span))
							came.Add(1)
						}
					}
					j.Flush()
					time.Sleep(Interval)
				}
			})
		}
		for i := range rounds {
			s.Tick(i % 100)
			s.Thresholds()
			s.Active()
			s.Reasons(func(string, int64, int64) {})
			if i%120 == 119 {
				s = reload(t, s, o)
				current.Store(s)
			}
			time.Sleep(Interval)
		}
		all.Wait()
		sum := int64(0)
		s.Reasons(func(_ string, kept, dropped int64) { sum += kept + dropped })
		if n := came.Load(); sum != n {
			t.Errorf("%d are counted, and %d came", sum, n)
		}
	})
}
