package agent

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/alspan/alspan/spanbuilder"
)

// handOver is one way to hand items to the join's goroutine. put hands in the items of one message; take gives what is there
// to f and waits when there is nothing, false when closed and empty. Nothing is dropped: what bounds the items is the slab.
type handOver struct {
	name  string
	put   func(items []spanbuilder.Item)
	take  func(f func(*spanbuilder.Item)) bool
	close func()
}

func byParcel() handOver {
	b := newInbox()
	closed := make(chan struct{})
	return handOver{
		name: "parcel",
		put: func(items []spanbuilder.Item) {
			p := b.open()
			p.items = append(p.items, items...)
			b.put(p)
		},
		take: func(f func(*spanbuilder.Item)) bool {
			over := false
			select {
			case <-b.wake:
			case <-closed:
				over = true
			}
			for p := b.take(); p != nil; {
				for i := range p.items {
					f(&p.items[i])
				}
				next := p.next
				b.empty(p)
				p = next
			}
			return !over
		},
		close: func() { close(closed) },
	}
}

// byChannel sends each item by itself.
func byChannel() handOver {
	items := make(chan spanbuilder.Item, 4096)
	var item spanbuilder.Item
	return handOver{
		name: "channel",
		put: func(list []spanbuilder.Item) {
			for i := range list {
				items <- list[i]
			}
		},
		take: func(f func(*spanbuilder.Item)) (ok bool) {
			if item, ok = <-items; ok {
				f(&item)
			}
			return ok
		},
		close: func() { close(items) },
	}
}

// byMutex appends to a slice behind a lock, item by item or a message at a time; the taker swaps it for an empty one.
func byMutex(name string, each bool) handOver {
	var mu sync.Mutex
	var items, taken []spanbuilder.Item
	wake, closed := make(chan struct{}, 1), make(chan struct{})
	return handOver{
		name: name,
		put: func(list []spanbuilder.Item) {
			n := len(list)
			if each {
				n = 1
			}
			for ; len(list) > 0; list = list[n:] {
				mu.Lock()
				first := len(items) == 0
				items = append(items, list[:n]...)
				mu.Unlock()
				if first {
					select {
					case wake <- struct{}{}:
					default:
					}
				}
			}
		},
		take: func(f func(*spanbuilder.Item)) bool {
			over := false
			select {
			case <-wake:
			case <-closed:
				over = true
			}
			mu.Lock()
			items, taken = taken[:0], items
			mu.Unlock()
			for i := range taken {
				f(&taken[i])
			}
			clear(taken)
			return !over
		},
		close: func() { close(closed) },
	}
}

// What it costs to hand an item to the join, beside other ways to do it: CPU time of all goroutines. Producers wait when a
// thousand items are on their way, so that none of the ways is measured at growing.
func BenchmarkHandOver(b *testing.B) {
	for _, size := range []int{5, 14, 100} {
		for _, producers := range []int{1, 2, 8} {
			for _, make := range []func() handOver{byParcel, byChannel, func() handOver { return byMutex("mutex", true) }, func() handOver { return byMutex("mutex-by-message", false) }} {
				h := make()
				b.Run(fmt.Sprintf("message=%d/producers=%d/%s", size, producers, h.name), func(b *testing.B) { benchmarkHandOver(b, make(), producers, size) })
			}
		}
	}
}

const onTheirWay = 1000

func benchmarkHandOver(b *testing.B, h handOver, producers, size int) {
	message := make([]spanbuilder.Item, size)
	for i := range message {
		message[i].Code = 1
	}
	room := make(chan struct{}, max(onTheirWay/size, 1))
	taken, sum := 0, 0
	var taker, all sync.WaitGroup
	taker.Go(func() {
		for h.take(func(i *spanbuilder.Item) {
			sum += int(i.Code)
			if taken++; taken%size == 0 {
				<-room
			}
		}) {
		}
	})
	b.ReportAllocs()
	cpu := cpuTime()
	b.ResetTimer()
	for n := range producers {
		all.Go(func() {
			for range share(b.N, n, producers) {
				room <- struct{}{}
				h.put(message)
			}
		})
	}
	all.Wait()
	h.close()
	taker.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N*size), "cpu-ns/item")
	if sum != b.N*size {
		b.Fatalf("%d items came, want %d", sum, b.N*size)
	}
}

// share gives what one of several does of n.
func share(n, which, of int) int { return n*(which+1)/of - n*which/of }

func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
