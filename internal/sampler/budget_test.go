package sampler

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

// source is where spans of one kind come from at a constant rate.
type source struct {
	rate   int // a second
	bytes  int
	failed bool
	debug  bool
}

func (s *source) span() []byte {
	span := []byte{}
	if s.failed {
		span = append(span, "\x7a\x02\x18\x02"...)
	}
	if s.bytes > len(span)+4 {
		span = wire.AppendBytes(span, 5, make([]byte, s.bytes-len(span)-4))
	}
	return span
}

// flow lets spans come to judges, which belong to different samplers, in the time of a test.
type flow struct {
	t      *testing.T
	r      *rand.Rand
	judges []*Judge
	check  func(r uint64, failed bool, v []Verdict) // if it is set, it is called for each span
}

// amount is what was kept of one source.
type amount struct{ spans, bytes int }

// run lets the sources flow for some time. It gives what the first judge has kept, a second.
func (f *flow) run(d time.Duration, sources ...source) []amount {
	const step = 10 * time.Millisecond
	kept := make([]amount, len(sources))
	verdicts := make([]Verdict, len(f.judges))
	for at := time.Duration(0); at < d; at += step {
		for i := range sources {
			src := &sources[i]
			span := src.span()
			before, after := int(at)*src.rate/int(time.Second), int(at+step)*src.rate/int(time.Second)
			for range after - before {
				r := randomness(f.r)
				for k, j := range f.judges {
					verdicts[k] = j.Judge(&Subject{Trace: idOf(r), All: true, Debug: src.debug}, span, nil, nil, true)
				}
				if f.check != nil {
					f.check(r, src.failed, verdicts)
				}
				if verdicts[0].Keep {
					kept[i].spans++
					kept[i].bytes += len(span)
				}
			}
		}
		time.Sleep(step)
		if (at+step)%Interval == 0 {
			for _, j := range f.judges {
				j.s.Tick(0)
			}
		}
	}
	for i := range kept {
		kept[i].spans = int(float64(kept[i].spans) / d.Seconds())
		kept[i].bytes = int(float64(kept[i].bytes) / d.Seconds())
	}
	return kept
}

// newFlow begins one to samplers with those options.
func newFlow(t *testing.T, options ...Options) *flow {
	f := &flow{t: t, r: random(8)}
	for _, o := range options {
		f.judges = append(f.judges, mustNew(t, o).Judge())
	}
	return f
}

// near complains unless got is want within some percent.
func near(t *testing.T, what string, got, want, percent int) {
	t.Helper()
	if d := got - want; max(d, -d)*100 > want*percent {
		t.Errorf("%s: %d, want %d within %d %%", what, got, want, percent)
	}
}

func budget(spans int, bytes int64, rules ...Rule) Options {
	o := with(rules...)
	o.Spans, o.Bytes = spans, bytes
	return o
}

var keepFailed = Rule{Name: "failed", Error: true}

