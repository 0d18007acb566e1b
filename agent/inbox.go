package agent

import (
	"sync"
	"sync/atomic"

	"github.com/alspan/alspan/spanbuilder"
)

// inbox is the way into the join: many goroutines put, each once for a message, and one takes everything at a time. Its
// stack needs one CAS to put and one exchange to take; who finds it empty wakes the taker.
type inbox struct {
	head atomic.Pointer[parcel]
	wake chan struct{} // one token
	pool sync.Pool
}

// parcel is what one message brings to the join.
type parcel struct {
	items []spanbuilder.Item
	left  []spanbuilder.Item // spans that had to leave at once, without their bytes
	next  *parcel
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1), pool: sync.Pool{New: func() any { return new(parcel) }}}
}

func (b *inbox) open() *parcel { return b.pool.Get().(*parcel) }

func (b *inbox) put(p *parcel) {
	var before *parcel
	for {
		before = b.head.Load()
		if p.next = before; b.head.CompareAndSwap(before, p) {
			break // from here on p is the taker's
		}
	}
	if before == nil {
		b.rouse()
	}
}

// rouse wakes the taker.
func (b *inbox) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives all parcels, the oldest first.
func (b *inbox) take() (first *parcel) {
	for p := b.head.Swap(nil); p != nil; {
		p, p.next, first = p.next, first, p
	}
	return first
}

// empty gives a parcel back.
func (b *inbox) empty(p *parcel) {
	clear(p.items)
	clear(p.left)
	p.items, p.left, p.next = p.items[:0], p.left[:0], nil
	if cap(p.items) <= 1024 {
		b.pool.Put(p)
	}
}
