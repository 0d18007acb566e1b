package ring

// Producer is one goroutine's way to write spans. The zero value is ready for Begin.
type Producer struct {
	core     *Core
	chunk    *Chunk
	resource *Resource
	home     int
}

// Begin starts a series of spans that belong to r. A producer that has begun may begin again with another resource.
func (p *Producer) Begin(c *Core, r *Resource) {
	if p.core != c {
		p.core, p.home = c, int(c.homes.Add(1))%len(c.slots)
	}
	p.resource = r
}

// Reserve gives room for a span: an empty slice with a capacity of at least n bytes. It gives false when the core is full;
// the span is then the caller's to count as dropped. A reservation that is not committed is void.
func (p *Producer) Reserve(n int) ([]byte, bool) {
	k := p.chunk
	if k == nil || k.room() < n {
		if k = p.next(n); k == nil {
			return nil, false
		}
	}
	return k.buf[k.used:k.used], true
}

// next gives up the chunk in hand for one with n bytes of room: an open one, else a free one.
func (p *Producer) next(n int) *Chunk {
	c := p.core
	if p.chunk != nil {
		p.push()
	}
	if n > c.opts.Chunk {
		p.chunk = c.takeLarge(n)
		return p.chunk
	}
	for i := range c.slots {
		s := &c.slots[(p.home+i)%len(c.slots)]
		if s.Load() == nil {
			continue
		}
		if p.chunk = s.Swap(nil); p.chunk == nil {
			continue
		}
		if p.chunk.room() >= n {
			return p.chunk
		}
		p.push()
	}
	if c.opts.Wait {
		if c.queue.count.Load() == 0 {
			p.chunk = c.take()
		}
		if p.chunk == nil {
			p.chunk = c.queue.wait(c.take)
		}
		return p.chunk
	}
	p.chunk = c.take()
	return p.chunk
}

// push publishes the chunk in hand, or frees it when it has no span.
func (p *Producer) push() {
	k := p.chunk
	p.chunk = nil
	if k.spans == 0 {
		k.Release()
		return
	}
	p.core.push(k)
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
	return true
}

// End gives the chunk in hand back; what was committed can be sent from now on.
func (p *Producer) End() {
	k := p.chunk
	if k == nil {
		return
	}
	if k.number != largeNumber && k.spans > 0 {
		c := p.core
		k.open.Store(int64(k.spans))
		for i := range c.slots {
			s := &c.slots[(p.home+i)%len(c.slots)]
			if s.Load() == nil && s.CompareAndSwap(nil, k) {
				p.chunk = nil
				if c.awaken() {
					c.signal()
				}
				return
			}
		}
	}
	p.push()
}
