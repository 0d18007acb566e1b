package sampling

import (
	"math/rand/v2"
	"testing"
)

// What is done for every span costs no memory.
func TestNoAllocation(t *testing.T) {
	in, dst := []byte("foo=1,ot=x:1;th:8;rv:"+rv), make([]byte, 0, 512)
	id := [16]byte{9: 0xff}
	p := Exactly(0.3)
	if n := testing.AllocsPerRun(100, func() {
		for _, m := range []Mode{Equalizing, Proportional} {
			s, _ := ReadState(in)
			s.HasRandomness = false
			o := m.Sample(&s, s.Of(&id), p, Always, true)
			if o.Keep && o.Changes(&s) {
				dst = AppendTraceState(dst[:0], in, o.Threshold, o.Known)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for a span", n)
	}
	if len(dst) == 0 {
		t.Error("the span was dropped")
	}
}

func BenchmarkReadState(b *testing.B) {
	for _, bb := range []struct{ name, in string }{
		{"empty", ""},
		{"vendors", "vendor=a1,other@x=b2"},
		{"long", "vendor=00f067aa0ba902b700f067aa0ba902b700f067aa0ba902b7,other@x=b200f067aa0ba902b700f067aa0ba902b7"},
		{"th", "ot=th:fd70a"},
		{"both", "vendor=a1,ot=th:fd70a;rv:" + rv},
	} {
		b.Run(bb.name, func(b *testing.B) {
			in := []byte(bb.in)
			b.ReportAllocs()
			for b.Loop() {
				ReadState(in)
			}
		})
	}
}

func BenchmarkSample(b *testing.B) {
	var ids [1024][16]byte
	r := rand.New(rand.NewPCG(1, 1))
	for i := range ids {
		for j := range ids[i] {
			ids[i][j] = byte(r.Uint32())
		}
	}
	for _, bb := range []struct {
		name string
		m    Mode
		s    State
	}{
		{"equalizing", Equalizing, State{}},
		{"proportional", Proportional, State{}},
		{"proportional th", Proportional, State{Threshold: half, HasThreshold: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			t, kept := FromProbability(0.1), 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if o := bb.m.Sample(&bb.s, bb.s.Of(&ids[i%len(ids)]), t, Always, true); o.Keep {
					kept++
				}
			}
		})
	}
}

func BenchmarkAppendTraceState(b *testing.B) {
	for _, bb := range []struct{ name, in string }{
		{"empty", ""},
		{"vendors", "vendor=a1,other@x=b2"},
		{"th", "ot=th:8"},
		{"both", "vendor=a1,ot=th:8;rv:" + rv},
	} {
		b.Run(bb.name, func(b *testing.B) {
			in, dst := []byte(bb.in), make([]byte, 0, 512)
			b.ReportAllocs()
			for b.Loop() {
				AppendTraceState(dst, in, 0xfd70a<<36, true)
			}
		})
	}
}
