package ring

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What is compared: 64 KiB pieces of memory, 8 MiB of them at most, items of 700 bytes, of which a message has 100. What does
// not fit is dropped and counted.
const (
	benchItem    = 700
	benchMessage = 100
	benchPiece   = 64 << 10
	benchPieces  = 128
)

// design is one way to hand items to a consumer. put hands in a message by one producer and gives how many items were
// accepted; take gives the consumer's next items to f, false when closed and empty.
type design struct {
	put   func(producer int, item []byte, items int) int
	take  func(f func(items, bytes int)) bool
	close func()
}

var designs = []struct {
	name string
	make func(producers int) design
}{
	{"core", coreDesign},
	{"channel", channelDesign},
	{"mutex", func(int) design { return mutexDesign(1) }},
	{"mutex8", func(int) design { return mutexDesign(8) }},
}

func coreDesign(producers int) design {
	c := New(Options{Memory: benchPieces * benchPiece, Chunk: benchPiece, Bytes: 8 * benchPiece, Spans: 1 << 30, Age: 5 * time.Millisecond})
	type padded struct {
		Producer
		_ [2 * line]byte
	}
	ps, resource, b := make([]padded, producers), &Resource{}, &Batch{}
	return design{
		put: func(producer int, item []byte, items int) (n int) {
			p := &ps[producer].Producer
			p.Begin(c, resource)
			for range items {
				if room, ok := p.Reserve(len(item)); ok && p.Commit(append(room, item...)) {
					n++
				}
			}
			p.End()
			return n
		},
		take: func(f func(items, bytes int)) bool {
			if !c.Gather(context.Background(), b) {
				return false
			}
			f(b.Spans, int(b.Bytes))
			b.Release()
			return true
		},
		close: c.Close,
	}
}

// channelDesign copies each item and sends it; the consumer takes what is there.
func channelDesign(int) design {
	items := make(chan []byte, benchPieces*benchPiece/benchItem)
	return design{
		put: func(_ int, item []byte, n int) (accepted int) {
			for range n {
				select {
				case items <- append([]byte(nil), item...):
					accepted++
				default:
				}
			}
			return accepted
		},
		take: func(f func(items, bytes int)) bool {
			item, ok := <-items
			if ok {
				f(1, len(item))
			}
			return ok
		},
		close: func() { close(items) },
	}
}

// shard is a list of pieces behind a lock; the consumer swaps it for an empty one and brings the pieces back.
type shard struct {
	sync.Mutex
	full [][]byte
	free [][]byte
	_    [line]byte
}

func mutexDesign(shards int) design {
	all := make([]shard, shards)
	for i := range all {
		for range benchPieces / shards {
			all[i].free = append(all[i].free, nil)
		}
	}
	wake, closed := make(chan struct{}, 1), new(atomic.Bool)
	signal := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	var taken [][]byte
	return design{
		put: func(producer int, item []byte, n int) (accepted int) {
			s := &all[producer%shards]
			for range n {
				s.Lock()
				last := len(s.full) - 1
				if last < 0 || len(s.full[last])+len(item) > benchPiece {
					if len(s.free) == 0 {
						s.Unlock()
						continue
					}
					piece := s.free[len(s.free)-1]
					s.free = s.free[:len(s.free)-1]
					if piece == nil {
						piece = make([]byte, 0, benchPiece)
					}
					s.full = append(s.full, piece[:0])
					last++
					if last > 0 {
						signal()
					}
				}
				s.full[last] = append(s.full[last], item...)
				s.Unlock()
				accepted++
			}
			return accepted
		},
		take: func(f func(items, bytes int)) bool {
			over := closed.Load()
			if !over {
				<-wake
			}
			for i := range all {
				s := &all[i]
				s.Lock()
				taken, s.full = s.full, taken[:0]
				s.Unlock()
				for _, piece := range taken {
					f(len(piece)/benchItem, len(piece))
				}
				s.Lock()
				s.free = append(s.free, taken...)
				s.Unlock()
			}
			return !over
		},
		close: func() { closed.Store(true); signal() },
	}
}

// cpu is the processor time of this process, of which the benchmark machine has little else to do.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend has producers that hand in b.N items and a consumer that lets go at once; a refused item is offered again.
func BenchmarkAppend(b *testing.B) {
	for _, producers := range []int{1, 2, 4, 16, 64} {
		for _, d := range designs {
			b.Run(fmt.Sprintf("P=%d/%s", producers, d.name), func(b *testing.B) {
				d, delivered := d.make(producers), 0
				var done, work sync.WaitGroup
				done.Go(func() {
					for d.take(func(items, _ int) { delivered += items }) {
					}
				})
				b.ReportAllocs()
				b.SetBytes(benchItem)
				b.ResetTimer()
				began := cpu()
				refused := make([]int, producers*line)
				for who := range producers {
					work.Go(func() {
						item := make([]byte, benchItem)
						left := (b.N + producers - 1 - who) / producers
						for left > 0 {
							offered := min(left, benchMessage)
							n := d.put(who, item, offered)
							left -= n
							if n < offered {
								refused[who*line] += offered - n
								time.Sleep(20 * time.Microsecond) // let the consumer go on
							}
						}
					})
				}
				work.Wait()
				d.close()
				done.Wait()
				b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
				again := 0
				for _, n := range refused {
					again += n
				}
				b.ReportMetric(float64(again)/float64(b.N), "again/op")
				if delivered != b.N {
					b.Errorf("delivered %d items, want %d", delivered, b.N)
				}
			})
		}
	}
}
