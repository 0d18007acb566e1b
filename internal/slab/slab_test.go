package slab

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestSizes(t *testing.T) {
	last := 0
	for c := range classes {
		if s := sizeOf(c); s <= last || classOf(s) != c || classOf(last+1) != c {
			t.Errorf("class %d: size %d, class of it %d, class of %d is %d", c, s, classOf(s), last+1, classOf(last+1))
		}
		last = sizeOf(c)
	}
	if last != Largest {
		t.Errorf("the largest is %d", last)
	}
}

// Cells never overlap, whoever takes and frees them, and all memory comes back.
func TestManyTakeAndOneFrees(t *testing.T) {
	s := New(1 << 20)
	type held struct {
		b   []byte
		ref Ref
		tag byte
	}
	out := make(chan held, 200)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 20000 {
				n := 1 + rnd.IntN(3000)
				if i%97 == 0 {
					n = 1 + rnd.IntN(Largest)
				}
				b, ref, ok := s.Alloc(n)
				if !ok {
					continue
				}
				tag := byte(rnd.Uint32())
				for j := range b {
					b[j] = tag
				}
				out <- held{b, ref, tag}
			}
		})
	}
	go func() { wg.Wait(); close(out) }()
	var waiting []held
	rnd := rand.New(rand.NewPCG(2, 2))
	free := func(h held) {
		for _, c := range h.b {
			if c != h.tag {
				t.Fatalf("a cell of %d bytes was written by somebody else", len(h.b))
			}
		}
		s.Free(h.ref)
	}
	for h := range out {
		if waiting = append(waiting, h); len(waiting) > 150 {
			i := rnd.IntN(len(waiting))
			free(waiting[i])
			waiting[i] = waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
		}
	}
	for _, h := range waiting {
		free(h)
	}
	if s.Used() != 0 {
		t.Errorf("%d bytes in use", s.Used())
	}
	for range s.Size() / Largest {
		if _, _, ok := s.Alloc(Largest); !ok {
			t.Fatal("not all memory has come back")
		}
	}
	if _, _, ok := s.Alloc(1); ok {
		t.Error("more memory than there is")
	}
}

// A size that asks for one more page may have pages of its own taken back for that, whose cells were freed a moment ago.
func TestGrowTakesBackItsOwn(t *testing.T) {
	s := New(3 * pageSize)
	var refs []Ref
	for range 3 {
		_, ref, _ := s.Alloc(Largest)
		refs = append(refs, ref)
	}
	for _, r := range refs {
		s.Free(r)
	}
	c := classOf(Largest)
	if !s.grow(c, s.of[c].Load()) {
		t.Fatal("no page is left")
	}
	if list := *s.of[c].Load(); len(list) != 1 || len(s.free) != 2 || slices.Contains(s.free, list[0]) {
		t.Errorf("of that size are the pages %v, of none %v", list, s.free)
	}
}

func BenchmarkAllocFree(b *testing.B) {
	s := New(16 << 20)
	for b.Loop() {
		_, ref, _ := s.Alloc(900)
		s.Free(ref)
	}
}
