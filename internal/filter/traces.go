package filter

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Traces are those of which something was dropped, for a time and up to a number. All goroutines share them.
type Traces struct {
	most   int
	keep   time.Duration
	until  atomic.Int64 // when the last one is forgotten, in Unix nanoseconds: after that nobody needs a lock
	shards [traceShards]*lru.Cache[traceID, int64]
}

type traceID [16]byte

const traceShards = 16

// NewTraces remembers most traces, each for keep after it was dropped. A time is stored with each, since the goroutine of an
// expirable LRU never ends, and a reload may change both.
func NewTraces(most int, keep time.Duration) *Traces {
	t := &Traces{most: most, keep: keep}
	for i := range t.shards {
		t.shards[i], _ = lru.New[traceID, int64](max(most/traceShards, 1)) // fails for sizes below one only
	}
	return t
}

// Add remembers a trace; it does nothing to ids of another length than 16 bytes.
func (t *Traces) Add(id []byte) {
	if t == nil || len(id) != len(traceID{}) {
		return
	}
	until := time.Now().Add(t.keep).UnixNano()
	t.shards[id[15]%traceShards].Add(traceID(id), until)
	t.until.Store(until)
}

// Has tells whether a trace was dropped.
func (t *Traces) Has(id []byte) bool {
	if t == nil || len(id) != len(traceID{}) {
		return false
	}
	last := t.until.Load()
	if last == 0 {
		return false
	}
	now := time.Now().UnixNano()
	if now > last {
		return false
	}
	until, ok := t.shards[id[15]%traceShards].Peek(traceID(id))
	return ok && now <= until
}

// Len gives how many are remembered, some of them perhaps for too long.
func (t *Traces) Len() (n int) {
	if t == nil {
		return 0
	}
	for _, s := range t.shards {
		n += s.Len()
	}
	return n
}

// Is tells whether t remembers that many, for that long.
func (t *Traces) Is(most int, keep time.Duration) bool {
	return t != nil && t.most == most && t.keep == keep
}
