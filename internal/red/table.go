package red

import "sync/atomic"

// table finds series by their hash and key. It is open addressed and at most half full. One at a time may put series into it
// while others read it; none is ever taken out: a table without it takes the place of this one.
type table struct {
	slots []slot // a power of two
	used  int
}

type slot struct {
	hash   uint64 // written before series, read after it
	series atomic.Pointer[series]
}

func newTable(slots int) *table { return &table{slots: make([]slot, slots)} }

// get gives the series of k, nil if there is none.
func (t *table) get(h uint64, k *key) *series {
	for i := h; ; i++ {
		e := &t.slots[i&uint64(len(t.slots)-1)]
		s := e.series.Load()
		if s == nil || e.hash == h && s.key.equal(k) {
			return s
		}
	}
}

// put adds a series that is not there yet.
func (t *table) put(s *series) {
	for i := s.hash; ; i++ {
		if e := &t.slots[i&uint64(len(t.slots)-1)]; e.series.Load() == nil {
			e.hash = s.hash
			e.series.Store(s)
			t.used++
			return
		}
	}
}

// copy gives a table of that many slots with those series that it is to keep.
func (t *table) copy(slots int, keep func(*series) bool) *table {
	c := newTable(slots)
	for s := range t.all {
		if keep(s) {
			c.put(s)
		}
	}
	return c
}

// all gives all series to yield.
func (t *table) all(yield func(*series) bool) {
	for i := range t.slots {
		if s := t.slots[i].series.Load(); s != nil && !yield(s) {
			return
		}
	}
}
