// Package recent takes fingerprints of what was just seen and gives what is remembered of them: a lock-free table of fixed
// size that forgets after a while, and sooner when it is full.
//
// # How it stays exact without a lock
//
// The table is an array of lines of eight words, one cache line each. A fingerprint has its line; a word of it holds the
// rest of the fingerprint, what is remembered, and when. The first word of a line is its front: an entry becomes part of
// the line only by a CAS of the front, from the value that was there before the other words were looked at. What it
// displaces is copied into another word before. So of two that enter the same line, the second one finds its CAS failed,
// looks again, and sees the first: whoever enters knows exactly what came before. There is no lock, and a CAS fails only
// because another one succeeded.
package recent

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Table is the memory. All methods may be called from any goroutine.
type Table struct {
	lines []line
	life  uint64 // ticks
	// Displaced counts what was forgotten before its time.
	Displaced atomic.Int64
}

type line struct{ words [8]atomic.Uint64 }

// A word, from the high end: 20 bits of the key, 16 bits of what tells apart those with the same key, the mark, the time.
const (
	timeBits = 12
	markBits = 16
	subBits  = 16
	tick     = 250 * time.Millisecond

	timeMask = 1<<timeBits - 1
	keyShift = timeBits + markBits + subBits
	subShift = timeBits + markBits
)

// New makes a table of that many bytes that remembers for the given time, at most about eight minutes.
func New(bytes int, life time.Duration) *Table {
	n := 1 << (bits.Len(uint(max(bytes/64, 2))) - 1)
	return &Table{lines: make([]line, n), life: uint64(min(life/tick, timeMask/2))}
}

// Ticks gives a time as Enter and Look want it; now is in nanoseconds of any clock that does not jump.
func Ticks(now int64) uint64 { return uint64(now) / uint64(tick) }

// Key is a fingerprint: ID is what is looked for, Sub tells apart those that have it in common. Both are hashes.
type Key struct {
	ID  uint64
	Sub uint16
}

// Seen is one that was remembered.
type Seen struct {
	Sub, Mark uint16
}

// Found has what a line remembers of an ID. It is what Enter goes by.
type Found struct {
	list  [8]Seen
	n     int
	front uint64
	now   uint64
}

// All gives them.
func (f *Found) All() []Seen { return f.list[:f.n] }

// Touch brings the line of id into the processor's caches. It gives something that depends on it.
func (t *Table) Touch(id uint64) uint64 { return t.lines[id%uint64(len(t.lines))].words[0].Load() }

// Look gives in f what is remembered of id; now is in ticks.
func (t *Table) Look(id, now uint64, f *Found) {
	l := &t.lines[id%uint64(len(t.lines))]
	f.n, f.front, f.now = 0, l.words[0].Load(), now
	want := id >> (64 - 20)
	for i := range l.words {
		w := f.front
		if i > 0 {
			w = l.words[i].Load()
		}
		if w>>keyShift == want && t.fresh(w, now) {
			f.add(Seen{Sub: uint16(w >> subShift), Mark: uint16(w >> timeBits)})
		}
	}
}

// Enter remembers k with a mark, if f, which Look has just given for its ID, still is what came before. Else it gives false,
// and the caller looks again:
//
//	for {
//		t.Look(k.ID, now, &f)
//		// decide by f
//		if t.Enter(k, mark, &f) {
//			break
//		}
//	}
func (t *Table) Enter(k Key, mark uint16, f *Found) bool {
	l := &t.lines[k.ID%uint64(len(t.lines))]
	if t.fresh(f.front, f.now) {
		t.keep(l, f.front, f.now)
	}
	return l.words[0].CompareAndSwap(f.front, word(k, mark)|stamp(f.now))
}

// word gives all of a word but its time.
func word(k Key, mark uint16) uint64 {
	return k.ID>>(64-20)<<keyShift | uint64(k.Sub)<<subShift | uint64(mark)<<timeBits
}

func (f *Found) add(s Seen) {
	for _, have := range f.list[:f.n] {
		if have == s { // a front that was copied and is still the front
			return
		}
	}
	f.list[f.n] = s
	f.n++
}

// keep copies the front into another word: an old one, else the oldest.
func (t *Table) keep(l *line, front, now uint64) {
	for {
		victim, oldest := 1, uint64(0)
		for i := 1; i < len(l.words); i++ {
			w := l.words[i].Load()
			if w == front {
				return
			}
			if !t.fresh(w, now) {
				victim, oldest = i, t.life+1
				continue
			}
			if age := age(w, now); age >= oldest {
				victim, oldest = i, age
			}
		}
		was := l.words[victim].Load()
		if l.words[victim].CompareAndSwap(was, front) {
			if t.fresh(was, now) {
				t.Displaced.Add(1)
			}
			return
		}
	}
}

// stamp is never zero for a word in use: zero is an empty word.
func stamp(now uint64) uint64 { return now%timeMask + 1 }

// ahead is how many ticks who has entered a word may be ahead of who looks: both have read the clock before. A word of so long ago that
// its time has come round looks the same; no request is that old.
const ahead = 4

func age(w, now uint64) uint64 {
	a := (now%timeMask + timeMask - (w&timeMask - 1)) % timeMask
	if a >= timeMask-ahead {
		return 0
	}
	return a
}

func (t *Table) fresh(w, now uint64) bool { return w&timeMask != 0 && age(w, now) <= t.life }
