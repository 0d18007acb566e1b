package sampling

import (
	"math"
	"math/rand/v2"
	"testing"
)

const (
	half    Threshold = 0x80 << 48
	quarter Threshold = 0xc0 << 48
	eighth  Threshold = 0xe0 << 48
	most    uint64    = 1<<56 - 1
)

func TestSample(t *testing.T) {
	no, c := State{}, State{Threshold: quarter, HasThreshold: true}
	zero := State{HasThreshold: true}
	tests := []struct {
		name        string
		m           Mode
		s           State
		r           uint64
		t, upstream Threshold
		known       bool
		want        Outcome
		changes     bool
	}{
		{"equalizing, nothing known", Equalizing, no, most, half, 0, false, Outcome{Keep: true, Threshold: half}, false},
		{"equalizing, nothing known, below", Equalizing, no, uint64(half) - 1, half, 0, false, Outcome{Threshold: half}, false},
		{"equalizing, upstream everything", Equalizing, no, uint64(half), half, Always, true, Outcome{Keep: true, Known: true, Threshold: half}, true},
		{"equalizing, upstream less", Equalizing, no, most, half, quarter, true, Outcome{Keep: true, Known: true, Threshold: quarter}, true},
		{"equalizing, th stands above upstream", Equalizing, zero, most, half, quarter, true, Outcome{Keep: true, Known: true, Threshold: half}, true},
		{"equalizing, th is higher", Equalizing, c, uint64(quarter), half, 0, false, Outcome{Keep: true, Known: true, Threshold: quarter}, false},
		{"equalizing, th is lower", Equalizing, c, uint64(eighth), eighth, 0, false, Outcome{Keep: true, Known: true, Threshold: eighth}, true},
		{"equalizing, th is lower, below", Equalizing, c, uint64(eighth) - 1, eighth, 0, false, Outcome{Known: true, Threshold: eighth}, true},
		{"equalizing, th is wrong, kept", Equalizing, c, uint64(quarter) - 1, half, 0, false, Outcome{Keep: true, Erase: true, Threshold: half}, true},
		{"equalizing, th is wrong, below", Equalizing, c, uint64(half) - 1, half, Always, true, Outcome{Erase: true, Threshold: half}, true},
		{"equalizing, upstream is wrong", Equalizing, no, uint64(quarter) - 1, half, quarter, true, Outcome{Keep: true, Threshold: half}, false},
		{"equalizing, everything", Equalizing, no, 0, Always, Always, true, Outcome{Keep: true, Known: true}, false},
		{"equalizing, everything, th says so", Equalizing, zero, 0, Always, 0, false, Outcome{Keep: true, Known: true}, false},
		{"equalizing, nothing", Equalizing, no, most, Never, Always, true, Outcome{Known: true, Threshold: Never}, true},

		{"proportional, nothing known", Proportional, no, uint64(half), half, 0, false, Outcome{Keep: true, Threshold: half}, false},
		{"proportional, upstream everything", Proportional, no, uint64(half), half, Always, true, Outcome{Keep: true, Known: true, Threshold: half}, true},
		{"proportional, upstream half", Proportional, no, uint64(quarter), half, half, true, Outcome{Keep: true, Known: true, Threshold: quarter}, true},
		{"proportional, a quarter", Proportional, c, uint64(eighth), half, 0, false, Outcome{Keep: true, Known: true, Threshold: eighth}, true},
		{"proportional, a quarter, below", Proportional, c, uint64(eighth) - 1, half, 0, false, Outcome{Known: true, Threshold: eighth}, true},
		{"proportional, th is wrong, kept", Proportional, c, uint64(half), half, Always, true, Outcome{Keep: true, Erase: true, Threshold: half}, true},
		{"proportional, everything", Proportional, c, uint64(quarter), Always, 0, false, Outcome{Keep: true, Known: true, Threshold: quarter}, false},
		{"proportional, nothing", Proportional, c, most, Never, 0, false, Outcome{Known: true, Threshold: Never}, true},
		{"proportional, less than can be said", Proportional, State{Threshold: 1<<56 - 1, HasThreshold: true}, most, quarter, 0, false, Outcome{Known: true, Threshold: Never}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.m.Sample(&tt.s, tt.r, tt.t, tt.upstream, tt.known)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.Changes(&tt.s) != tt.changes {
				t.Errorf("%+v: Changes is %v", got, !tt.changes)
			}
		})
	}
}

func TestOf(t *testing.T) {
	id := [16]byte{8: 0xff, 9: 0x12, 15: 0x34}
	if got := new(State).Of(&id); got != 0x12000000000034 {
		t.Errorf("the randomness is %014x", got)
	}
	if got := (&State{Randomness: 7, HasRandomness: true}).Of(&id); got != 7 {
		t.Errorf("the randomness is %014x in spite of rv", got)
	}
}

