package ring

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func options() Options {
	return Options{Memory: 64 << 10, Chunk: 4 << 10, Bytes: 16 << 10, Spans: 1 << 20, Age: 5 * time.Millisecond}
}

// write commits one span: the producer's number, a sequence number, and padding.
func write(p *Producer, who, seq uint32, size int) bool {
	b, ok := p.Reserve(size)
	if !ok {
		return false
	}
	b = binary.LittleEndian.AppendUint32(b, who)
	b = binary.LittleEndian.AppendUint32(b, seq)
	b = b[:size]
	return p.Commit(b)
}

// drain reads the spans of a batch and gives it back.
func drain(b *Batch, size int, f func(who, seq uint32)) {
	for _, k := range b.Chunks {
		for _, r := range k.Runs() {
			for s := k.Bytes()[r.Start:r.End]; len(s) > 0; s = s[size:] {
				f(binary.LittleEndian.Uint32(s), binary.LittleEndian.Uint32(s[4:]))
			}
		}
	}
	b.Release()
}

// Every span is delivered exactly once or refused, whatever the number of producers, while chunks that are released
// are poisoned at once.
func TestExactSums(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 8} {
		for _, producers := range []int{1, 3, 16} {
			runtime.GOMAXPROCS(procs)
			const each, size = 3000, 64
			o := options()
			o.Age = time.Millisecond
			o.OnFree = func(b []byte) {
				for i := range b {
					b[i] = 0xdb
				}
			}
			c := New(o)
			res := []*Resource{{}, {}}
			refused := make([]int, producers)
			var wg, senders sync.WaitGroup
			for who := range producers {
				wg.Go(func() {
					var p Producer
					for seq := range uint32(each) {
						p.Begin(c, res[seq%2])
						if !write(&p, uint32(who), seq, size) {
							refused[who]++
						}
						if seq%50 == 0 {
							p.End()
						}
					}
					p.End()
				})
			}
			var mu sync.Mutex
			got := make([]map[uint32]bool, producers)
			for i := range got {
				got[i] = map[uint32]bool{}
			}
			for range 2 {
				senders.Go(func() {
					var b Batch
					for c.Gather(t.Context(), &b) {
						mu.Lock()
						drain(&b, size, func(who, seq uint32) {
							if int(who) >= producers || seq >= each || got[who][seq] {
								t.Errorf("span %d of producer %d is wrong or twice", seq, who)
								return
							}
							got[who][seq] = true
						})
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			c.Close()
			senders.Wait()
			for who := range producers {
				if len(got[who])+refused[who] != each {
					t.Errorf("procs %d, producer %d of %d: %d delivered + %d refused, want %d", procs, who, producers, len(got[who]), refused[who], each)
				}
			}
			if c.Open() != 0 || c.Queued() != 0 || c.InFlight() != 0 || c.Held() != 0 {
				t.Errorf("left: open %d queued %d in flight %d, chunks %d", c.Open(), c.Queued(), c.InFlight(), c.Held())
			}
		}
	}
}

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

func TestFullCoreRefusesAndRecovers(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	fillUp := func() (n int) {
		for write(&p, 1, uint32(n), 64) {
			n++
		}
		p.End()
		return n
	}
	const all = 64 << 10 / 64
	if n := fillUp(); n != all {
		t.Errorf("accepted %d spans before the core was full, want %d", n, all)
	}
	c.Close()
	var b Batch
	for c.Gather(t.Context(), &b) {
		b.Release()
	}
	if n := fillUp(); n != all {
		t.Errorf("accepted %d spans after it was emptied, want %d", n, all)
	}
}

// A transport that lost its connection may hold a chunk for ever: its bytes are not used again, and its place in the arena is
// given new memory, up to a quarter of the arena.
func TestHeldBytesAreNeverUsedAgain(t *testing.T) {
	o := options()
	var freed atomic.Int64
	o.OnFree = func([]byte) { freed.Add(1) }
	c := New(o)
	var p Producer
	p.Begin(c, &Resource{})
	send := func(seq uint32) *Chunk {
		if !write(&p, 1, seq, 64) {
			t.Fatalf("the core is full after %d chunks", seq)
		}
		p.End()
		var b Batch
		if !c.Gather(t.Context(), &b) {
			t.Fatal("nothing to send")
		}
		k := b.Chunks[0]
		k.Retain()
		b.Release()
		return k
	}
	const replaced, kept = 4, 6 // of the 16 chunks, a quarter
	var held []*Chunk
	for round := range uint32(replaced + kept) {
		held = append(held, send(round))
		if want := max(int64(round)+1-replaced, 0); c.Held() != want {
			t.Errorf("%d chunks are left to the transport, %d of the arena are in use, want %d", round+1, c.Held(), want)
		}
	}
	if want := int64(replaced+kept) * 4 << 10; c.Left() != want {
		t.Errorf("%d bytes are left, want %d", c.Left(), want)
	}
	for round, k := range held[1:] {
		if got := binary.LittleEndian.Uint32(k.Bytes()[4:]); got != uint32(round)+1 {
			t.Errorf("the bytes of round %d are those of round %d", round+1, got)
		}
		k.Release()
	}
	if want := int64(4 << 10); c.Left() != want || c.Held() != 0 || freed.Load() != replaced+kept-1 {
		t.Errorf("after the release %d bytes are left, want %d; %d chunks in use; %d freed", c.Left(), want, c.Held(), freed.Load())
	}
}

// The garbage collector gives back the places of chunks that nobody can release any more.
func TestForgottenChunksComeBack(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	for seq := range uint32(16) {
		write(&p, 1, seq, 64)
		p.End()
		var b Batch
		if !c.Gather(t.Context(), &b) {
			t.Fatal("nothing to send")
		}
		b.Chunks[0].Retain()
		b.Release()
	}
	if c.Held() != 12 {
		t.Errorf("%d chunks of the arena are in use, want 12", c.Held())
	}
	for end := time.Now().Add(10 * time.Second); c.Left() > 0 || c.Held() > 0; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are left, %d chunks in use", c.Left(), c.Held())
		}
	}
	for i := range uint32(16 * 64) {
		if !write(&p, 1, i, 64) {
			t.Fatalf("the core is full after %d spans", i)
		}
	}
	p.End()
}

func TestLargeSpanHasAChunkOfItsOwn(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	write(&p, 1, 0, 64)
	if !write(&p, 1, 1, 10<<10) {
		t.Fatal("a span larger than a chunk was refused")
	}
	if write(&p, 1, 2, 10<<10) {
		t.Error("large spans took more than a quarter of the memory")
	}
	p.End()
	c.Close()
	var b Batch
	spans := 0
	for c.Gather(t.Context(), &b) {
		spans += b.Spans
		b.Release()
	}
	if spans != 2 || c.Held() != 0 {
		t.Errorf("%d spans, %d chunks held, want 2 and 0", spans, c.Held())
	}
}

func TestCommitRefusesWhatOutgrewItsReservation(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	b, _ := p.Reserve(8)
	if p.Commit(append(b, make([]byte, cap(b)+1)...)) {
		t.Error("a span longer than its room was committed")
	}
	b, _ = p.Reserve(8)
	if !p.Commit(append(b, 1, 2, 3)) {
		t.Error("a span that fits was refused")
	}
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
