package tail

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	worlds = flag.Int("worlds", 40, "how many random histories TestRandom goes through")
	seed   = flag.Uint64("seed", 0, "the only seed that TestRandom takes")
)

// TestRandom does to files whatever may happen to them, and to the tailer, and looks at what comes: each line once, and
// after a kill at least once.
func TestRandom(t *testing.T) {
	first, last := uint64(1), uint64(*worlds)
	if *seed != 0 {
		first, last = *seed, *seed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { history(t, seed) })
	}
}

func history(t *testing.T, seed uint64) {
	w := newWorld(t, []string{"*.log", "*.log*"}[seed%2])
	m := newModel(w, seed)
	m.mayKill = seed%3 == 0
	for range 300 {
		f := m.file([]string{"a.log", "b.log", "c.log"}[m.IntN(3)])
		n := m.IntN(100)
		if f.size == 0 && n >= 60 && n < 74 {
			n = 0 // there is nothing to rename, to delete or to truncate
		}
		switch {
		case n < 60:
			m.write(f)
		case n < 66:
			m.rotate(f)
		case n < 68:
			m.remove(f)
		case n < 71:
			m.truncate(f)
		case n < 74:
			if m.running {
				m.cutSome(f)
			}
		case n < 78:
			if m.running {
				m.down(m.mayKill && m.IntN(2) == 0)
			}
		case !m.running:
			if n > 90 {
				m.start()
			}
		case n < 95:
			m.readAll()
		default:
			m.settle(m.clock.Add(-time.Duration(m.IntN(4)) * time.Second))
		}
	}
	if !m.running {
		m.start()
	}
	for _, f := range m.files { // the last change of a file is seen although its clock may have stood still
		m.write(f)
	}
	for range 8 {
		m.readAll()
	}
	m.check()
	m.down(false)
	m.start()
	n := m.t.Lines.Load()
	m.readAll()
	if m.t.Lines.Load() != n {
		m.fail("after a stop with nothing left, something came")
	}
}
