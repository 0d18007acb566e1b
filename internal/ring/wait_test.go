package ring

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waiting gives a core of n chunks that are all full, each with one span; batches have one chunk.
func waiting(t *testing.T, n int) *Core {
	o := options()
	o.Memory, o.Bytes, o.Wait = int64(n*o.Chunk), 1, true
	c := New(o)
	var p Producer
	p.Begin(c, &Resource{})
	for range n {
		if !write(&p, 0, 0, o.Chunk) {
			t.Fatal("the core is full too early")
		}
	}
	p.End()
	return c
}

// reserve fills a chunk and tells who did.
func reserve(c *Core, who int, done chan<- int) {
	var p Producer
	p.Begin(c, &Resource{})
	if write(&p, uint32(who), 0, c.opts.Chunk) {
		done <- who
	} else {
		done <- -who
	}
	p.End()
}

// Who waits first gets the first chunk, and nobody who comes later is quicker.
func TestWaitersAreServedInOrder(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			const first, all = 8, 16
			c := waiting(t, 4)
			done := make(chan int, all)
			for who := 1; who <= first; who++ {
				go reserve(c, who, done)
				synctest.Wait()
			}
			if len(done) > 0 {
				t.Fatal("a full core gave room")
			}
			// A chunk comes back at the same time as somebody else asks for one: there is somebody who waits for it already.
			for who := first + 1; who <= all; who++ {
				free(t, c)
				go reserve(c, who, done)
				synctest.Wait()
			}
			for range all - first {
				free(t, c)
				synctest.Wait()
			}
			var order []int
			for range all {
				order = append(order, <-done)
			}
			if !slices.IsSorted(order) || order[0] != 1 {
				t.Errorf("served in the order %v", order)
			}
		})
	}
}

// free sends one batch, which is one chunk.
func free(t *testing.T, c *Core) {
	var b Batch
	if !c.Gather(t.Context(), &b) || len(b.Chunks) != 1 {
		t.Fatalf("gathered %d chunks, want 1", len(b.Chunks))
	}
	b.Release()
}

// With a chunk freed each millisecond, or later where the last ones go by age, nobody waits for more than one turn of all.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const producers, each = 8, 50
		c := waiting(t, 4)
		var longest [producers]time.Duration
		var wg sync.WaitGroup
		for who := range producers {
			wg.Go(func() {
				var p Producer
				for range each {
					p.Begin(c, &Resource{})
					began := time.Now()
					if !write(&p, uint32(who), 0, c.opts.Chunk) {
						t.Error("a waiting core refused a span")
					}
					longest[who] = max(longest[who], time.Since(began))
					p.End()
				}
			})
		}
		for range producers*each + 4 {
			time.Sleep(time.Millisecond)
			free(t, c)
		}
		wg.Wait()
		for who, d := range longest {
			if most := producers*time.Millisecond + c.opts.Age; d > most {
				t.Errorf("producer %d waited %v, want at most %v", who, d, most)
			}
		}
		if c.Held() != 0 || c.queue.count.Load() != 0 {
			t.Errorf("%d chunks are held, %d producers wait", c.Held(), c.queue.count.Load())
		}
	})
}

// Refuse and Close end all waiting: what is not free now is refused. What is free is still given.
func TestWaitingEnds(t *testing.T) {
	for name, end := range map[string]func(*Core){"Refuse": (*Core).Refuse, "Close": (*Core).Close} {
		synctest.Test(t, func(t *testing.T) {
			const producers = 5
			c := waiting(t, 2)
			done := make(chan int, producers+1)
			for who := 1; who <= producers; who++ {
				go reserve(c, who, done)
			}
			synctest.Wait()
			end(c)
			synctest.Wait()
			if len(done) != producers {
				t.Fatalf("%s: %d producers of %d go on", name, len(done), producers)
			}
			for range producers {
				if who := <-done; who > 0 {
					t.Errorf("%s: producer %d got room in a full core", name, who)
				}
			}
			free(t, c)
			reserve(c, 6, done)
			if <-done != 6 {
				t.Errorf("%s: a free chunk was refused", name)
			}
			end(c) // again, which is allowed
		})
	}
}
