package spanbuilder

import (
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
	has uint8  // bit 7: in use; bit f: ids[f] was sent
	ids [propagation.NumFormats]propagation.SpanID
}

// Started is what a start entry says: the caller's span id by format.
type Started struct {
	has uint8
	ids [propagation.NumFormats]propagation.SpanID
}

// ID gives the span id that the caller sent in format f, zero when it sent none.
func (s *Started) ID(f propagation.Format) propagation.SpanID {
	if s.has&(1<<f) == 0 {
		return propagation.SpanID{}
	}
	return s.ids[f]
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
	n := slot{key: key, has: 1 << 7}
	for f := range propagation.NumFormats {
		if c, ok := set.Get(f); ok {
			n.ids[f], n.has = c.Span, n.has|1<<f
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
	got := Started{has: b[first].has, ids: b[first].ids}
	b[first] = slot{}
	return got, true
}
