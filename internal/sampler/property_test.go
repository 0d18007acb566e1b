package sampler

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/sampling"
)

// probability draws one, from all to hardly any.
func probability(r *rand.Rand) float64 {
	if r.IntN(8) == 0 {
		return []float64{0, 1, 0.5, 0.25}[r.IntN(4)]
	}
	return math.Exp2(-8 * r.Float64())
}

// anyTraceState draws one: mostly none, or with hints, true or not, or malformed.
func anyTraceState(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return ""
	}
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var members []string
	for range r.IntN(3) {
		members = append(members, pick("foo=1", "bar=2", "", "=", "rot=th:c"))
	}
	var pairs []string
	for range 1 + r.IntN(3) {
		pairs = append(pairs, pick("th:c", "th:8", "th:0", "th:fd70a", "rv:"+rv, "rv:"+lowRV, "x:1", "th:X", "rv:1"))
	}
	members = append(members, "ot="+strings.Join(pairs, ";"))
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return strings.Join(members, ",")
}

// anySpan draws all that a span may say besides its tracestate.
func anySpan(t testing.TB, r *rand.Rand, traceState string) []byte {
	if r.IntN(4) == 0 {
		return plain(traceState)
	}
	s := spanOf(r.Uint64N(5000), unset, traceState, text("http.route", []string{"/checkout", "/cart"}[r.IntN(2)]))
	if r.IntN(2) == 0 {
		s.Status.Code = failed
	}
	return encoded(t, s)
}

// anyOptions are such that only the trace id decides.
func anyOptions(r *rand.Rand) Options {
	o := Options{Mode: sampling.Mode(r.IntN(2)), Probability: probability(r), NoContext: probability(r), WriteTH: true}
	if r.IntN(2) == 0 {
		o.Upstream = probability(r)
	}
	if o.Probability == 1 && o.NoContext == 1 {
		o.Probability = 0.5
	}
	return o
}

// Where only a probability is configured, nothing that a span says but th and rv has a part in the decision; and Early takes it.
func TestTheTraceDecides(t *testing.T) {
	r := random(1)
	kept, early := 0, 0
	for range 300 {
		j := mustNew(t, anyOptions(r)).Judge()
		for range 50 {
			sub := Subject{Trace: idOf(randomness(r)), All: r.IntN(2) == 0, Contextless: r.IntN(4) == 0}
			traceState := anyTraceState(r)
			one := j.Judge(&sub, anySpan(t, r, traceState), nil, nil, r.IntN(2) == 0)
			other := j.Judge(&sub, anySpan(t, r, traceState), headOf(t, text("service.name", "edge")), nil, r.IntN(2) == 0)
			if one != other {
				t.Fatalf("%+v, %q: %+v and %+v", sub, traceState, one, other)
			}
			why, drops := j.Early(&sub, []byte(traceState))
			if drops == one.Keep || drops && why != one.Reason {
				t.Fatalf("%+v, %q: early dropped is %v by %d, later kept is %v by %d", sub, traceState, drops, why, one.Keep, one.Reason)
			}
			if drops {
				early++
			} else {
				kept++
			}
		}
	}
	if kept < 1000 || early < 1000 {
		t.Errorf("%d kept, %d dropped: too few to say anything", kept, early)
	}
}

// Whatever else there is, what Early drops is dropped for the same reason.
func TestEarlyIsRight(t *testing.T) {
	r := random(2)
	early := 0
	for range 300 {
		o := anyOptions(r)
		if r.IntN(2) == 0 {
			o.Rules = []Rule{{Name: "failed", Error: true}, {Name: "slow", SlowerThan: time.Second, Action: Drop}}[:r.IntN(3)]
		}
		if r.IntN(2) == 0 {
			o.Spans = 1
		}
		if r.IntN(2) == 0 {
			o.StressAbove = 70
		}
		s := mustNew(t, o)
		j := s.Judge()
		if s.stress != nil {
			s.stress.set(0.25)
		}
		if s.budget != nil {
			s.budget.usual.limit.Store(uint64(half))
		}
		for range 50 {
			sub := Subject{Trace: idOf(randomness(r)), All: r.IntN(2) == 0, Contextless: r.IntN(4) == 0, Debug: r.IntN(8) == 0, Unsampled: r.IntN(8) == 0, Priority: int8(max(r.IntN(9)-7, -1) * r.IntN(2))}
			traceState := anyTraceState(r)
			if why, drops := j.Early(&sub, []byte(traceState)); drops {
				early++
				if v := j.Judge(&sub, anySpan(t, r, traceState), nil, nil, false); v.Keep || v.Reason != why {
					t.Fatalf("%+v, %q: dropped early by %d, but %+v", sub, traceState, why, v)
				}
			}
		}
	}
	if early < 1000 {
		t.Errorf("%d dropped early: too few to say anything", early)
	}
}

