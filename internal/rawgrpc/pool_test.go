package rawgrpc

import "testing"

func TestPoolGivesTheLengthThatWasAsked(t *testing.T) {
	var p Pool
	for _, n := range []int{0, 1, 255, 256, 257, 16383, 16384, 16385, 1 << 20, 1<<20 + 1, 1 << 24, 1<<24 + 1} {
		for range 3 {
			b := p.Get(n)
			if len(*b) != n {
				t.Fatalf("asked for %d bytes, got %d", n, len(*b))
			}
			if n <= 1<<largest && n > 1<<smallest && cap(*b) >= 2*n {
				t.Errorf("%d bytes have %d of room", n, cap(*b))
			}
			p.Put(b)
		}
	}
	odd := make([]byte, 300)
	p.Put(&odd) // not ours: it would be too short for its class
	if b := p.Get(500); len(*b) != 500 {
		t.Errorf("got %d bytes", len(*b))
	}
}

func TestPoolAllocatesNothing(t *testing.T) {
	var p Pool
	p.Put(p.Get(100_000))
	if n := testing.AllocsPerRun(1000, func() { p.Put(p.Get(100_000)) }); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