// After two seconds of a constant load what is kept is the budget, whichever part of it is short.
func TestBudget(t *testing.T) {
	for _, tt := range []struct {
		name    string
		o       Options
		sources []source
		want    []amount // spans a second, by source
	}{
		{"spans", budget(1000, 0), []source{{rate: 10_000, bytes: 500}}, []amount{{spans: 1000}}},
		{"many more spans", budget(500, 0), []source{{rate: 100_000, bytes: 10}}, []amount{{spans: 500}}},
		{"a little more", budget(5000, 0), []source{{rate: 6000, bytes: 10}}, []amount{{spans: 5000}}},
		{"as many", budget(5000, 0), []source{{rate: 5000, bytes: 10}}, []amount{{spans: 5000}}},
		{"less", budget(5000, 1<<40), []source{{rate: 200, bytes: 10}}, []amount{{spans: 200}}},
		{"bytes", budget(0, 500_000), []source{{rate: 10_000, bytes: 500}}, []amount{{spans: 1000}}},
		{"both, bytes are short", budget(2000, 500_000), []source{{rate: 10_000, bytes: 500}}, []amount{{spans: 1000}}},
		{"both, spans are short", budget(500, 500_000), []source{{rate: 10_000, bytes: 500}}, []amount{{spans: 500}}},
		{"spans of two sizes", budget(0, 550_000), []source{{rate: 5000, bytes: 1000}, {rate: 5000, bytes: 100}}, []amount{{spans: 500}, {spans: 500}}},
		{"none fits", budget(0, 1), []source{{rate: 10_000, bytes: 500}}, []amount{{spans: 0}}},

		{"what rules keep has room", budget(1000, 0, keepFailed), []source{{rate: 600, failed: true}, {rate: 10_000}}, []amount{{spans: 600}, {spans: 400}}},
		{"what rules keep is as much as there is", budget(1000, 0, keepFailed), []source{{rate: 1000, failed: true}, {rate: 10_000}}, []amount{{spans: 1000}, {spans: 0}}},
		{"what rules keep is too much", budget(1000, 0, keepFailed), []source{{rate: 5000, failed: true}, {rate: 10_000}}, []amount{{spans: 1000}, {spans: 0}}},
		{"what rules keep has too many bytes", budget(0, 100_000, keepFailed), []source{{rate: 5000, bytes: 100, failed: true}, {rate: 1000, bytes: 100}}, []amount{{spans: 1000}, {spans: 0}}},
		{"debug and failed", budget(1000, 0, keepFailed), []source{{rate: 4000, failed: true}, {rate: 4000, debug: true}}, []amount{{spans: 500}, {spans: 500}}},
		{"different probabilities", budget(2000, 0, Rule{Name: "p", Error: true, Action: Probability, Probability: 0.1}, Rule{Name: "q", Action: Probability, Probability: 0.5}),
			[]source{{rate: 10_000, failed: true}, {rate: 10_000}}, []amount{{spans: 1000}, {spans: 1000}}},
		{"one of two probabilities is in reach", budget(3000, 0, Rule{Name: "p", Error: true, Action: Probability, Probability: 0.1}, Rule{Name: "q", Action: Probability, Probability: 0.5}),
			[]source{{rate: 10_000, failed: true}, {rate: 10_000}}, []amount{{spans: 1000}, {spans: 2000}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlow(t, tt.o)
				f.run(2*time.Second, tt.sources...)
				for second := range 3 {
					for i, got := range f.run(time.Second, tt.sources...) {
						if want := tt.want[i].spans; want > 0 {
							near(t, tt.name, got.spans, want, 10)
						} else if got.spans > 20 {
							t.Errorf("second %d, source %d: %d are kept, and there is no room", second, i, got.spans)
						}
					}
				}
			})
		})
	}
}

// A burst is known after a second, and forgotten after two.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t, budget(1000, 0))
		usual, burst := source{rate: 500}, source{rate: 20_000}
		near(t, "before", f.run(3*time.Second, usual)[0].spans, 500, 0)
		if got := f.run(time.Second, burst)[0].spans; got > 10_000 {
			t.Errorf("in the first second of the burst %d are kept", got)
		}
		f.run(time.Second, burst)
		near(t, "in the burst", f.run(5*time.Second, burst)[0].spans, 1000, 10)
		f.run(3*time.Second, usual)
		near(t, "after it", f.run(time.Second, usual)[0].spans, 500, 0)
		if b, _, _ := f.judges[0].s.Thresholds(); b != sampling.Always {
			t.Errorf("the threshold stays at %014x", uint64(b))
		}
	})
}

// Nothing comes, for a while or at all; and what comes afterwards has all the room.
func TestNoLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t, budget(10, 10, keepFailed))
		f.run(time.Minute)
		if b, forced, _ := f.judges[0].s.Thresholds(); b|forced != sampling.Always {
			t.Errorf("the thresholds are %014x and %014x", uint64(b), uint64(forced))
		}
		near(t, "one in a while", f.run(10*time.Second, source{rate: 1})[0].spans, 1, 0)
		f.judges[0].s.Tick(0)
		f.judges[0].s.Tick(0) // no time has passed
		near(t, "one in a while", f.run(10*time.Second, source{rate: 1})[0].spans, 1, 0)
	})
}

