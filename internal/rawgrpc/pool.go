package rawgrpc

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// Pool lends buffers in sizes of powers of two. grpc's own pool clears the whole buffer at each Get, a MiB for a message
// of 100 KiB; what is borrowed here is always filled before it is read.
type Pool struct {
	sizes [largest - smallest + 1]sync.Pool // by exponent
}

// Buffers below 256 bytes come from the smallest, those above 16 MiB from nowhere.
const (
	smallest = 8
	largest  = 24
)

var _ mem.BufferPool = (*Pool)(nil)

// Get gives a buffer of that length whose content is undefined.
func (p *Pool) Get(length int) *[]byte {
	exponent := max(bits.Len(uint(max(length, 1)-1)), smallest)
	if exponent > largest {
		b := make([]byte, length)
		return &b
	}
	if b, ok := p.sizes[exponent-smallest].Get().(*[]byte); ok {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, 1<<exponent)
	return &b
}

// Put takes a buffer back; one that Get did not make is left to the garbage collector.
func (p *Pool) Put(b *[]byte) {
	size := cap(*b)
	exponent := bits.Len(uint(size)) - 1
	if exponent < smallest || exponent > largest || size != 1<<exponent {
		return
	}
	p.sizes[exponent-smallest].Put(b)
}
