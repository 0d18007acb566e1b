// Package ring takes encoded spans from many goroutines and gives batches of them to senders: the batching core.
//
// A producer writes spans in place into a chunk of the arena; a sender gathers chunks without copying. Producers never
// lock, never wait for each other or for a sender, and move no single span: two atomic operations serve a message of a
// hundred. Memory is bounded by the arena: when no chunk is free, a reservation is refused and the caller counts the
// newest span as dropped, or, with Options.Wait, it waits in order of arrival.
//
// # Who owns a chunk
//
// A chunk has one owner at a time. Ownership is a token that moves only by an atomic exchange, and Go's atomics order the
// plain writes before the exchange, so its bytes need no lock:
//
//	free     a bit in a word of free       --CAS that clears the bit-->  producer
//	open     a slot holds it               --Swap(nil)---------------->  producer, or the sender when the batch is due by age
//	producer between Reserve and End       --CAS(nil, chunk)---------->  open
//	                                       --Or of the bit in full---->  full
//	full     a bit in a word of full       --Swap(0) of the word------>  sender
//	sender   the batch, and everybody who took a reference (the transport)
//	                                       --last Release, Or--------->  free
//
// No ABA: the meaning of a word of bits is its value, so a CAS that finds the same value may proceed; a slot's CAS
// succeeds on nil only. Producers are lock-free (a CAS fails only because another one succeeded); among senders one
// gathers at a time.
//
// No lost wake-up: there is one token, the channel wake. A producer first publishes (Or, or CAS into a slot), then adds to
// the counters, and signals when an addition crosses a limit of a batch, which exactly one does. The sender looks at the
// counters before it sleeps, and nobody but senders lowers them. A sender that finds nothing at all sleeps without a
// timer: it sets idle, looks again, and sleeps; a producer publishes, then looks at idle. One of the two sees the other.
//
// A transport may read a chunk after a call was given up, so its bytes are used again only after the last Release. A
// transport that lost its connection may never release what it was writing: see Batch.Release. Order holds within a chunk
// only. The folder model has this protocol as a Promela model, which make model checks in every interleaving.
package ring

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the limits of a Core.
type Options struct {
	Memory int64         // bytes of all chunks together
	Chunk  int           // bytes of one chunk
	Bytes  int64         // as in Limits
	Spans  int           // the same
	Age    time.Duration // the same
	Wait   bool          // a reservation waits for a free chunk instead of being refused
	// OnFree is called with the bytes of each chunk that becomes free; tests poison them.
	OnFree func([]byte)
}

// Limits say when a batch is due.
type Limits struct {
	Bytes int64         // at this many bytes in full chunks ...
	Spans int           // ... or at this many spans in them ...
	Age   time.Duration // ... or this long after something came; what is just being written goes with the next
}

// Limit takes other limits, from the next batch on.
func (c *Core) Limit(l Limits) {
	c.limits.Store(&l)
	c.signal() // what there is may be due
}

// Resource is what the spans of a run have in common, encoded. The bytes are opaque to the core and immutable.
type Resource struct {
	Head  []byte // the fields of ResourceSpans beside its scopes
	Scope []byte // the fields of ScopeSpans beside its spans
}

// Run is a part of a chunk whose spans share a resource.
type Run struct {
	Resource   *Resource
	Start, End int // offsets into the chunk's bytes
	Spans      int
}

// line keeps what is written by different goroutines apart: two cache lines, since they are fetched in pairs.
const line = 128

// word is 64 bits of a bitmap of chunk numbers.
type word struct {
	atomic.Uint64
	_ [line - 8]byte
}

type slot struct {
	atomic.Pointer[Chunk]
	_ [line - 8]byte
}

