package sampling

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestThresholds(t *testing.T) {
	tests := []struct {
		p         float64
		threshold Threshold
		text      string
	}{
		{1, Always, "0"},
		{1.5, Always, "0"},
		{math.Inf(1), Always, "0"},
		{0.75, 0x40000000000000, "4"},
		{0.5, 0x80000000000000, "8"},
		{0.25, 0xc0000000000000, "c"},
		{0.1, 0xe6660000000000, "e666"},
		{1.0 / 3, 0xaaab0000000000, "aaab"},
		{2.0 / 3, 0x55550000000000, "5555"},
		{0.05, 0xf3333000000000, "f3333"},
		{0.01, 0xfd70a000000000, "fd70a"},
		{0.001, 0xffbe7700000000, "ffbe77"},
		{0.0001, 0xfff97240000000, "fff9724"},
		{0.999, 0x00418900000000, "004189"},
		{0.99999, 0x0000a7c6000000, "0000a7c6"},
		{1 - 0x12348p-20, 0x12350000000000, "1235"}, // half a digit
		{1.0 / 16, 0xf0000000000000, "f"},
		{1 - 1.0/(1<<53), 8, "00000000000008"},
		{1.0 / (1 << 56), 0xffffffffffffff, "ffffffffffffff"},
		{0x0.ffffffp-56, Never, ""},
		{0, Never, ""},
		{-0.5, Never, ""},
		{math.NaN(), Never, ""},
	}
	for _, tt := range tests {
		got := FromProbability(tt.p)
		if got != tt.threshold {
			t.Errorf("FromProbability(%v) = %014x, want %014x", tt.p, uint64(got), uint64(tt.threshold))
		}
		if text := string(tt.threshold.AppendText([]byte("th:"))); text != "th:"+tt.text {
			t.Errorf("%014x is written %q, want %q", uint64(tt.threshold), text, "th:"+tt.text)
		}
	}
	if got := Exactly(0.01); got != 0xfd70a3d70a3d71 {
		t.Errorf("Exactly(0.01) = %014x", uint64(got))
	}
	for _, tt := range []struct {
		threshold Threshold
		p         float64
	}{{Always, 1}, {Never, 0}, {0xc0000000000000, 0.25}, {1<<56 - 1, 0x1p-56}, {1, 1 - 0x1p-56}} {
		if got := tt.threshold.Probability(); got != tt.p {
			t.Errorf("the probability of %014x is %v, want %v", uint64(tt.threshold), got, tt.p)
		}
	}
}

// probability gives one between 2^-57 and 1, small ones and those near 1 as often as others.
func probability(r *rand.Rand) float64 {
	p := math.Exp2(-57 * r.Float64())
	if r.IntN(2) == 0 {
		p = 1 - p
	}
	return p
}

func TestRoundedThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		p, q := probability(r), probability(r)
		tp, tq := FromProbability(p), FromProbability(q)
		if p < q && tp < tq || p > q && tp > tq {
			t.Fatalf("%v and %v have the thresholds %014x and %014x", p, q, uint64(tp), uint64(tq))
		}
		if tp == Never {
			continue
		}
		// Half a digit behind the fourth one of four bits, of which the first may be 0: one part in 2^13, if there are 56 bits.
		if d := math.Abs(tp.Probability() - p); d > p/(1<<13)+0x1p-57 {
			t.Fatalf("%v becomes %v", p, tp.Probability())
		}
		if again := FromProbability(tp.Probability()); again != tp && tp >= 8 {
			t.Fatalf("%v has the threshold %014x, and that is rounded once more to %014x", p, uint64(tp), uint64(again))
		}
		text := tp.AppendText(nil)
		v, err := strconv.ParseUint(string(text), 16, 64)
		if err != nil || len(text) > 14 || v<<(4*(14-len(text))) != uint64(tp) || len(text) > 1 && text[len(text)-1] == '0' {
			t.Fatalf("%014x is written %q", uint64(tp), text)
		}
	}
}

func TestTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200000 {
		before, p := Exactly(probability(r)), Exactly(probability(r))
		got := before.times(p)
		if got < before {
			t.Fatalf("%014x times %014x is less: %014x", uint64(before), uint64(p), uint64(got))
		}
		want := before.Probability() * p.Probability()
		if d := math.Abs(got.Probability() - want); d > want/(1<<13)+0x1p-56 {
			t.Fatalf("%v times %v is %v", before.Probability(), p.Probability(), got.Probability())
		}
		if before.times(Always) != before || Always.times(p) != FromProbability(p.Probability()) || before.times(Never) != Never {
			t.Fatalf("%014x and %014x: the bounds are wrong", uint64(before), uint64(p))
		}
	}
}
