// Package ring takes encoded spans from many goroutines and gives batches of them to senders: the batching core.
//
// A producer writes spans in place into a chunk of one arena; a sender gathers sealed chunks without copying. Memory is
// bounded by the arena: when all chunks are waiting or in flight, a reservation is refused, and the caller counts the
// newest span as dropped.
//
// Who owns a chunk: the arena (free), then one Producer between its Begin and End, then the core (open, with room left;
// or sealed, waiting for a sender), then the Batch that gathered it and everybody who took a reference (the transport).
// Its bytes are used again only after the last Release: a transport may read them after a call was given up. A transport
// that lost its connection may never release what it was writing, so a chunk that is still held when its batch ends is
// left to it, and to the garbage collector after it, and its place in the core gets new memory. Order holds within a
// chunk only.
package ring

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the limits of a Core.
type Options struct {
	Memory int64         // bytes of all chunks together
	Chunk  int           // bytes of one chunk
	Bytes  int64         // a batch is due at this many sealed bytes ...
	Spans  int           // ... or at this many sealed spans ...
	Age    time.Duration // ... or when its oldest span has waited this long
	// OnFree is called with the bytes of each chunk that becomes free; tests poison them.
	OnFree func([]byte)
}

// Resource is what the spans of a run have in common. Bytes is opaque to the core and immutable.
type Resource struct{ Bytes []byte }

// Run is a part of a chunk whose spans share a resource.
type Run struct {
	Resource   *Resource
	Start, End int // offsets into the chunk's bytes
	Spans      int
}

// Core is the arena and the chunks on their way. All methods may be called from any goroutine.
type Core struct {
	opts Options
	wake chan struct{} // one token: something has become due, or has begun to age

	mu        sync.Mutex // guards what follows; the methods from seal to replace, and fill, expect it to be held
	free      []*Chunk
	open      []*Chunk // put back by a producer with room left
	sealed    []*Chunk
	sealBytes int64
	sealSpans int
	since     time.Time // when the oldest span that no batch has arrived; zero: there is none
	spare     int64     // bytes that chunks for large spans may still take
	closed    bool

	held atomic.Int64 // chunks that are not free
	// Spans by place, each counted at its own hand-over.
	openSpans, sealedSpans, inFlight atomic.Int64
}

// New makes a core. Its memory is touched only as far as chunks are used.
func New(o Options) *Core {
	n := max(int(o.Memory/int64(o.Chunk)), 2)
	c := &Core{opts: o, wake: make(chan struct{}, 1), spare: o.Memory / 4}
	for range n {
		c.free = append(c.free, &Chunk{core: c}) // gets its memory when it is taken
	}
	return c
}

// Open, Queued and InFlight give the number of spans that are in chunks with room left, in sealed chunks, and in
// batches that a sender holds.
func (c *Core) Open() int64     { return c.openSpans.Load() }
func (c *Core) Queued() int64   { return c.sealedSpans.Load() }
func (c *Core) InFlight() int64 { return c.inFlight.Load() }

// Held gives the number of chunks that are not free.
func (c *Core) Held() int64 { return c.held.Load() }

// take gives a chunk with at least n bytes of room: an open one if it may be shared, else a free one, else nil.
func (c *Core) take(n int) *Chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.opts.Chunk {
		return c.large(n)
	}
	for len(c.open) > 0 {
		k := c.open[len(c.open)-1]
		c.open = c.open[:len(c.open)-1]
		if k.room() >= n {
			return k
		}
		c.seal(k)
	}
	if len(c.free) == 0 {
		return nil
	}
	k := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	k.begin()
	return k
}

// large gives a chunk of its own to a span that fits in no chunk of the arena.
func (c *Core) large(n int) *Chunk {
	if int64(n) > c.spare {
		return nil
	}
	c.spare -= int64(n)
	k := &Chunk{core: c, buf: make([]byte, n), large: true}
	k.begin()
	return k
}

// put takes a chunk back from a producer: open when it has room and may be shared, else sealed.
func (c *Core) put(k *Chunk, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k.spans == 0:
		c.recycle(k)
	case full || k.large || c.closed:
		c.seal(k)
	default:
		c.open = append(c.open, k)
		c.begun()
	}
}