// What the stricter of two samplers keeps, the other one keeps, too.
func TestSamplersNest(t *testing.T) {
	r := random(3)
	kept := 0
	for range 300 {
		o := anyOptions(r)
		low, high := o, o
		low.Probability, high.Probability = 0.9*o.Probability, o.Probability
		low.NoContext, high.NoContext = 0.9*o.NoContext, o.NoContext
		strict, lax := mustNew(t, low).Judge(), mustNew(t, high).Judge()
		for range 100 {
			sub := Subject{Trace: idOf(randomness(r)), All: r.IntN(2) == 0, Contextless: r.IntN(4) == 0}
			span := anySpan(t, r, anyTraceState(r))
			v := strict.Judge(&sub, span, nil, nil, false)
			if v.Keep && !lax.Judge(&sub, span, nil, nil, false).Keep {
				t.Fatalf("%+v: kept by %+v, not by %+v", sub, low, high)
			}
			if v.Keep {
				kept++
			}
		}
	}
	if kept < 1000 {
		t.Errorf("%d kept: too few to say anything", kept)
	}
}

// The share that is kept is the probability, of the sampler or of a rule.
func TestShare(t *testing.T) {
	r := random(4)
	const n = 200_000
	for _, p := range []float64{0.9, 0.5, 0.1, 0.01, 0.001} {
		for _, mode := range []sampling.Mode{sampling.Equalizing, sampling.Proportional} {
			base, rule := all(), with(Rule{Name: "p", Action: Probability, Probability: p})
			base.Mode, rule.Mode, base.Probability = mode, mode, p
			a, b := mustNew(t, base).Judge(), mustNew(t, rule).Judge()
			kept := 0
			for range n {
				sub := subjectOf(randomness(r))
				keep := a.Judge(sub, nil, nil, nil, false).Keep
				if keep != b.Judge(sub, nil, nil, nil, false).Keep {
					t.Fatal("a rule of the same probability keeps another trace")
				}
				if keep {
					kept++
				}
			}
			if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(float64(kept)-n*p) > 5*sigma {
				t.Errorf("mode %d: %d of %d kept at %v", mode, kept, n, p)
			}
		}
	}
}

// Stages in a row, each of which reads what the one before has written.
func TestStages(t *testing.T) {
	r := random(5)
	const n = 20_000
	for _, tt := range []struct {
		name  string
		modes [2]sampling.Mode
		p     [2]float64
		want  float64
	}{
		{"equalizing, then less", [2]sampling.Mode{}, [2]float64{0.5, 0.1}, 0.1},
		{"equalizing, then more", [2]sampling.Mode{}, [2]float64{0.1, 0.5}, 0.1},
		{"equalizing twice", [2]sampling.Mode{}, [2]float64{0.3, 0.3}, 0.3},
		{"proportional twice", [2]sampling.Mode{sampling.Proportional, sampling.Proportional}, [2]float64{0.3, 0.5}, 0.15},
		{"equalizing, then proportional", [2]sampling.Mode{sampling.Equalizing, sampling.Proportional}, [2]float64{0.3, 0.5}, 0.15},
		{"proportional, then equalizing", [2]sampling.Mode{sampling.Proportional, sampling.Equalizing}, [2]float64{0.3, 0.1}, 0.1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := all(), all()
			first.Probability, first.Mode, first.Upstream = tt.p[0], tt.modes[0], 1
			second.Probability, second.Mode = tt.p[1], tt.modes[1]
			a, b := mustNew(t, first).Judge(), mustNew(t, second).Judge()
			kept, sum := 0, 0.0
			for range n {
				trace := randomness(r)
				traceState, ok := next(t, a, trace, "")
				if ok {
					traceState, ok = next(t, b, trace, traceState)
				}
				if !ok {
					continue
				}
				kept++
				th, known := thOf(traceState)
				if p := th.Probability(); !known || math.Abs(p-tt.want) > tt.want/1000 {
					t.Fatalf("what is written is %q, %v, want %v", traceState, p, tt.want)
				}
				sum += 1 / th.Probability()
			}
			sigma := math.Sqrt(n * tt.want * (1 - tt.want))
			if math.Abs(float64(kept)-n*tt.want) > 5*sigma {
				t.Errorf("%d of %d kept, want %v", kept, n, tt.want)
			}
			if math.Abs(sum-n) > 5*sigma/tt.want {
				t.Errorf("they stand for %.0f of %d", sum, n)
			}
		})
	}
}

// rv is the randomness, and stays.
func TestStagesByRV(t *testing.T) {
	o := all()
	o.Probability, o.Upstream = 0.5, 1
	j := mustNew(t, o).Judge()
	for trace, in := range map[uint64]string{0: "ot=rv:" + rv, most: "ot=rv:" + rv} {
		traceState, ok := next(t, j, trace, in)
		if ok {
			traceState, ok = next(t, j, trace, traceState)
		}
		if want := "ot=rv:" + rv + ";th:8"; !ok || traceState != want {
			t.Errorf("R %014x goes on with %q, %v", trace, traceState, ok)
		}
	}
	if _, ok := next(t, j, most, "ot=rv:"+lowRV); ok {
		t.Error("the trace id counts in spite of rv")
	}
}