// world draws a span that may have been sampled before, truly or not, and settings.
func world(r *rand.Rand) (s State, rnd uint64, upstream Threshold, known bool) {
	rnd = r.Uint64N(1 << 56)
	if s.HasThreshold = r.IntN(2) == 0; s.HasThreshold {
		if s.Threshold = FromProbability(probability(r)); s.Threshold == Never {
			s.Threshold--
		}
	}
	return s, rnd, FromProbability(probability(r)), r.IntN(2) == 0
}

// The decision is one of the trace, what is kept of a higher threshold is kept of a lower one, and a written th is true and not
// below what it was.
func TestDecisionsNest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	kept := 0
	for range 300000 {
		s, rnd, upstream, known := world(r)
		m := Mode(r.IntN(2))
		low, high := FromProbability(probability(r)), FromProbability(probability(r))
		low, high = min(low, high), max(low, high)
		a, b := m.Sample(&s, rnd, low, upstream, known), m.Sample(&s, rnd, high, upstream, known)
		if b.Keep && !a.Keep {
			t.Fatalf("mode %d, %+v, R %014x: kept at %014x, but not at %014x", m, s, rnd, uint64(high), uint64(low))
		}
		if a != m.Sample(&s, rnd, low, upstream, known) {
			t.Fatalf("mode %d, %+v, R %014x: two decisions about one trace", m, s, rnd)
		}
		if s.HasThreshold && (uint64(s.Threshold) > rnd) != a.Erase || a.Erase && a.Known || !s.HasThreshold && !known && a.Known {
			t.Fatalf("%+v, R %014x: %+v", s, rnd, a)
		}
		if a.Known && s.HasThreshold && a.Threshold < s.Threshold {
			t.Fatalf("%+v: the threshold falls to %014x", s, uint64(a.Threshold))
		}
		if a.Keep {
			kept++
			if uint64(a.Threshold) > rnd {
				t.Fatalf("%+v, R %014x: kept with %014x", s, rnd, uint64(a.Threshold))
			}
		}
	}
	if kept < 50000 {
		t.Errorf("%d kept: too few to say anything", kept)
	}
}

func TestShareOfKept(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const n = 400000
	ids := make([][16]byte, n)
	for i := range ids {
		for j := range ids[i] {
			ids[i][j] = byte(r.Uint32())
		}
	}
	for _, p := range []float64{0.9, 0.5, 0.25, 0.1, 0.01, 0.001} {
		for _, m := range []Mode{Equalizing, Proportional} {
			kept := 0
			var s State
			for i := range ids {
				if m.Sample(&s, s.Of(&ids[i]), FromProbability(p), Always, true).Keep {
					kept++
				}
			}
			if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(float64(kept)-n*p) > 5*sigma {
				t.Errorf("mode %d: %d of %d kept at %v", m, kept, n, p)
			}
		}
	}
}

// stage lets a span through a stage. It gives what the next one reads.
func stage(m Mode, s State, r uint64, t Threshold) (State, bool) {
	o := m.Sample(&s, r, t, Always, true)
	if o.Changes(&s) {
		s.Threshold, s.HasThreshold = o.Threshold, o.Known && o.Threshold != Always
	}
	return s, o.Keep
}

func TestStagesInARow(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 200000 {
		s, rnd, _, _ := world(r)
		if s.HasThreshold && uint64(s.Threshold) > rnd {
			continue
		}
		t1, t2 := FromProbability(1-probability(r)/2), FromProbability(1-probability(r)/2)
		once, keptOnce := stage(Equalizing, s, rnd, max(t1, t2))
		twice, keptTwice := stage(Equalizing, s, rnd, t1)
		if keptTwice {
			twice, keptTwice = stage(Equalizing, twice, rnd, t2)
		}
		if keptOnce != keptTwice || keptOnce && once != twice {
			t.Fatalf("%+v, R %014x: equalized by %014x and %014x it is %+v, %v, by the larger %+v, %v",
				s, rnd, uint64(t1), uint64(t2), twice, keptTwice, once, keptOnce)
		}

		// Rounding twice: two parts in 2^13, and what the trace is worth is known to those that keep it.
		twice, keptTwice = stage(Proportional, s, rnd, t1)
		if keptTwice {
			twice, keptTwice = stage(Proportional, twice, rnd, t2)
		}
		want := s.Threshold.Probability() * t1.Probability() * t2.Probability()
		if got := twice.Threshold.Probability(); keptTwice && math.Abs(got-want) > want/(1<<12)+0x1p-56 {
			t.Fatalf("%+v times %v times %v is %v, want %v", s, t1.Probability(), t2.Probability(), got, want)
		}
	}
}
