package ring

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Chunk is a piece of memory with runs of encoded spans.
type Chunk struct {
	core   *Core
	number int // its place in the arena
	buf    []byte
	used   int
	spans  int
	runs   []Run
	open   atomic.Int64 // spans as of the last End, for those who only count
	next   *Chunk       // in the stack of large chunks
	refs   atomic.Int32
	born   atomic.Int64 // when it was taken, in Unix nanoseconds; 0: it is free
	// Of a chunk that was left to a transport: whether its place got new memory, and what is done if it is never released.
	replaced bool
	cleanup  runtime.Cleanup
	leftOver bool
}

// largeNumber stands for the place of a chunk with one large span, which has none.
const largeNumber = -1

// Bytes gives the committed bytes and Runs their parts; both are valid while the caller holds a reference.
func (k *Chunk) Bytes() []byte { return k.buf[:k.used] }

// Runs is explained at Bytes.
func (k *Chunk) Runs() []Run { return k.runs }

// Retain takes a further reference.
func (k *Chunk) Retain() { k.refs.Add(1) }

// Release gives one reference back; nobody may read the chunk after the last one.
func (k *Chunk) Release() {
	switch n := k.refs.Add(-1); {
	case n < 0:
		panic("ring: a chunk was released more often than it was retained")
	case n > 0:
	case k.leftOver:
		k.cleanup.Stop()
		k.core.returned(k)
	default:
		k.core.release(k)
	}
}

func (k *Chunk) begin(size int) {
	if k.buf == nil {
		k.buf = make([]byte, size)
	}
	k.used, k.spans, k.runs = 0, 0, k.runs[:0]
	k.open.Store(0)
	k.born.Store(time.Now().UnixNano())
	k.refs.Store(1) // of its owner, at last the batch that gathers it
}

func (k *Chunk) room() int { return len(k.buf) - k.used }

// leave ends the batch's share in a chunk that somebody else still holds. Its bytes must not be used again before they let
// it go, which a transport that lost its connection may never do. So its place gets new memory, as long as what was left
// is little; beyond that the place waits for the release, or for the garbage collector to find that nobody can release it.
func (c *Core) leave(k *Chunk) {
	size := int64(len(k.buf))
	k.leftOver = true
	k.born.Store(0)
	k.replaced = c.left.Add(size) <= c.opts.Memory/leftShare
	if k.number != largeNumber {
		c.chunks[k.number].Store(nil) // else the arena would keep it from being collected
	}
	k.cleanup = runtime.AddCleanup(k, func(l leftChunk) { l.core.reclaim(l) }, leftChunk{c, k.number, size, k.replaced})
	if k.replaced {
		c.renew(k.number, size)
	}
	k.Release()
}

// leftChunk is what is known of a chunk that was collected as garbage.
type leftChunk struct {
	core     *Core
	number   int
	size     int64
	replaced bool
}

// reclaim is told of a left chunk that nobody can release any more.
func (c *Core) reclaim(l leftChunk) {
	c.left.Add(-l.size)
	if !l.replaced {
		c.renew(l.number, l.size)
	}
}

// returned takes a left chunk back from its last holder.
func (c *Core) returned(k *Chunk) {
	c.left.Add(-int64(len(k.buf)))
	k.leftOver = false
	switch {
	case k.replaced:
		if c.opts.OnFree != nil {
			c.opts.OnFree(k.buf)
		}
	case k.number == largeNumber:
		c.release(k)
	default:
		c.chunks[k.number].Store(k)
		c.release(k)
	}
}

// renew frees the place of a chunk that is not coming back.
func (c *Core) renew(number int, size int64) {
	if number == largeNumber {
		c.larges.Add(-1)
		c.spare.Add(size)
	} else {
		c.chunks[number].Store(&Chunk{core: c, number: number})
		c.free[number/64].Or(1 << (number % 64))
	}
	c.queue.freed()
}