// seal moves a chunk to the senders' side; the lock is held.
func (c *Core) seal(k *Chunk) {
	c.openSpans.Add(-int64(k.spans))
	c.sealedSpans.Add(int64(k.spans))
	c.sealed = append(c.sealed, k)
	c.sealBytes += int64(k.used)
	c.sealSpans += k.spans
	c.begun()
	if c.due() {
		c.signal()
	}
}

func (c *Core) begun() {
	if c.since.IsZero() {
		c.since = time.Now()
		c.signal()
	}
}

func (c *Core) due() bool { return c.sealBytes >= c.opts.Bytes || c.sealSpans >= c.opts.Spans }

func (c *Core) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// recycle makes the place of a chunk that nobody holds free for the next one.
func (c *Core) recycle(k *Chunk) {
	c.freed(k)
	c.held.Add(-1)
	if k.large {
		c.spare += int64(len(k.buf))
		return
	}
	c.free = append(c.free, k)
}

// replace makes the place of a chunk free although somebody still holds it.
func (c *Core) replace(k *Chunk) {
	k.left = true
	c.held.Add(-1)
	if k.large {
		c.spare += int64(len(k.buf))
		return
	}
	c.free = append(c.free, &Chunk{core: c})
}

// let takes the last reference to a chunk from somebody else than its batch.
func (c *Core) let(k *Chunk) {
	if k.left {
		c.freed(k)
		return
	}
	c.recycle(k)
}

func (c *Core) freed(k *Chunk) {
	if c.opts.OnFree != nil {
		c.opts.OnFree(k.buf)
	}
}

// Close seals what is open; chunks that producers still hold are sealed by their End. Gather then gives what is left
// and ends.
func (c *Core) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.sealOpen()
	c.signal()
}

func (c *Core) sealOpen() {
	for _, k := range c.open {
		c.seal(k)
	}
	c.open = c.open[:0]
}

// Gather waits until a batch is due and fills b with it. It gives false when the core is closed and empty, or when ctx
// is over; b is then empty. Several senders may gather at the same time. The caller owns the batch until Release.
func (c *Core) Gather(ctx context.Context, b *Batch) bool {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, ok := c.gather(b)
		if ok {
			return true
		}
		if wait < 0 || ctx.Err() != nil {
			c.signal() // the next sender wants to know, too
			return false
		}
		timer.Reset(wait)
		select {
		case <-c.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// gather takes a batch if one is due, else tells how long to sleep; a negative time means that nothing will ever come.
func (c *Core) gather(b *Batch) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := time.Duration(0)
	if !c.since.IsZero() {
		age = time.Since(c.since)
	}
	if !c.due() && (age >= c.opts.Age || c.closed) {
		c.sealOpen()
		c.since = time.Time{}
	}
	if len(c.sealed) > 0 && (c.due() || age >= c.opts.Age || c.closed) {
		c.fill(b)
		return 0, true
	}
	switch {
	case c.closed:
		return -1, false
	case c.since.IsZero():
		return time.Hour, false
	}
	return c.opts.Age - age, false
}

func (c *Core) fill(b *Batch) {
	n, bytes, spans := 0, int64(0), 0
	for n < len(c.sealed) && (n == 0 || bytes+int64(c.sealed[n].used) <= c.opts.Bytes && spans+c.sealed[n].spans <= c.opts.Spans) {
		bytes += int64(c.sealed[n].used)
		spans += c.sealed[n].spans
		n++
	}
	b.Chunks, b.Bytes, b.Spans, b.core = append(b.Chunks[:0], c.sealed[:n]...), bytes, spans, c
	c.sealed = append(c.sealed[:0], c.sealed[n:]...)
	c.sealBytes -= bytes
	c.sealSpans -= spans
	c.since = time.Time{}
	if len(c.sealed)+len(c.open) > 0 {
		c.begun()
	}
	if c.due() || c.closed {
		c.signal()
	}
	c.sealedSpans.Add(-int64(spans))
	c.inFlight.Add(int64(spans))
}
