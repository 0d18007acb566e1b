package recent

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func enter(t *Table, k Key, now uint64, mark uint16) (before []Seen) {
	for {
		var f Found
		if t.Look(k.ID, now, &f); t.Enter(k, mark, &f) {
			return append(before, f.All()...)
		}
	}
}

func TestRemembersForItsTime(t *testing.T) {
	m := New(1<<16, 10*time.Second)
	k := Key{ID: 0xabcdef0123456789, Sub: 7}
	if got := enter(m, k, 100, 3); len(got) != 0 {
		t.Fatalf("an empty table remembers %v", got)
	}
	var f Found
	for _, now := range []uint64{100, 140} {
		if m.Look(k.ID, now, &f); len(f.All()) != 1 || f.All()[0] != (Seen{7, 3}) {
			t.Errorf("at %d: %v", now, f.All())
		}
	}
	if m.Look(k.ID, 141, &f); len(f.All()) != 0 {
		t.Errorf("after its time: %v", f.All())
	}
	if got := enter(m, Key{k.ID, 8}, 120, 4); len(got) != 1 {
		t.Errorf("a second one finds %v", got)
	}
	if m.Look(k.ID, 121, &f); len(f.All()) != 2 || f.All()[0].Sub != 8 {
		t.Errorf("both: %v", f.All())
	}
}

// Who has read the clock a moment before another one, who has entered since, sees that.
func TestSeesWhoIsAhead(t *testing.T) {
	for _, now := range []uint64{100, 4093, 4094, 4095, 4096} {
		m := New(1<<16, 10*time.Second)
		k := Key{ID: 1 << 63, Sub: 7}
		enter(m, k, now+1, 3)
		if got := enter(m, k, now, 3); len(got) != 1 {
			t.Errorf("at %d: it finds %v", now, got)
		}
	}
}

// The clock's ticks wrap round; what was there long ago is not there again.
func TestTicksWrap(t *testing.T) {
	m := New(1<<16, 10*time.Second)
	k := Key{ID: 1 << 63}
	for _, now := range []uint64{4090, 4095, 4096, 12000, 1 << 40} {
		enter(m, k, now, 1)
		var f Found
		if m.Look(k.ID, now+40, &f); len(f.All()) != 1 {
			t.Errorf("forgotten at once: %d", now)
		}
		if m.Look(k.ID, now+41, &f); len(f.All()) != 0 {
			t.Errorf("never forgotten: %d", now)
		}
	}
}

// Of all who enter one key at the same time, exactly one is the first, with neighbours in the same line that come and go.
func TestExactlyOneIsFirst(t *testing.T) {
	for round := range 2000 {
		m := New(128, 10*time.Second) // two lines
		var firsts [4]atomic.Int32
		var start, wg sync.WaitGroup
		start.Add(1)
		for g := range 8 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				order := rnd.Perm(4)
				start.Wait()
				for _, i := range order {
					k := Key{ID: uint64(i) << 44 * 2, Sub: uint16(i)}
					first := false
					for {
						var f Found
						m.Look(k.ID, 1, &f)
						first = true
						for _, s := range f.All() {
							first = first && s.Sub != uint16(i)
						}
						if !first || m.Enter(k, 1, &f) {
							break
						}
					}
					if first {
						firsts[i].Add(1)
					}
				}
			})
		}
		start.Done()
		wg.Wait()
		for i := range firsts {
			if n := firsts[i].Load(); n != 1 {
				t.Fatalf("round %d: %d were the first to enter key %d", round, n, i)
			}
		}
	}
}

func TestFullLineForgetsTheOldest(t *testing.T) {
	m := New(64, 10*time.Second)
	m.lines = m.lines[:1]
	for i := range uint64(12) {
		enter(m, Key{ID: i << 44}, 10+i, uint16(i))
	}
	if m.Displaced.Load() != 4 {
		t.Errorf("%d were displaced", m.Displaced.Load())
	}
	var f Found
	for i := range uint64(12) {
		if m.Look(i<<44, 22, &f); (len(f.All()) == 1) != (i >= 4) {
			t.Errorf("%d: %v", i, f.All())
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	m := New(4<<20, 10*time.Second)
	var f Found
	for i := uint64(0); b.Loop(); i++ {
		k := Key{ID: i * 0x9e3779b97f4a7c15}
		m.Look(k.ID, i>>17, &f)
		m.Enter(k, 1, &f)
	}
}
