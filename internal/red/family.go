package red

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// family is all sets of a sort: those of requests, or the edges.
type family struct {
	seed  uint64
	table atomic.Pointer[table]
	// room says how many sets there may be of each level: as they are, and with "other" for what may have many values. Those of
	// the last level, where everything is "other", are few by themselves and have no entry.
	room   []int64
	size   [3]atomic.Int64
	others atomic.Uint64 // requests that were counted as "other"

	mu sync.Mutex // of those who change the table
}

func newFamily(room ...int64) *family {
	f := &family{seed: rand.Uint64(), room: room}
	f.table.Store(newTable(64))
	return f
}

// begin gives the series in which k is counted, after having begun, and whether that is another one than its own; scratch has
// mostRoute bytes.
func (f *family) begin(k *key, scratch []byte) (s *series, wide bool) {
	for {
		if s, wide = f.find(k, scratch, true); s.begin() {
			if wide {
				f.others.Add(1)
			}
			return s, wide
		}
		// It was just given up: when the mutex is free there is a table without it.
		f.mu.Lock()
		f.mu.Unlock() //nolint:staticcheck // only waited for
	}
}

// find gives the series in which k is counted, and whether that is another one than its own. If there is none yet, it makes
// one, or gives nil.
func (f *family) find(k *key, scratch []byte, make bool) (s *series, wide bool) {
	h := k.hash(f.seed)
	if s := f.table.Load().get(h, k); s != nil {
		return s, false
	}
	return f.miss(*k, h, scratch, make)
}

// miss is find for a key, with its hash, that is not in the table as it is.
func (f *family) miss(k key, h uint64, scratch []byte, make bool) (s *series, wide bool) {
	look := k.clean(scratch)
	for level := 0; ; level++ {
		var s *series
		if look {
			h = k.hash(f.seed)
			s = f.table.Load().get(h, &k)
		}
		if s == nil && make {
			s = f.add(h, &k, level)
		}
		if s != nil || level == len(f.room) {
			return s, level > 0
		}
		k.widen(level)
		look = true
	}
}

func (f *family) full(level int) bool {
	return level < len(f.room) && f.size[level].Load() >= f.room[level]
}

// add gives the series of k, a new one if need be, or nil if there is no room for it.
func (f *family) add(h uint64, k *key, level int) *series {
	if f.full(level) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.table.Load()
	if s := t.get(h, k); s != nil || f.full(level) {
		return s
	}
	if 2*(t.used+1) > len(t.slots) {
		t = t.copy(2*len(t.slots), func(*series) bool { return true })
	}
	s := newSeries(k, h, level)
	t.put(s)
	f.size[level].Add(1)
	f.table.Store(t)
	return s
}

// giveUp gives up the sets in which nothing was counted for so long, and gives them.
func (f *family) giveUp(now, idle time.Duration) (left []*series) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.table.Load().all {
		if s.giveUp(now, idle) {
			f.size[s.level].Add(-1)
			left = append(left, s)
		}
	}
	if left != nil {
		t := f.table.Load()
		f.table.Store(t.copy(len(t.slots), func(s *series) bool { return s.began.Load()&gone == 0 }))
	}
	return left
}
