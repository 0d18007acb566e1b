// Package slab takes sizes and gives cells: pieces of memory for what waits, bounded in all, allocated by many goroutines
// and freed by another one in any order, without a lock on the usual way.
//
// Memory is divided into pages, each with cells of one size. A page has one bit for each free cell: who clears a bit by CAS
// owns the cell, who frees it sets the bit. A page without a used cell goes back and may get another size; for that, whoever
// takes it back first takes all of its cells, as if to use them.
package slab

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Cells have sizes of powers of two and half-way between: 256, 384, 512, 768, 1024 and so on up to a page.
const (
	pageSize = 64 << 10
	smallest = 8  // exponent of the smallest size
	largest  = 16 // of the largest
	classes  = 2*(largest-smallest) + 1
	maxWords = pageSize >> smallest / 64
)

// Largest is the size of the largest cell.
const Largest = 1 << largest

// Slab is the memory. Alloc and Free may be called from any goroutine.
type Slab struct {
	pages []page
	hint  [classes]atomic.Int64 // page in which the last cell of that size was found, plus one
	used  atomic.Int64

	mu   sync.Mutex // guards which page has which size
	free []int      // pages without a size
	of   [classes]atomic.Pointer[[]int]
}

type page struct {
	buf   []byte
	class atomic.Int32            // it cannot change while somebody has one of the cells
	words [maxWords]atomic.Uint64 // bit: the cell is free
}

// Ref says which cell; the zero value is none.
type Ref struct{ page, cell, class uint16 }

// New makes a slab of that many bytes, which are taken from the system when they are first used.
func New(memory int64) *Slab {
	n := min(max(int(memory/pageSize), 1), 1<<16-1)
	s := &Slab{pages: make([]page, n)}
	for i := range n {
		s.free = append(s.free, n-1-i)
	}
	for c := range s.of {
		s.of[c].Store(new([]int))
	}
	return s
}

// Used gives the bytes of all cells in use, Size those of the slab.
func (s *Slab) Used() int64 { return s.used.Load() }

// Size is explained at Used.
func (s *Slab) Size() int64 { return int64(len(s.pages)) * pageSize }

func classOf(n int) int {
	e := bits.Len(uint(max(n, 1<<smallest) - 1))
	c := 2 * (e - smallest)
	if n <= 3<<(e-2) && c > 0 {
		c--
	}
	return c
}

func sizeOf(class int) int {
	e := smallest + (class+1)/2
	if class%2 == 1 {
		return 3 << (e - 2)
	}
	return 1 << e
}

// Alloc gives a cell of at least n bytes, with length n and undefined content, false when there is none left.
func (s *Slab) Alloc(n int) ([]byte, Ref, bool) {
	if n > Largest {
		return nil, Ref{}, false
	}
	c := classOf(n)
	if h := s.hint[c].Load(); h > 0 {
		if b, r, ok := s.take(int(h-1), c, n); ok {
			return b, r, true
		}
	}
	for {
		list := s.of[c].Load()
		for _, p := range *list {
			if b, r, ok := s.take(p, c, n); ok {
				s.hint[c].Store(int64(p) + 1)
				return b, r, true
			}
		}
		if !s.grow(c, list) {
			return nil, Ref{}, false
		}
	}
}

// take gives a free cell of page p, whose cells had class c a moment ago.
func (s *Slab) take(p, c, n int) ([]byte, Ref, bool) {
	pg := &s.pages[p]
	for w := range maxWords {
		for {
			v := pg.words[w].Load()
			if v == 0 {
				break
			}
			b := bits.TrailingZeros64(v)
			if !pg.words[w].CompareAndSwap(v, v&^(1<<b)) {
				continue
			}
			cell, size := w*64+b, sizeOf(c)
			// The page may have been taken back and given another size meanwhile.
			if pg.class.Load() != int32(c) {
				pg.words[w].Or(1 << b)
				return nil, Ref{}, false
			}
			s.used.Add(int64(size))
			at := cell * size
			return pg.buf[at : at+n : at+size], Ref{uint16(p) + 1, uint16(cell), uint16(c)}, true
		}
	}
	return nil, Ref{}, false
}

// grow gives class c one more page, false when there is none. It does nothing if the class has changed since list was read.
func (s *Slab) grow(c int, list *[]int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[c].Load() != list {
		return true
	}
	if len(s.free) == 0 && !s.reclaim() {
		return false
	}
	p := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	pg := &s.pages[p]
	if pg.buf == nil {
		pg.buf = make([]byte, pageSize)
	}
	next := append(slices.Clone(*s.of[c].Load()), p) // not list, of which pages may just have been taken back
	s.of[c].Store(&next)
	s.hint[c].Store(int64(p) + 1)
	pg.class.Store(int32(c))
	for w := range maxWords {
		pg.words[w].Store(full(c, w))
	}
	return true
}

// full gives word w of a page of which all cells are free.
func full(class, w int) uint64 {
	switch n := pageSize/sizeOf(class) - w*64; {
	case n <= 0:
		return 0
	case n < 64:
		return 1<<n - 1
	}
	return ^uint64(0)
}

// reclaim takes back pages that are not in use. The lock is held.
func (s *Slab) reclaim() bool {
	for c := range s.of {
		var kept []int
		list := *s.of[c].Load()
		for _, p := range list {
			if s.pages[p].claim(c) {
				s.free = append(s.free, p)
			} else {
				kept = append(kept, p)
			}
		}
		if len(kept) < len(list) {
			s.of[c].Store(&kept)
		}
	}
	return len(s.free) > 0
}

// claim takes all cells of a page, if all are free.
func (pg *page) claim(c int) bool {
	for w := range maxWords {
		want := full(c, w)
		if want != 0 && !pg.words[w].CompareAndSwap(want, 0) {
			for w--; w >= 0; w-- {
				pg.words[w].Or(full(c, w))
			}
			return false
		}
	}
	return true
}

// Free gives a cell back. It is of no use to anybody from then on.
func (s *Slab) Free(r Ref) {
	if r.page == 0 {
		return
	}
	s.used.Add(-int64(sizeOf(int(r.class))))
	s.pages[r.page-1].words[r.cell/64].Or(1 << (r.cell % 64))
}
