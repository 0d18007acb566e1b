package ring

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBatchIsDueByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(options())
		var p Producer
		p.Begin(c, &Resource{})
		start := time.Now()
		write(&p, 1, 1, 64)
		p.End()
		var b Batch
		if !c.Gather(t.Context(), &b) || b.Spans != 1 || time.Since(start) != 5*time.Millisecond {
			t.Errorf("gathered %d spans after %v, want 1 after 5ms", b.Spans, time.Since(start))
		}
		b.Release()
	})
}

func TestBatchIsDueByBytesAndByCount(t *testing.T) {
	check := func(name string, o Options, spans int) {
		synctest.Test(t, func(t *testing.T) {
			c := New(o)
			var p Producer
			p.Begin(c, &Resource{})
			for i := range 400 {
				write(&p, 1, uint32(i), 64)
			}
			p.End()
			start := time.Now()
			var b Batch
			if !c.Gather(t.Context(), &b) || b.Spans != spans || time.Since(start) != 0 {
				t.Errorf("%s: gathered %d spans after %v, want %d at once", name, b.Spans, time.Since(start), spans)
			}
			b.Release()
		})
	}
	check("bytes", options(), 256)
	o := options()
	o.Spans = 100
	check("count", o, 64) // a chunk has 64 of them; a batch is whole chunks
}

func TestGatherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(options())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var b Batch
		if start := time.Now(); c.Gather(ctx, &b) || time.Since(start) != time.Second {
			t.Error("Gather did not end with its context")
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				var b Batch
				if c.Gather(t.Context(), &b) {
					t.Error("an empty core gave a batch")
				}
			})
		}
		synctest.Wait()
		c.Close()
		wg.Wait()
	})
}

// stream gathers in the background and tells when each batch came.
func stream(t *testing.T, c *Core) <-chan time.Duration {
	came := make(chan time.Duration, 1000)
	began := time.Now()
	go func() {
		var b Batch
		for c.Gather(t.Context(), &b) {
			for range b.Spans {
				came <- time.Since(began)
			}
			b.Release()
		}
		close(came)
	}()
	return came
}

// However spans arrive, none waits for longer than Age, while a sender is there and no producer holds its chunk at that very
// moment (no gap divides Age).
func TestNoSpanWaitsForLongerThanAge(t *testing.T) {
	for _, gap := range []time.Duration{300 * time.Microsecond, 900 * time.Microsecond, 7 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const spans = 200
			c := New(options())
			came, began := stream(t, c), time.Now()
			var p Producer
			var wrote []time.Duration
			for seq := range uint32(spans) {
				time.Sleep(gap)
				p.Begin(c, &Resource{})
				wrote = append(wrote, time.Since(began))
				write(&p, 1, seq, 64)
				p.End()
			}
			synctest.Wait()
			time.Sleep(c.opts.Age)
			c.Close()
			synctest.Wait()
			if len(came) != spans {
				t.Fatalf("%d spans came, want %d", len(came), spans)
			}
			oldest := time.Duration(0)
			for _, at := range wrote { // one producer and one chunk at a time: they come in order
				oldest = max(oldest, <-came-at)
			}
			if oldest > c.opts.Age {
				t.Errorf("with one span each %v, one waited for %v, longer than %v", gap, oldest, c.opts.Age)
			}
		})
	}
}

// A sender with nothing to do has no timer; the first span that comes wakes it, to wait for the age of that span.
func TestIdleSenderHasNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(options())
		var p Producer
		send := func() {
			p.Begin(c, &Resource{})
			write(&p, 1, 1, 64)
			p.End()
		}
		came, began := stream(t, c), time.Now()
		for range 3 {
			synctest.Wait()
			for range 24 { // were there a timer, it would end sleep at each of these
				if !c.idle.Load() {
					t.Fatal("the sender of an empty core is not idle")
				}
				c.idle.Store(false) // nobody sets it again while it sleeps
				time.Sleep(time.Hour)
				synctest.Wait()
				if c.idle.Swap(true) {
					t.Fatal("the sender woke although nothing came")
				}
			}
			send()
			want := time.Since(began) + c.opts.Age
			if got := <-came; got != want {
				t.Errorf("a span came after %v, want %v", got, want)
			}
		}
		c.Close()
		if _, ok := <-came; ok {
			t.Error("a closed and empty core gave a span")
		}
	})
}

// A sender that waits for the age of some spans is woken at once by the one that makes a batch due.
func TestCrossingALimitWakesTheSender(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"bytes": func(o *Options) { o.Bytes = 8 << 10 },
		"spans": func(o *Options) { o.Spans = 128 },
	} {
		for _, slow := range []time.Duration{0, time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				change(&o)
				o.Age = time.Hour
				c := New(o)
				came, began := stream(t, c), time.Now()
				var p Producer
				for seq := range uint32(129) { // the last one pushes the second chunk
					p.Begin(c, &Resource{})
					write(&p, 1, seq, 64)
					p.End()
					time.Sleep(slow)
					synctest.Wait()
				}
				if len(came) != 128 || time.Since(began) != 129*slow {
					t.Errorf("%s: %d spans came after %v, want 128 after %v", name, len(came), time.Since(began), 129*slow)
				}
				c.Close()
			})
		}
	}
}

// What a batch leaves behind, and a large span, which has no place among the others, go by their age as well.
func TestRestOfABatchAndLargeSpansGoByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Spans = 128
		c := New(o)
		var p Producer
		p.Begin(c, &Resource{})
		for seq := range uint32(192) {
			write(&p, 1, seq, 64)
		}
		p.Reserve(64) // gives up the third chunk
		p.End()
		want := func(spans int, after time.Duration) {
			began := time.Now()
			var b Batch
			if !c.Gather(t.Context(), &b) || b.Spans != spans || time.Since(began) != after {
				t.Errorf("gathered %d spans after %v, want %d after %v", b.Spans, time.Since(began), spans, after)
			}
			b.Release()
		}
		want(128, 0)
		want(64, o.Age)
		write(&p, 1, 0, 5<<10)
		p.End()
		want(1, o.Age)
		for seq := range uint32(64) {
			write(&p, 1, seq, 64)
		}
		p.Reserve(64) // a full chunk, and no open one
		p.End()
		want(64, o.Age)
	})
}

// A span that comes while the sender is about to sleep without a timer wakes it, however close the two are.
func TestNoWakeUpIsLost(t *testing.T) {
	o := options()
	o.Age = time.Nanosecond
	c := New(o)
	sent := make(chan int)
	go func() {
		defer close(sent)
		var b Batch
		for c.Gather(t.Context(), &b) {
			n := b.Spans
			b.Release()
			sent <- n // and back to sleep, while the next span is written
		}
	}()
	var p Producer
	r := &Resource{}
	lost := time.NewTimer(time.Minute)
	for i := range 60000 {
		for range i % 64 {
			c.closed.Load() // some nanoseconds, to meet the sender at each of its steps
		}
		p.Begin(c, r)
		write(&p, 1, 1, 64)
		p.End()
		select {
		case <-sent:
		case <-lost.C:
			t.Fatalf("span %d was not sent", i)
		}
	}
	c.Close()
	<-sent
}
