package red

import (
	"bytes"
	"sync/atomic"
	"time"
)

// series are the counters of one label set, of requests or of an edge.
//
// To count is to increment began, then the sums, and a bucket last. So whenever the buckets' sum is began, nobody is in
// between. A set is given up by a CAS that sets a bit of began: it fails if somebody has begun meanwhile, and whoever begins
// later sees the bit and takes another set. So what was counted in a set is counted nowhere else, and a set that was given
// up has been exposed with all that was counted in it.
type series struct {
	key   key
	hash  uint64
	level int   // see family.room
	made  int64 // when it was zero, Unix nanoseconds

	seen      uint64        // by giveUp: began
	since     time.Duration // when it had come to that
	exemplars atomic.Pointer[exemplars]

	// What is above is read, what follows is written all the time: in cache lines of its own.
	began   atomic.Uint64
	failed  atomic.Uint64
	counted atomic.Uint64    // of an edge: how many were requests, not only latencies
	sum     [2]atomic.Uint64 // nanoseconds
	// An edge between two that are instrumented has two histograms, by Kind. All else has the first one.
	buckets [2][]atomic.Uint64
	edges   [2]atomic.Pointer[series] // of requests: their edge, by class, if it was looked for
	_       [24]byte
}

// gone is the bit of began that says that the set was given up.
const gone = 1 << 63

func newSeries(k *key, hash uint64, level int) *series {
	s := &series{hash: hash, level: level, made: time.Now().UnixNano()}
	s.key = key{k.kind, k.class, k.service, k.peer, k.method, bytes.Clone(k.route)}
	if k.kind != edge {
		s.buckets[0] = make([]atomic.Uint64, numBuckets)
		return s
	}
	both := make([]atomic.Uint64, 2*numClassic)
	s.buckets = [2][]atomic.Uint64{both[:numClassic], both[numClassic:]}
	return s
}

// begin begins to count, and tells whether the set is still there.
func (s *series) begin() bool { return s.began.Add(1)&gone == 0 }

// end counts what was begun: in the histogram of a side a duration, which is so many nanoseconds and in that bucket.
func (s *series) end(side Kind, bucket int, d uint64) {
	s.sum[side].Add(d)
	s.buckets[side][bucket].Add(1)
}

// done gives how many have finished counting.
func (s *series) done() (n uint64) {
	for _, buckets := range s.buckets {
		for i := range buckets {
			n += buckets[i].Load()
		}
	}
	return n
}

// giveUp gives up the set if nothing was counted in it for so long; now is a time since any moment.
func (s *series) giveUp(now, idle time.Duration) bool {
	began := s.began.Load()
	if began != s.seen {
		if s.done() == began {
			s.seen, s.since = began, now
		}
		return false
	}
	return now-s.since >= idle && s.began.CompareAndSwap(began, began|gone)
}
