package ring

import (
	"context"
	"time"
)

// Batch is what one request carries. The zero value is ready for Gather and may be reused after Release.
type Batch struct {
	Chunks []*Chunk
	Bytes  int64
	Spans  int
	core   *Core
}

// Release ends the batch: its spans are no longer in flight. A chunk becomes free with its last reference. One that a
// transport still holds keeps its bytes, and its place gets new memory, up to a quarter of the arena; beyond that the
// place is free when the transport lets go, or when the garbage collector finds that it cannot any more.
func (b *Batch) Release() {
	c := b.core
	c.inFlight.Add(-int64(b.Spans))
	for i, k := range b.Chunks {
		b.Chunks[i] = nil
		if k.refs.Load() > 1 {
			c.leave(k)
		} else {
			k.Release()
		}
	}
	b.Chunks, b.Spans, b.Bytes = b.Chunks[:0], 0, 0
}

// sender is the state of the one sender that gathers; turn is held while it does.
type sender struct {
	turn     chan struct{}
	pending  []*Chunk  // taken, and in no batch yet
	open     []*Chunk  // room for steal
	deadline time.Time // when all that is there must go; zero: nothing was there
	flush    bool      // the deadline has passed: pending goes out, however little it is
}

func newSender() sender { return sender{turn: make(chan struct{}, 1)} }

// Gather waits until a batch is due and fills b with it. It gives false when the core is closed and empty, or when ctx
// is over; b is then empty. Several senders may gather at the same time. The caller owns the batch until Release.
func (c *Core) Gather(ctx context.Context, b *Batch) bool {
	select {
	case c.sender.turn <- struct{}{}:
		defer func() { <-c.sender.turn }()
	case <-ctx.Done():
		return false
	}
	var timer *time.Timer
	for {
		wait, ok := c.gather(b)
		if ok {
			return true
		}
		if wait == never || ctx.Err() != nil {
			return false
		}
		var due <-chan time.Time
		if wait != asleep {
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			due = timer.C
		}
		select {
		case <-c.wake:
		case <-due:
		case <-ctx.Done():
		}
		c.idle.Store(false)
	}
}

// What gather gives instead of a time to sleep.
const (
	asleep time.Duration = -1 // until a producer wakes us
	never  time.Duration = -2 // nothing will ever come
)

// gather fills b if a batch is due, else tells how long to sleep.
func (c *Core) gather(b *Batch) (time.Duration, bool) {
	s, closed := &c.sender, c.closed.Load()
	now := time.Now()
	if closed || !s.deadline.IsZero() && !now.Before(s.deadline) {
		c.steal() // first: a chunk may go from a slot to full meanwhile, but not back
		c.collect()
		s.pending = append(s.pending, s.open...) // last: the oldest spans go first
		clear(s.open)
		s.open, s.deadline, s.flush = s.open[:0], time.Time{}, true
	} else if c.due() {
		c.collect()
	}
	if len(s.pending) > 0 && (s.flush || c.due()) {
		c.fill(b)
		return 0, true
	}
	s.flush = false
	if closed {
		return never, false
	}
	if s.deadline.IsZero() {
		// idle is set before the last look, and producers look at it after they have published.
		if c.idle.Store(true); c.empty() {
			return asleep, false
		}
		c.idle.Store(false)
		s.deadline = now.Add(c.limits.Load().Age)
	}
	return s.deadline.Sub(now), false
}

func (c *Core) due() bool {
	l := c.limits.Load()
	return c.bytes.Load() >= l.Bytes || c.spans.Load() >= int64(l.Spans)
}

// empty tells whether there is nothing at all to send, now or later.
func (c *Core) empty() bool {
	for i := range c.slots {
		if c.slots[i].Load() != nil {
			return false
		}
	}
	for i := range c.full {
		if c.full[i].Load() != 0 {
			return false
		}
	}
	return len(c.sender.pending) == 0 && c.large.Load() == nil
}

// collect takes all full chunks.
func (c *Core) collect() {
	for i := range c.full {
		if c.full[i].Load() == 0 {
			continue
		}
		for v, n := c.full[i].Swap(0), 0; v != 0; v, n = v>>1, n+1 {
			if v&1 != 0 {
				c.sender.pending = append(c.sender.pending, c.chunks[i*64+n].Load())
			}
		}
	}
	for k := c.large.Swap(nil); k != nil; {
		c.sender.pending = append(c.sender.pending, k)
		k, k.next = k.next, nil // a chunk that a transport keeps must not keep others from being collected as garbage
	}
}

// steal takes the open chunks out of their slots.
func (c *Core) steal() {
	for i := range c.slots {
		if k := c.slots[i].Swap(nil); k != nil {
			c.bytes.Add(int64(k.used))
			c.spans.Add(int64(k.spans))
			c.sender.open = append(c.sender.open, k)
		}
	}
}

// fill moves chunks from pending into the batch: at least one, and no more than the limits allow.
func (c *Core) fill(b *Batch) {
	s := &c.sender
	n, bytes, spans, l := 0, int64(0), 0, c.limits.Load()
	for _, k := range s.pending {
		if n > 0 && (bytes+int64(k.used) > l.Bytes || spans+k.spans > l.Spans) {
			break
		}
		n, bytes, spans = n+1, bytes+int64(k.used), spans+k.spans
	}
	b.Chunks, b.Bytes, b.Spans, b.core = append(b.Chunks[:0], s.pending[:n]...), bytes, spans, c
	rest := copy(s.pending, s.pending[n:])
	clear(s.pending[rest:])
	s.pending = s.pending[:rest]
	c.inFlight.Add(int64(spans))
	c.bytes.Add(-bytes)
	c.spans.Add(-int64(spans))
}
