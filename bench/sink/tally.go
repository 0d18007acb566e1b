package sink

import (
	"fmt"
	"math/bits"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/alspan/alspan/bench/mark"
)

// seen is one span that was received: whose it is and when its request ended.
type seen struct {
	id  mark.ID
	end int64 // Unix ns
}

// Tally knows for every stream of every run which items came. All methods may be called from any goroutine.
type Tally struct {
	mu      sync.Mutex
	runs    map[uint32]*run
	foreign uint64
}

type run struct {
	streams map[uint32]*stream
	count   uint64 // all that came, doubled ones included
	twice   uint64
	again   []mark.ID // the first few of them
	latency *hdr.Histogram
}

// stream is a bitmap of the items that came.
type stream struct {
	bits []uint64
}

// few is how many lost and doubled items are named.
const few = 5

// Latencies are recorded in microseconds, up to a minute, with three digits.
const longest = int64(time.Minute / time.Microsecond)

// NewTally gives an empty tally.
func NewTally() *Tally { return &Tally{runs: map[uint32]*run{}} }

// note counts what one request brought.
func (t *Tally) note(list []seen, foreign int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.foreign += uint64(foreign)
	for i := range list {
		s := &list[i]
		r := t.runs[s.id.Run]
		if r == nil {
			r = &run{streams: map[uint32]*stream{}, latency: hdr.New(1, longest, 3)}
			t.runs[s.id.Run] = r
		}
		st := r.streams[s.id.Stream]
		if st == nil {
			st = &stream{}
			r.streams[s.id.Stream] = st
		}
		r.count++
		if !st.set(s.id.Seq) {
			r.twice++
			if len(r.again) < few {
				r.again = append(r.again, s.id)
			}
			continue
		}
		// An item from the future (clocks of two processes on one machine agree, so it is none of ours) counts as the least.
		us := min(max((now.UnixNano()-s.end)/1000, 1), longest)
		_ = r.latency.RecordValue(us) // it is in the range
	}
}

// maxSeq bounds the bitmap: an id that is not of the load's making cannot take all memory.
const maxSeq = 1 << 32

// set tells whether the item is new.
func (s *stream) set(seq uint64) bool {
	if seq >= maxSeq {
		return false
	}
	word, bit := seq/64, uint64(1)<<(seq%64)
	if need := int(word) + 1; need > len(s.bits) {
		s.bits = append(s.bits, make([]uint64, need-len(s.bits)+need/2)...)
	}
	fresh := s.bits[word]&bit == 0
	s.bits[word] |= bit
	return fresh
}

func (s *stream) has(seq uint64) bool {
	return seq/64 < uint64(len(s.bits)) && s.bits[seq/64]&(1<<(seq%64)) != 0
}

// Count gives how many spans of a run came, doubled ones included.
func (t *Tally) Count(number uint32) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.runs[number]; r != nil {
		return r.count
	}
	return 0
}

// Different gives how many different ones of them came.
func (t *Tally) Different(number uint32) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.runs[number]; r != nil {
		return r.count - r.twice
	}
	return 0
}

// Verdict is what became of a run.
type Verdict struct {
	Spans      uint64   `json:"spans"` // different ones
	Lost       uint64   `json:"lost"`
	Doubled    uint64   `json:"doubled"`
	Unsent     uint64   `json:"unsent"`  // bear numbers that were never sent
	Foreign    uint64   `json:"foreign"` // bear no number at all, in any run
	FirstLost  []string `json:"first_lost,omitempty"`
	FirstTwice []string `json:"first_doubled,omitempty"`
	Latency    Latency  `json:"latency"`
}

// Latency is the time from an item's end to its receipt, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99.9_ms"`
	Max  float64 `json:"max_ms"`
}

// Judge compares what came with what was sent: the number of items of each stream.
func (t *Tally) Judge(number uint32, sent []uint64) *Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &Verdict{Foreign: t.foreign}
	r := t.runs[number]
	if r == nil {
		r = &run{latency: hdr.New(1, longest, 3)}
	}
	v.Doubled = r.twice
	for _, id := range r.again {
		v.FirstTwice = append(v.FirstTwice, name(id))
	}
	all := uint64(0)
	for _, s := range r.streams {
		for _, w := range s.bits {
			all += uint64(bits.OnesCount64(w))
		}
	}
	for n, count := range sent {
		s := r.streams[uint32(n)]
		if s == nil {
			s = &stream{}
		}
		for seq := range count {
			switch {
			case s.has(seq):
				v.Spans++
			default:
				v.Lost++
				if len(v.FirstLost) < few {
					v.FirstLost = append(v.FirstLost, name(mark.ID{Run: number, Stream: uint32(n), Seq: seq}))
				}
			}
		}
	}
	v.Unsent = all - v.Spans
	ms := func(us int64) float64 { return float64(us) / 1000 }
	v.Latency = Latency{ms(r.latency.ValueAtQuantile(50)), ms(r.latency.ValueAtQuantile(99)), ms(r.latency.ValueAtQuantile(99.9)), ms(r.latency.Max())}
	return v
}

func name(id mark.ID) string {
	return fmt.Sprintf("run %d stream %d item %d (trace %x)", id.Run, id.Stream, id.Seq, id.Trace())
}
