package spanbuilder

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Starts remembers what callers sent: the span ids that DownstreamStart records carry, until the record of the request's
// end takes them. Memory is bounded; when it is full, a random one of the bucket is forgotten, never the oldest: those
// are the websockets. A redirect's second start waits behind the first, under the same key.
type Starts struct {
	shards  [startShards]startShard
	buckets int // of a shard
	// Evicted counts start entries that were forgotten before their end came.
	Evicted atomic.Int64
	learned atomic.Bool
}

const (
	startShards = 64
	bucketSize  = 8
	slotBytes   = 40
)

type startShard struct {
	mu    sync.Mutex
	slots []slot // made at the first use: most agents never see a start entry
	seq   uint32
}

type slot struct {
	key uint64
	seq uint32 // order of arrival
	Started
}

// Started is what a start entry says: the caller's span ids. Of more than startIDs formats the last ones are not known.
type Started struct {
	has propagation.Formats // in which there was a context; and inUse
	ids [startIDs]propagation.SpanID
}

const (
	startIDs = 3
	inUse    = propagation.Formats(1 << 15)
)

// at gives where the id in format f is.
func (s *Started) at(f propagation.Format) int { return bits.OnesCount16(uint16(s.has & (1<<f - 1))) }

// Knows tells whether ID knows what the caller sent in format f.
func (s *Started) Knows(f propagation.Format) bool { return !s.has.Has(f) || s.at(f) < startIDs }

// ID gives the span id that the caller sent in format f, zero when it sent none.
func (s *Started) ID(f propagation.Format) propagation.SpanID {
	if !s.has.Has(f) || !s.Knows(f) {
		return propagation.SpanID{}
	}
	return s.ids[s.at(f)]
}

// NewStarts makes a table of at most that many bytes.
func NewStarts(memory int64) *Starts {
	return &Starts{buckets: max(int(memory)/slotBytes/bucketSize/startShards, 1)}
}

// startKey gives the key that a request's start and end have in common.
func (d *derivation) startKey(e *wire.Entry, l *Logger) uint64 {
	start, _ := e.Start.Unix()
	return d.sum(d.begin(roleStart).uint(l.nodeHash).bytes(l.logName).uint(start).requestID(e.Text(wire.RequestID)))
}

func (s *Starts) bucket(key uint64) (*startShard, int) {
	return &s.shards[key%startShards], int(key/startShards%uint64(s.buckets)) * bucketSize
}

// any tells whether there was ever a start entry; most agents never see one.
func (s *Starts) any() bool { return s.learned.Load() }

// Learn keeps the contexts of a start entry.
func (s *Starts) Learn(key uint64, set *propagation.Set) {
	if !s.learned.Load() {
		s.learned.Store(true)
	}
	n := slot{key: key, Started: Started{has: inUse}}
	seen := set.Seen()
	for f, ok := seen.Next(); ok; f, ok = seen.Next() {
		if c, ok := set.Get(f); ok {
			if n.has |= 1 << f; n.Knows(f) {
				n.ids[n.at(f)] = c.Span
			}
		}
	}
	sh, at := s.bucket(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.slots == nil {
		sh.slots = make([]slot, s.buckets*bucketSize)
	}
	sh.seq++
	n.seq = sh.seq
	b := sh.slots[at : at+bucketSize]
	for i := range b {
		if b[i].has == 0 {
			b[i] = n
			return
		}
	}
	s.Evicted.Add(1)
	b[rand.IntN(bucketSize)] = n
}

// Take gives the oldest start entry of key and forgets it.
func (s *Starts) Take(key uint64) (Started, bool) {
	sh, at := s.bucket(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.slots == nil {
		return Started{}, false
	}
	b := sh.slots[at : at+bucketSize]
	first := -1
	for i := range b {
		if b[i].has != 0 && b[i].key == key && (first < 0 || int32(b[i].seq-b[first].seq) < 0) {
			first = i
		}
	}
	if first < 0 {
		return Started{}, false
	}
	got := b[first].Started
	b[first] = slot{}
	return got, true
}