// Core is the arena and the chunks on their way. All methods may be called from any goroutine.
type Core struct {
	opts   Options
	limits atomic.Pointer[Limits]
	chunks []atomic.Pointer[Chunk] // by number
	free   []word
	full   []word
	slots  []slot
	wake   chan struct{} // one token: a sender has something to do
	homes  atomic.Uint32 // gives each producer a slot to begin with

	_ [line]byte
	// Of the full chunks that no batch has: what a batch is due by.
	bytes, spans atomic.Int64
	_            [line]byte
	idle         atomic.Bool // the sender sleeps without a timer
	closed       atomic.Bool
	_            [line]byte

	inFlight atomic.Int64
	large    atomic.Pointer[Chunk] // full chunks of large spans, each linked to the next
	spare    atomic.Int64          // bytes that large spans may still take
	larges   atomic.Int64          // chunks of large spans that are held
	left     atomic.Int64          // bytes that a transport still holds after their batch has ended

	queue  waiters
	sender sender
}

// The shares of Options.Memory that are allowed beside the arena.
const (
	largeShare = 4 // a quarter for chunks of large spans
	leftShare  = 4 // a quarter for what dead transports hold
)

// Bound gives the bytes that a core with these options may ever hold.
func (o Options) Bound() int64 { return o.Memory + o.Memory/largeShare + o.Memory/leftShare }

// New makes a core. Chunks get their memory when they are first used, lowest number first, so that the memory in use
// follows the depth of the queue.
func New(o Options) *Core {
	n := max(int(o.Memory/int64(o.Chunk)), 2)
	words := (n + 63) / 64
	c := &Core{opts: o, chunks: make([]atomic.Pointer[Chunk], n), free: make([]word, words), full: make([]word, words),
		slots: make([]slot, 2*runtime.GOMAXPROCS(0)), wake: make(chan struct{}, 1), queue: newWaiters(), sender: newSender()}
	c.limits.Store(&Limits{o.Bytes, o.Spans, o.Age})
	c.spare.Store(o.Memory / largeShare)
	for i := range n {
		c.chunks[i].Store(&Chunk{core: c, number: i})
		c.free[i/64].Or(1 << (i % 64))
	}
	return c
}

// Open, Queued and InFlight give the number of spans that are in chunks with room left, in full chunks, and in batches
// that a sender holds. Spans of a message that is being written are in none yet.
func (c *Core) Open() (n int64) {
	for i := range c.slots {
		if k := c.slots[i].Load(); k != nil {
			n += k.open.Load()
		}
	}
	return n
}

// Queued is explained at Open.
func (c *Core) Queued() int64 { return max(c.spans.Load(), 0) } // a chunk may be taken just before it is counted

// InFlight is explained at Open.
func (c *Core) InFlight() int64 { return c.inFlight.Load() }

// Held gives the number of chunks that are not free.
func (c *Core) Held() int64 {
	n := len(c.chunks)
	for i := range c.free {
		n -= bits.OnesCount64(c.free[i].Load())
	}
	return int64(n) + c.larges.Load()
}

// Percent tells how much of the arena is not free.
func (c *Core) Percent() int { return int(c.Held()) * 100 / len(c.chunks) }

// Oldest gives when the chunk was begun that has been held for longest: what was written before that has left. It is the zero time if
// none is held. Large spans, which have chunks of their own, are not looked at.
func (c *Core) Oldest() (at time.Time) {
	first := int64(0)
	for i := range c.chunks {
		if k := c.chunks[i].Load(); k != nil {
			if born := k.born.Load(); born != 0 && (first == 0 || born < first) {
				first = born
			}
		}
	}
	if first != 0 {
		at = time.Unix(0, first)
	}
	return at
}

// Left gives the bytes that a transport holds although their batch has ended.
func (c *Core) Left() int64 { return c.left.Load() }

// take gives an empty chunk of the arena, nil when none is free.
func (c *Core) take() *Chunk {
	for w := range c.free {
		for {
			v := c.free[w].Load()
			if v == 0 {
				break
			}
			b := bits.TrailingZeros64(v)
			if c.free[w].CompareAndSwap(v, v&^(1<<b)) {
				k := c.chunks[w*64+b].Load()
				k.begin(c.opts.Chunk)
				return k
			}
		}
	}
	return nil
}

