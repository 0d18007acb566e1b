package ring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

const poison = 0xdb

func poisoned(b []byte) {
	for i := range b {
		b[i] = poison
	}
}

// writeChecked commits a span of size bytes whose every byte follows from who wrote it and which it is.
func writeChecked(p *Producer, who, seq uint32, size int) bool {
	b, ok := p.Reserve(size)
	if !ok {
		return false
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, who)
	b = binary.LittleEndian.AppendUint32(b, seq)
	for len(b) < size {
		b = append(b, byte(who+seq))
	}
	return p.Commit(b)
}

// readChecked gives the spans of a chunk, and false when a byte of it is not what was written.
func readChecked(k *Chunk, f func(r *Resource, who, seq uint32)) bool {
	end := 0
	for _, r := range k.Runs() {
		if r.Start != end || r.End > len(k.Bytes()) {
			return false
		}
		end = r.End
		spans := 0
		for s := k.Bytes()[r.Start:r.End]; len(s) > 0; spans++ {
			if len(s) < 12 || int(binary.LittleEndian.Uint32(s)) > len(s) {
				return false
			}
			size, who, seq := binary.LittleEndian.Uint32(s), binary.LittleEndian.Uint32(s[4:]), binary.LittleEndian.Uint32(s[8:])
			if bytes.Count(s[12:size], []byte{byte(who + seq)}) != int(size)-12 {
				return false
			}
			f(r.Resource, who, seq)
			s = s[size:]
		}
		if spans != r.Spans {
			return false
		}
	}
	return end == len(k.Bytes())
}

// traffic is what producers write, and the account of it.
type traffic struct {
	core      *Core
	producers int
	each      int // spans of one producer
	size      func(*rand.Rand) int
	resources []*Resource
	refused   []int // by producer
	messages  func(p *Producer, who int)

	mu  sync.Mutex
	got [][]bool
	bad error
}

func newTraffic(o Options, producers, each int, size func(*rand.Rand) int) *traffic {
	o.OnFree = poisoned
	t := &traffic{core: New(o), producers: producers, each: each, size: size, resources: []*Resource{{}, {}}, refused: make([]int, producers)}
	t.messages = t.produce
	for range producers {
		t.got = append(t.got, make([]bool, each))
	}
	return t
}

// produce writes the spans of one producer, in messages of 1 to 100.
func (t *traffic) produce(p *Producer, who int) {
	random := rand.New(rand.NewPCG(1, uint64(who)))
	left := 0
	for seq := range t.each {
		if left == 0 {
			p.End()
			left = 1 + random.IntN(100)
		}
		left--
		p.Begin(t.core, t.resources[seq%7/4])
		if !writeChecked(p, uint32(who), uint32(seq), t.size(random)) {
			t.refused[who]++
		}
	}
	p.End()
}

// take enters the spans of a chunk in the account.
func (t *traffic) take(k *Chunk) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := map[uint32]uint32{}
	whole := readChecked(k, func(r *Resource, who, seq uint32) {
		before, seen := last[who]
		last[who] = seq
		switch {
		case int(who) >= t.producers || int(seq) >= t.each || t.got[who][seq]:
			t.bad = fmt.Errorf("span %d of producer %d is wrong or there twice", seq, who)
		case seen && before >= seq:
			t.bad = fmt.Errorf("span %d of producer %d comes after span %d in a chunk", seq, who, before)
		case r != t.resources[seq%7/4]:
			t.bad = fmt.Errorf("span %d of producer %d has the other resource", seq, who)
		default:
			t.got[who][seq] = true
		}
	})
	if !whole {
		t.bad = errors.New("a chunk has bytes that nobody wrote")
	}
}

// send gathers until the core is closed. A transport keeps some chunks for longer than their batches.
func (t *traffic) send(transport chan<- *Chunk) {
	var b Batch
	for n := 0; t.core.Gather(context.Background(), &b); n++ {
		for i, k := range b.Chunks {
			t.take(k)
			if transport != nil && (n+i)%3 == 0 {
				k.Retain()
				transport <- k
			}
		}
		b.Release()
	}
}

// transport reads chunks again after their batches have ended, and only then lets them go.
func (t *traffic) transport(chunks <-chan *Chunk) {
	for k := range chunks {
		runtime.Gosched()
		if !readChecked(k, func(*Resource, uint32, uint32) {}) {
			t.mu.Lock()
			t.bad = errors.New("bytes changed while a transport held them")
			t.mu.Unlock()
		}
		k.Release()
	}
}

