package ring

import "sync/atomic"

// Chunk is a piece of the arena with runs of encoded spans.
type Chunk struct {
	core  *Core
	buf   []byte
	used  int
	spans int
	runs  []Run
	large bool
	left  bool // its batch ended while somebody still held it; guarded by the core's lock
	refs  atomic.Int32
}

// Bytes gives the committed bytes and Runs their parts; both are valid while the caller holds a reference.
func (k *Chunk) Bytes() []byte { return k.buf[:k.used] }
func (k *Chunk) Runs() []Run   { return k.runs }

// Retain takes a further reference.
func (k *Chunk) Retain() { k.refs.Add(1) }

// Release gives one reference back; nobody may read the chunk after the last one.
func (k *Chunk) Release() {
	switch n := k.refs.Add(-1); {
	case n < 0:
		panic("ring: a chunk was released more often than it was retained")
	case n == 0:
		k.core.mu.Lock()
		k.core.let(k)
		k.core.mu.Unlock()
	}
}

func (k *Chunk) begin() {
	k.core.held.Add(1)
	if k.buf == nil {
		k.buf = make([]byte, k.core.opts.Chunk)
	}
	k.used, k.spans, k.runs = 0, 0, k.runs[:0]
	k.refs.Store(1) // of the batch that will gather it
}

func (k *Chunk) room() int { return len(k.buf) - k.used }

// Batch is what one request carries. The zero value is ready for Gather and may be reused after Release.
type Batch struct {
	Chunks []*Chunk
	Bytes  int64
	Spans  int
	core   *Core
}

// Release ends the batch: its spans are no longer in flight, and its place in the core is free again. A chunk that somebody
// else still holds is not used again; its place gets new memory.
func (b *Batch) Release() {
	b.core.inFlight.Add(-int64(b.Spans))
	b.core.mu.Lock()
	defer b.core.mu.Unlock()
	for i, k := range b.Chunks {
		if k.refs.Add(-1) == 0 {
			b.core.recycle(k)
		} else {
			b.core.replace(k)
		}
		b.Chunks[i] = nil
	}
	b.Chunks, b.Spans, b.Bytes = b.Chunks[:0], 0, 0
}

// Producer is one goroutine's way to write spans. The zero value is ready for Begin.
type Producer struct {
	core     *Core
	chunk    *Chunk
	resource *Resource
}

// Begin starts a series of spans that belong to r. A producer that has begun may begin again with another resource.
func (p *Producer) Begin(c *Core, r *Resource) { p.core, p.resource = c, r }

// Reserve gives room for a span of at most n bytes: an empty slice with that capacity. It gives false when the core is
// full; the span is then the caller's to count as dropped. A reservation that is not committed is void.
func (p *Producer) Reserve(n int) ([]byte, bool) {
	if p.chunk != nil && p.chunk.room() < n {
		p.core.put(p.chunk, true)
		p.chunk = nil
	}
	if p.chunk == nil {
		if p.chunk = p.core.take(n); p.chunk == nil {
			return nil, false
		}
	}
	u := p.chunk.used
	return p.chunk.buf[u : u : u+n], true
}

// Commit takes b, which was appended to the slice that Reserve gave, as one span. It gives false, and takes nothing,
// when b has outgrown the reservation.
func (p *Producer) Commit(b []byte) bool {
	k := p.chunk
	if len(b) > k.room() || len(b) > 0 && &b[0] != &k.buf[k.used] {
		return false
	}
	if n := len(k.runs); n > 0 && k.runs[n-1].Resource == p.resource {
		k.runs[n-1].End += len(b)
		k.runs[n-1].Spans++
	} else {
		k.runs = append(k.runs, Run{Resource: p.resource, Start: k.used, End: k.used + len(b), Spans: 1})
	}
	k.used += len(b)
	k.spans++
	p.core.openSpans.Add(1)
	return true
}

// End gives the chunk back; what was committed can be sent from now on.
func (p *Producer) End() {
	if p.chunk != nil {
		p.core.put(p.chunk, false)
	}
	p.chunk = nil
}
