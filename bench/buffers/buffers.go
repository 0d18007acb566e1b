// Package buffers takes lengths and gives buffers for the transport, used again as they were left: its own pool clears them
// first, which costs more than filling them.
package buffers

import (
	"sync"

	"google.golang.org/grpc/mem"
)

// Pool is a mem.BufferPool. The zero value is ready.
type Pool struct{ pool sync.Pool }

var _ mem.BufferPool = (*Pool)(nil)

// Get gives a buffer of n bytes with any content.
func (p *Pool) Get(n int) *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok && cap(*b) >= n {
		*b = (*b)[:n]
		return b
	}
	return new(make([]byte, n, n+n/4))
}

// Put takes a buffer back.
func (p *Pool) Put(b *[]byte) { p.pool.Put(b) }
