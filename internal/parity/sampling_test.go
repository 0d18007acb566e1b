package parity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	theirs "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"

	"github.com/alspan/alspan/internal/sampling"
)

// precision is that of the collector's sampler by default.
const precision = 4

// A probability has the same threshold in both, and a threshold the same text and the same probability.
func TestThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := []float64{1, 0.5, 0.25, 0.1, 0.01, 1.0 / 3, 2.0 / 3, 0x1p-56, 1 - 0x1p-53, 0, -1, 1.5, math.NaN(), math.Inf(1), math.Inf(-1), 0x0.8p-56}
	for i := range 57 {
		for _, near := range []float64{0, math.Inf(-1), math.Inf(1)} {
			p := math.Exp2(-float64(i))
			if near != 0 {
				p = math.Nextafter(p, near)
			}
			list = append(list, p, 1-p)
		}
	}
	for range 200000 {
		p := math.Exp2(-57 * r.Float64())
		list = append(list, p, 1-p, r.Float64())
	}
	for _, p := range list {
		checkThreshold(t, p)
	}
}

func checkThreshold(t *testing.T, p float64) {
	t.Helper()
	for _, tt := range []struct {
		precision int
		got       sampling.Threshold
	}{{precision, sampling.FromProbability(p)}, {theirs.NumHexDigits, sampling.Exactly(p)}} {
		want, err := theirs.ProbabilityToThresholdWithPrecision(p, tt.precision)
		if err != nil && !(p > 1) {
			want = theirs.NeverSampleThreshold // as its sampler takes it
		}
		if uint64(tt.got) != want.Unsigned() {
			t.Fatalf("%v with %d digits is %014x, want %014x", p, tt.precision, uint64(tt.got), want.Unsigned())
		}
		if text := string(tt.got.AppendText(nil)); text != want.TValue() {
			t.Fatalf("%v with %d digits is written %q, want %q", p, tt.precision, text, want.TValue())
		}
		if got := tt.got.Probability(); got != want.Probability() {
			t.Fatalf("%v with %d digits has the probability %v, want %v", p, tt.precision, got, want.Probability())
		}
	}
}

func FuzzThreshold(f *testing.F) {
	for _, p := range []float64{1, 0.5, 0.01, 0, 0x1p-56, 0.99999} {
		f.Add(p)
	}
	f.Fuzz(checkThreshold)
}

// readDifference is one that is wanted in how a tracestate is read: an example of it, what both say of that, and what such ones are like.
type readDifference struct {
	reason, in, collector, alspan string
	like                          func(in string) bool
}

// collectorReads gives what the collector reads in a tracestate.
func collectorReads(in string) string {
	w3c, err := theirs.NewW3CTraceState(in)
	if err != nil {
		return "malformed"
	}
	th, hasTH := w3c.OTelValue().TValueThreshold()
	rv, hasRV := w3c.OTelValue().RValueRandomness()
	return hints(th.Unsigned(), rv.Unsigned(), hasTH, hasRV)
}

// alspanReads is what alspan reads, in the same words.
func alspanReads(in string) string {
	s, bad := sampling.ReadState([]byte(in))
	if bad {
		return "malformed"
	}
	return hints(uint64(s.Threshold), s.Randomness, s.HasThreshold, s.HasRandomness)
}

func hints(th, rv uint64, hasTH, hasRV bool) string {
	var list []string
	if hasTH {
		list = append(list, fmt.Sprintf("th:%014x", th))
	}
	if hasRV {
		list = append(list, fmt.Sprintf("rv:%014x", rv))
	}
	if list == nil {
		return "nothing"
	}
	return strings.Join(list, " ")
}

// checkRead reports what is read differently without being a known difference.
func checkRead(t *testing.T, in string) (known string) {
	t.Helper()
	if s, bad := sampling.ReadState([]byte(in)); bad && s != (sampling.State{}) {
		t.Errorf("%q is malformed, and says %+v", in, s)
	}
	want, got := collectorReads(in), alspanReads(in)
	if want == got {
		return ""
	}
	for _, d := range readDifferences {
		if d.like(in) {
			return d.reason
		}
	}
	t.Errorf("%q: the collector reads %s, alspan %s", in, want, got)
	return ""
}

func TestReadDifferences(t *testing.T) {
	for _, d := range readDifferences {
		if want, got := collectorReads(d.in), alspanReads(d.in); want != d.collector || got != d.alspan || !d.like(d.in) {
			t.Errorf("%s: %q reads %q and %q, not %q and %q", d.reason, d.in, want, got, d.collector, d.alspan)
		}
	}
}

func TestTraceStates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	differ, read := map[string]int{}, map[string]int{}
	for range 60000 {
		in := randomTraceState(r)
		differ[checkRead(t, in)]++
		word, _, _ := strings.Cut(collectorReads(in), ":")
		read[word]++
	}
	for _, d := range readDifferences {
		if differ[d.reason] == 0 {
			t.Errorf("none is like %q: %s", d.in, d.reason)
		}
	}
	for _, word := range []string{"th", "rv", "nothing", "malformed"} {
		if read[word] < 5000 {
			t.Errorf("%d are %q: too few to say anything", read[word], word)
		}
	}
}

func FuzzTraceState(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		f.Add(randomTraceState(r))
	}
	f.Fuzz(func(t *testing.T, in string) { checkRead(t, in) })
}

// randomTraceState puts members together, most of them well-formed.
func randomTraceState(r *rand.Rand) string {
	var list []string
	for range r.IntN(3) {
		list = append(list, oneOf(r, "foo=1", "bar=2", "a@b=c", "x=y z", "rot=th:c", "ot/x=th:8"))
	}
	if r.IntN(10) == 0 {
		list = append(list, oneOf(r, "foo=2", "", "1x=y", "a@b@c=d", "FOO=1", "bad", "foo = 1", "long="+strings.Repeat("v", 250), strings.Repeat("k", 300)+"=v",
			"longer="+strings.Repeat("v", 256), "a="+strings.Repeat("v", 250)+",b="+strings.Repeat("v", 250), manyMembers(1, 250), manyMembers(5, 200), manyMembers(28+r.IntN(5), 1)))
	}
	for range min(r.IntN(12), 1) + r.IntN(20)/19 {
		var pairs []string
		if r.IntN(3) > 0 {
			pairs = append(pairs, "th:"+oneOf(r, "0", "8", "c", "fd70a", "4", "a5f30", "80000000000001", "c0000000000000", "55555555555555", "5555ffffffffff"))
		}
		if r.IntN(3) == 0 {
			pairs = append(pairs, fmt.Sprintf("rv:%014x", r.Uint64N(1<<56)))
		}
		if r.IntN(4) == 0 {
			pairs = append(pairs, oneOf(r, "x:1", "y:", "tht:1", "z:"+strings.Repeat("v", 200+r.IntN(50))))
		}
		if r.IntN(15) == 0 {
			pairs = append(pairs, oneOf(r, "th:8", "th:c", "th:C", "th:", "th:x", "th:0123456789abcde", "rv:1", "rv:0123456789ABCD", "rv:0123456789abcd", "X:1", "th", ""))
		}
		r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		if len(pairs) > 0 {
			list = append(list, "ot="+strings.Join(pairs, ";"))
		}
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return strings.Join(list, oneOf(r, ",", ",", ", ", ",,"))
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// manyMembers gives n members with values of that length.
func manyMembers(n, length int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("m%d=%s", i, strings.Repeat("v", length))
	}
	return strings.Join(list, ",")
}