// At any moment what is kept is what has at least some randomness, and of two agents the one with less room keeps a part of what the
// other one keeps.
func TestBudgetsNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(t, budget(300, 0, keepFailed), budget(2000, 0, keepFailed))
		kept := 0
		f.check = func(r uint64, failed bool, v []Verdict) {
			if v[0].Keep && !v[1].Keep {
				t.Fatalf("R %014x: kept with a budget of 300, not with one of 2000", r)
			}
			for i, j := range f.judges {
				limit := j.s.budget.threshold(failed)
				if v[i].Keep != (r >= uint64(limit)) || v[i].Keep && v[i].th != limit {
					t.Fatalf("R %014x: %+v at the threshold %014x", r, v[i], uint64(limit))
				}
			}
			if v[0].Keep {
				kept++
			}
		}
		for _, rate := range []int{100, 5000, 500, 20_000, 0, 3000} {
			f.run(2*time.Second, source{rate: rate}, source{rate: rate / 5, failed: true})
		}
		if kept < 1000 {
			t.Errorf("%d kept: too few to say anything", kept)
		}
	})
}

// A look just after another one, as a delayed ticker takes it, does not make a flood of the batch that has come in between.
func TestUnevenTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := mustNew(t, budget(1000, 0)).Judge()
		r := random(9)
		kept := 0
		for i := range 500 { // 200 at once, every tenth of a second
			for range 200 {
				if j.Judge(subjectOf(randomness(r)), nil, nil, nil, false).Keep && i >= 20 {
					kept++
				}
			}
			time.Sleep(time.Millisecond)
			if i%5 == 0 {
				j.s.Tick(0)
			}
			time.Sleep(98 * time.Millisecond)
			if i%5 == 4 {
				j.s.Tick(0)
			}
			time.Sleep(time.Millisecond)
		}
		near(t, "2000 a second, in batches", kept/48, 1000, 15)
	})
}

// Spans that follow the verdict on their request count, too. Those of requests that are dropped never come; the budget is met all the
// same, also when the load falls.
func TestBudgetOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const followers = 4
		j, r, span := mustNew(t, budget(0, 100_000)).Judge(), random(11), make([]byte, 100)
		run := func(requests int, d time.Duration) int {
			kept := 0
			for range d / Interval {
				var later []*Subject
				for range requests / 4 {
					if sub := subjectOf(randomness(r)); j.Judge(sub, span, nil, nil, false).Keep {
						kept++
						later = append(later, sub)
					}
				}
				time.Sleep(Interval / 2)
				for _, sub := range later {
					for range followers {
						j.Follow(sub, ByProbability, span)
					}
				}
				time.Sleep(Interval / 2)
				j.s.Tick(0)
			}
			return int(float64(kept*(1+followers)) / d.Seconds())
		}
		run(5000, 2*time.Second)
		near(t, "5000 requests", run(5000, 4*time.Second), 1000, 10)
		if got := run(1000, 2*time.Second); got > 1500 {
			t.Errorf("in the two seconds after the load has fallen %d are kept, of 1000", got)
		}
		near(t, "1000 requests", run(1000, 4*time.Second), 1000, 10)
		run(150, 2*time.Second)
		near(t, "150 requests", run(150, 2*time.Second), 740, 1) // all, 37 in each Interval
	})
}

// Every randomness is in the bucket that it belongs to.
func TestBuckets(t *testing.T) {
	r := random(10)
	for n := range 20_000 {
		x := randomness(r) >> (n % 56)
		if n%2 == 0 {
			x = most - x
		}
		missing, b := uint64(sampling.Never)-x, bucketOf(x)
		if missing < lowest(b) || missing >= lowest(b+1) && missing >= 8 { // what misses less than 8 has no eighths
			t.Fatalf("R %014x is in bucket %d, from %d to %d", x, b, lowest(b), lowest(b+1))
		}
	}
	if bucketOf(0) >= offerBuckets || bucketOf(most) != 0 {
		t.Error("an end is out of the range")
	}
}