// takeLarge gives a chunk of its own to a span that fits in no chunk of the arena.
func (c *Core) takeLarge(n int) *Chunk {
	for {
		have := c.spare.Load()
		if int64(n) > have {
			return nil
		}
		if c.spare.CompareAndSwap(have, have-int64(n)) {
			break
		}
	}
	c.larges.Add(1)
	k := &Chunk{core: c, number: largeNumber}
	k.begin(n)
	return k
}

// push publishes a chunk that takes no more spans.
func (c *Core) push(k *Chunk) {
	bytes, spans := int64(k.used), int64(k.spans)
	if k.number == largeNumber {
		for {
			k.next = c.large.Load()
			if c.large.CompareAndSwap(k.next, k) {
				break
			}
		}
	} else {
		c.full[k.number/64].Or(1 << (k.number % 64))
	}
	// From here on the chunk may be the sender's.
	b, s := c.bytes.Add(bytes), c.spans.Add(spans)
	l := c.limits.Load()
	crossed := b >= l.Bytes && b-bytes < l.Bytes || s >= int64(l.Spans) && s-spans < int64(l.Spans)
	if crossed || c.awaken() {
		c.signal()
	}
}

// release makes the place of a chunk that nobody holds free for the next producer.
func (c *Core) release(k *Chunk) {
	k.born.Store(0)
	if c.opts.OnFree != nil {
		c.opts.OnFree(k.buf)
	}
	if k.number == largeNumber {
		c.larges.Add(-1)
		c.spare.Add(int64(len(k.buf)))
	} else {
		c.free[k.number/64].Or(1 << (k.number % 64))
	}
	c.queue.freed()
}

// awaken tells whether the sender sleeps without a timer and this call is the one to end that.
func (c *Core) awaken() bool { return c.idle.Load() && c.idle.CompareAndSwap(true, false) }

func (c *Core) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close lets Gather give what is left, and then end. It is called when no producer is between Reserve and End.
func (c *Core) Close() {
	c.Refuse()
	c.closed.Store(true)
	c.signal()
}

// Refuse ends all waiting for free chunks: from now on a reservation is refused when there is none.
func (c *Core) Refuse() { c.queue.close() }

// waiters lets producers wait for a free chunk in order of arrival.
type waiters struct {
	count  atomic.Int64
	first  chan struct{} // holds one token while somebody is first; the runtime wakes senders in order
	chunk  chan struct{} // one token: a chunk became free while somebody waited
	end    chan struct{}
	endOne *sync.Once
}

func newWaiters() waiters {
	return waiters{first: make(chan struct{}, 1), chunk: make(chan struct{}, 1), end: make(chan struct{}), endOne: new(sync.Once)}
}

func (q *waiters) close() { q.endOne.Do(func() { close(q.end) }) }

// freed is called after a chunk became free; a waiter is counted before it looks for one, so one of the two sees the other.
func (q *waiters) freed() {
	if q.count.Load() > 0 {
		select {
		case q.chunk <- struct{}{}:
		default:
		}
	}
}

// Pace waits, in order of arrival, until at most that much of the arena is in use, and no longer than the given time. It
// tells whether it waited.
func (c *Core) Pace(percent int, most time.Duration) bool {
	if c.Percent() <= percent {
		return false
	}
	q := &c.queue
	timer := time.NewTimer(most)
	defer timer.Stop()
	q.count.Add(1)
	defer q.count.Add(-1)
	select {
	case q.first <- struct{}{}:
	case <-q.end:
		return true
	case <-timer.C:
		return true
	}
	defer func() { <-q.first }()
	for c.Percent() > percent {
		select {
		case <-q.chunk:
		case <-q.end:
			return true
		case <-timer.C:
			return true
		}
	}
	return true
}

// wait gives what take gives, as soon as it is the caller's turn, or nil once Refuse was called.
func (q *waiters) wait(take func() *Chunk) *Chunk {
	q.count.Add(1)
	defer q.count.Add(-1)
	select {
	case q.first <- struct{}{}:
	case <-q.end:
		return take()
	}
	defer func() { <-q.first }()
	for {
		if k := take(); k != nil {
			return k
		}
		select {
		case <-q.chunk:
		case <-q.end:
			return take()
		}
	}
}