// run has everybody work at once, until all is delivered.
func (t *traffic) run(senders int) {
	var producing, sending, holding sync.WaitGroup
	chunks := make(chan *Chunk, 4)
	holding.Go(func() { t.transport(chunks) })
	for range senders {
		sending.Go(func() { t.send(chunks) })
	}
	for who := range t.producers {
		producing.Go(func() { t.messages(new(Producer), who) })
	}
	producing.Wait()
	t.core.Close()
	sending.Wait()
	close(chunks)
	holding.Wait()
}

// check compares the sums after everything has ended.
func (t *traffic) check(tb testing.TB) {
	tb.Helper()
	if t.bad != nil {
		tb.Error(t.bad)
	}
	for who := range t.producers {
		delivered := 0
		for _, ok := range t.got[who] {
			if ok {
				delivered++
			}
		}
		if delivered+t.refused[who] != t.each {
			tb.Errorf("producer %d: %d delivered + %d refused, want %d", who, delivered, t.refused[who], t.each)
		}
	}
	c := t.core
	if c.Open() != 0 || c.Queued() != 0 || c.InFlight() != 0 || c.Held() != 0 || c.Left() != 0 || c.bytes.Load() != 0 || c.spans.Load() != 0 {
		tb.Errorf("left: open %d, queued %d, in flight %d, chunks %d, left %d, counters %d and %d", c.Open(), c.Queued(),
			c.InFlight(), c.Held(), c.Left(), c.bytes.Load(), c.spans.Load())
	}
	if want := c.opts.Memory / largeShare; c.spare.Load() != want {
		tb.Errorf("large spans may take %d bytes, want %d", c.spare.Load(), want)
	}
}

// everyLoad runs f with different numbers of producers and of threads.
func everyLoad(t *testing.T, f func(t *testing.T, producers int)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4, 8} {
		runtime.GOMAXPROCS(procs) // New makes two slots for each
		for _, producers := range []int{1, 2, 3, 4, 16, 64} {
			t.Run(fmt.Sprintf("procs=%d/producers=%d", procs, producers), func(t *testing.T) { f(t, producers) })
		}
	}
}

// Every span is delivered exactly once or refused, in order within its chunk, with several senders, flushes by age all the
// time, transports that let go late, and chunks that are poisoned as soon as they are free.
func TestExactSums(t *testing.T) {
	everyLoad(t, func(t *testing.T, producers int) {
		o := options()
		o.Age = 100 * time.Microsecond
		traffic := newTraffic(o, producers, 60000/producers, func(r *rand.Rand) int { return 12 + r.IntN(100) })
		traffic.run(3)
		traffic.check(t)
	})
}

// With Options.Wait nothing is refused, although two chunks are few.
func TestExactSumsWithWaiting(t *testing.T) {
	everyLoad(t, func(t *testing.T, producers int) {
		o := options()
		o.Memory, o.Bytes, o.Age, o.Wait = 8<<10, 4<<10, 100*time.Microsecond, true
		traffic := newTraffic(o, producers, 24000/producers, func(r *rand.Rand) int { return 12 + r.IntN(100) })
		traffic.run(2)
		traffic.check(t)
		for who, n := range traffic.refused {
			if n > 0 {
				t.Errorf("%d spans of producer %d were refused", n, who)
			}
		}
	})
}

// Large spans of many producers go the same way, each in a chunk of its own, beside small ones.
func TestExactSumsOfLargeSpans(t *testing.T) {
	everyLoad(t, func(t *testing.T, producers int) {
		o := options()
		o.Memory, o.Age = 256<<10, 100*time.Microsecond
		traffic := newTraffic(o, producers, 6000/producers, func(r *rand.Rand) int {
			if r.IntN(4) == 0 {
				return 5<<10 + r.IntN(8<<10)
			}
			return 12 + r.IntN(100)
		})
		traffic.run(3)
		traffic.check(t)
	})
}

// Nearly nothing but hand-overs: a chunk holds two spans, a message has one, every chunk is due at once, the age has always
// passed, and there are two slots.
func TestExactSumsOfHandovers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for name, size := range map[string]int{"small": 24, "large": 56} {
		t.Run(name, func(t *testing.T) {
			runtime.GOMAXPROCS(1) // for the number of slots
			o := Options{Memory: 48 * 48, Chunk: 48, Bytes: 1, Spans: 1, Age: time.Nanosecond, OnFree: poisoned}
			const producers, each = 4, 20000
			traffic := newTraffic(o, producers, each, nil)
			runtime.GOMAXPROCS(4)
			traffic.messages = func(p *Producer, who int) {
				for seq := range uint32(each) {
					p.Begin(traffic.core, traffic.resources[seq%7/4])
					for !writeChecked(p, uint32(who), seq, size) {
						runtime.Gosched()
					}
					p.End()
				}
			}
			traffic.run(2)
			traffic.check(t)
		})
	}
}
