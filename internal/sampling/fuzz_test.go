package sampling

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/propagation"
)

// randomTraceState puts members together, some of them malformed.
func randomTraceState(r *rand.Rand) []byte {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var members []string
	for range r.IntN(4) {
		members = append(members, pick("foo=1", "bar=2", "a@b=c", "1x=y", "foo=2", "long="+strings.Repeat("v", 200), numbered(r.IntN(34)), "", "rot=th:c", "foo = 1", "FOO=1"))
	}
	for range r.IntN(3) {
		var pairs []string
		for range 1 + r.IntN(4) {
			pairs = append(pairs, pick("th:c", "th:8", "th:0", "th:fd70a", "th:00000000000001", "rv:"+rv, "rv:ffffffffffffff", "x:1", "y:", "z:"+strings.Repeat("v", 100+r.IntN(150)),
				"th:", "th:C", "th:x", "rv:1", "rv", "X:1", "th:0123456789abcde", "", ""))
		}
		members = append(members, "ot="+strings.Join(pairs, ";"))
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return []byte(strings.Join(members, pick(",", " ,", ",\t")))
}

// pickThreshold gives one of those that have something special, or any.
func pickThreshold(r *rand.Rand) Threshold {
	return []Threshold{Always, Never, half, quarter, 0xfd70a << 36, 1, 1<<56 - 1, Threshold(r.Uint64N(1 << 56))}[r.IntN(8)]
}

func TestRandomTraceStates(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	hints, bad := 0, 0
	for range 100000 {
		in, threshold, write := randomTraceState(r), pickThreshold(r), r.IntN(3) > 0
		if s, b := ReadState(in); b {
			bad++
		} else if s.HasThreshold {
			hints++
		}
		checkState(t, in, threshold, write, AppendTraceState(nil, in, threshold, write))
	}
	if hints < 5000 || bad < 5000 {
		t.Errorf("%d with a threshold, %d malformed: too few to say anything", hints, bad)
	}
}

func seeds(f *testing.F, add func(in []byte, threshold Threshold, write bool)) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 100 {
		add(randomTraceState(r), pickThreshold(r), r.IntN(2) == 0)
	}
	for _, in := range []string{"", "ot=th:c;rv:" + rv, "foo=1,ot=x:1;th:8", "ot=th:c;x:" + strings.Repeat("v", 249), numbered(32), numbered(33) + ",ot=th:8"} {
		add([]byte(in), quarter, true)
	}
}

// The grammar once more, as regular expressions.
var (
	listGrammar = regexp.MustCompile(`^[ \t]*(?:[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])?[ \t]*$`)
	otGrammar   = regexp.MustCompile(`^[a-z][a-z0-9]*:[A-Za-z0-9._\-]*(?:;[a-z][a-z0-9]*:[A-Za-z0-9._\-]*)*$`)
	thGrammar   = regexp.MustCompile(`(?:^|;)th:([^;]*)`)
	rvGrammar   = regexp.MustCompile(`(?:^|;)rv:([^;]*)`)
	hexGrammar  = regexp.MustCompile(`^[0-9a-f]{1,14}$`)
)

// readSlowly is ReadState by the grammar.
func readSlowly(in string) (s State, bad bool) {
	if !strings.Contains(in, "ot=") {
		return s, false
	}
	ot, n := "", 0
	for member := range strings.SplitSeq(in, ",") {
		if !listGrammar.MatchString(member) {
			return s, true
		}
		if member = strings.Trim(member, " \t"); member == "" {
			continue
		}
		if n++; n > 32 {
			return s, true
		}
		if value, ok := strings.CutPrefix(member, "ot="); ok && ot == "" {
			ot = value
		}
	}
	if ot == "" || !otGrammar.MatchString(ot) {
		return s, ot != ""
	}
	hint := func(found [][]string, least int) (v uint64, ok bool) {
		if len(found) != 1 || len(found[0][1]) < least || !hexGrammar.MatchString(found[0][1]) {
			bad = bad || len(found) > 0
			return 0, false
		}
		for _, c := range (found[0][1] + strings.Repeat("0", 14))[:14] {
			v = v*16 + uint64(strings.IndexRune("0123456789abcdef", c))
		}
		return v, true
	}
	var th uint64
	th, s.HasThreshold = hint(thGrammar.FindAllStringSubmatch(ot, -1), 1)
	s.Threshold = Threshold(th)
	s.Randomness, s.HasRandomness = hint(rvGrammar.FindAllStringSubmatch(ot, -1), 14)
	if bad {
		return State{}, true
	}
	return s, false
}

func FuzzReadState(f *testing.F) {
	seeds(f, func(in []byte, _ Threshold, _ bool) { f.Add(in) })
	f.Fuzz(func(t *testing.T, in []byte) {
		got, bad := ReadState(in)
		if want, wantBad := readSlowly(string(in)); got != want || bad != wantBad {
			t.Fatalf("ReadState(%q) = %+v, %v, want %+v, %v", in, got, bad, want, wantBad)
		}
	})
}

func FuzzAppendTraceState(f *testing.F) {
	seeds(f, func(in []byte, threshold Threshold, write bool) { f.Add(in, uint64(threshold), write) })
	f.Fuzz(func(t *testing.T, in []byte, threshold uint64, write bool) {
		before := bytes.Clone(in)
		threshold %= uint64(Never) + 1
		out := AppendTraceState([]byte("before"), in, Threshold(threshold), write)
		if !bytes.Equal(before, in) {
			t.Fatal("the input was changed")
		}
		out, found := bytes.CutPrefix(out, []byte("before"))
		if !found {
			t.Fatal("what stood in dst is gone")
		}
		if members := strings.Count(string(out), ",") + 1; members > 32 || len(out) > 512 && members > 1 {
			t.Fatalf("%q becomes %d members of %d characters", in, members, len(out))
		}
		if ot, _ := propagation.OT(out); len(ot) > 256 {
			t.Fatalf("%q becomes %q", in, out)
		}
		checkState(t, in, Threshold(threshold), write, out)
	})
}
