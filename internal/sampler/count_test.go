package sampler

import (
	"math"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/sampling"
)

// tally estimates how many spans there were from those that are kept.
type tally struct{ sum, variance float64 }

// add takes a span that is kept with its tracestate: without a th it stands for itself.
func (c *tally) add(traceState string) {
	th, _ := thOf(traceState)
	c.count(th)
}

func (c *tally) count(th sampling.Threshold) {
	p := th.Probability()
	c.sum += 1 / p
	c.variance += (1 - p) / (p * p)
}

// is tells whether the estimate is within five standard deviations of n.
func (c *tally) is(n int) bool { return math.Abs(c.sum-float64(n)) <= 5*math.Sqrt(c.variance) }

// From the spans that are kept, each counted by its th, the true number comes out for all of them and for each group, whatever decides.
func TestTrueNumbers(t *testing.T) {
	const n = 40_000
	rules := []Rule{{Name: "failed", Error: true}, {Name: "slow", SlowerThan: time.Second, Action: Probability, Probability: 0.5}}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		set    func(*Sampler)
	}{
		{"rules", func(*Options) {}, nil},
		{"rules, proportional", func(o *Options) { o.Mode = sampling.Proportional }, nil},
		{"budget", func(o *Options) { o.Spans = 1 }, func(s *Sampler) { s.budget.usual.limit.Store(0xe1234567890abc) }},
		{"budget for what rules keep", func(o *Options) { o.Spans = 1 }, func(s *Sampler) {
			s.budget.usual.limit.Store(0xf8 << 48)
			s.budget.must.limit.Store(0xf0 << 48)
		}},
		{"budget with room", func(o *Options) { o.Spans = 1 }, nil},
		{"stress", func(o *Options) { o.StressAbove = 70 }, func(s *Sampler) { s.stress.set(1.0 / 16) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, o := all(), with(rules...)
			before.Probability, before.Upstream, o.Probability = 0.25, 1, 0.2
			tt.change(&o)
			s := mustNew(t, o)
			if tt.set != nil {
				tt.set(s)
			}
			upstream, j, r := mustNew(t, before).Judge(), s.Judge(), random(6)
			var kept [3]tally
			var real [3]int
			bare := tally{} // as if th was taken from what a rule keeps
			for range n {
				trace := randomness(r)
				group, span := 0, spanOf(1, unset, "")
				switch k := r.IntN(20); {
				case k == 0:
					group, span = 1, spanOf(1, failed, "")
				case k < 4:
					group, span = 2, spanOf(2000, unset, "")
				}
				real[group]++
				var ok bool
				if span.TraceState, ok = next(t, upstream, trace, ""); !ok {
					continue
				}
				b := encoded(t, span)
				v := j.Judge(subjectOf(trace), b, nil, nil, false)
				if !v.Keep {
					continue
				}
				out, _ := noted(t, j, b, v)
				kept[group].add(out.TraceState)
				if group == 1 {
					bare.add("")
				}
			}
			for group, name := range []string{"usual", "failed", "slow"} {
				if c := &kept[group]; !c.is(real[group]) || c.sum == 0 {
					t.Errorf("%s: an estimate of %.0f ± %.0f, but there were %d", name, c.sum, math.Sqrt(c.variance), real[group])
				}
			}
			if bare.sum > 0.3*float64(real[1]) {
				t.Errorf("without th there seem to be %.0f that have failed, of %d: it is not needed", bare.sum, real[1])
			}
		})
	}
}

// Spans that follow the verdict on their request stand for as many as it does.
func TestTrueNumbersOfFollowers(t *testing.T) {
	const n = 20_000
	o := with(Rule{Name: "failed", Error: true}, Rule{Name: "slow", SlowerThan: time.Second, Action: Probability, Probability: 0.5})
	o.Probability, o.Spans, o.StressAbove = 0.5, 1, 70
	for _, limits := range []struct {
		stress             float64
		budget, mostForced sampling.Threshold
	}{{1, 0, 0}, {1, 0xe0 << 48, 0}, {1, 0xf0 << 48, 0xd0 << 48}, {1.0 / 8, 0, 0}, {1.0 / 8, 0xf0 << 48, 0}} {
		s := mustNew(t, o)
		s.stress.set(limits.stress)
		s.budget.usual.limit.Store(uint64(limits.budget))
		s.budget.must.limit.Store(uint64(limits.mostForced))
		j, r := s.Judge(), random(7)
		var of, followers [3]tally
		var real [3]int
		for range n {
			sub := Subject{Trace: idOf(randomness(r)), All: true}
			group, span := 0, spanOf(1, unset, "")
			switch r.IntN(10) {
			case 0:
				group, span = 1, spanOf(1, failed, "")
			case 1:
				group, span = 2, spanOf(2000, unset, "")
			}
			real[group]++
			b := encoded(t, span)
			v := j.Judge(&sub, b, nil, nil, true)
			if !v.Keep {
				continue
			}
			a, _ := noted(t, j, b, v)
			f := j.Follow(&sub, v.Reason, b)
			if !f.Keep || f.Reason != v.Reason {
				t.Fatalf("%+v follows %+v", f, v)
			}
			c, _ := noted(t, j, b, f)
			of[group].add(a.TraceState)
			followers[group].add(c.TraceState)
		}
		if of != followers {
			t.Errorf("%+v: the requests stand for %v, what follows them for %v", limits, of, followers)
		}
		for group := range real {
			if !followers[group].is(real[group]) {
				t.Errorf("%+v: an estimate of %.0f, but there were %d", limits, followers[group].sum, real[group])
			}
		}
	}
}
