package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/bench/mark"
)

// Halves says how the entries and the spans of requests come, with the protocol Both. Each stream is one Envoy, with an
// access-log stream and a connection for spans. Its spans come first, as they do under load: they leave by the five, and
// entries when 16 KiB or a second are full.
type Halves struct {
	Spans int // a request
	// Every n-th request has both halves. The others are two each: one of which only the entry is sent, one of which only
	// the span is. With 0 none has both, and nothing says that there might be another half: entries are of requests that
	// were not sampled, spans of something else than Envoy.
	Every int
	Lag   time.Duration // of entries behind their spans, at most; the streams differ
}

// Of one stream, the traces have up to three numbers of streams: those of requests with both halves, of entries without
// span, and of spans without entry. Where there are probes they have a number of their own.
const streamsEach = 3

// reasonAt is where an x-request-id says why its request is traced.
const reasonAt = 14

// numbers gives ids and times to the items of one message.
type numbers struct {
	run, stream uint32
	alone       uint32 // number of the stream for items that have no other half, or are no probes
	every       uint64 // every such item has one, or is one; 1: all, 0: none
	from        uint64 // number of the first item
	first, step int64  // when the items end
	reasons     string // characters that x-request-ids have in turn at reasonAt; empty: as they are
}

// once gives the numbers of items that end at the same time.
func once(id mark.ID, end int64) numbers {
	return numbers{run: id.Run, stream: id.Stream, every: 1, from: id.Seq, first: end}
}

func (n *numbers) id(i uint64) mark.ID {
	nth := n.nth(i)
	i += n.from
	switch {
	case n.every == 0:
		return mark.ID{Run: n.run, Stream: n.alone, Seq: i}
	case nth:
		return mark.ID{Run: n.run, Stream: n.stream, Seq: i / n.every}
	}
	return mark.ID{Run: n.run, Stream: n.alone, Seq: i - i/n.every - 1}
}

// nth tells whether an item is one of every so many.
func (n *numbers) nth(i uint64) bool { return n.every > 0 && (n.from+i)%n.every == 0 }

func (n *numbers) end(i uint64) int64 { return n.first + int64(n.from+i)*n.step }

func (n *numbers) reason(i uint64) byte {
	if n.reasons == "" {
		return 0
	}
	return n.reasons[(n.from+i)%uint64(len(n.reasons))]
}

// lag gives how long the entries of a stream come behind their spans, last what that is of the slowest.
func (h *Halves) lag(stream, streams int) time.Duration {
	return h.Lag * time.Duration(2*stream+1) / time.Duration(2*streams)
}

func (h *Halves) last(streams int) time.Duration { return h.lag(streams-1, streams) }

// pairs gives how many of the first n items have two halves.
func (h *Halves) pairs(n uint64) uint64 { return nths(n, h.Every) }

// nths gives how many of the first n items are one of every so many; 0: none.
func nths(n uint64, every int) uint64 {
	if every == 0 {
		return 0
	}
	return (n + uint64(every) - 1) / uint64(every)
}

// spanLane is how one stream sends spans.
type spanLane struct {
	composer composer
	out      sender
	sent     atomic.Uint64 // spans of this phase that were taken
}

func spanCorpus(o *Options) (*corpus, error) {
	if o.Protocol != Both {
		return nil, nil
	}
	return newCorpus(&Options{Protocol: OTLP, Foreign: o.Halves.Every == 0})
}

// What Envoy writes: a request that it samples gets a 9. An entry may have been logged with the id as it came.
const (
	spanReasons  = "9"
	entryReasons = "9994"
)

// runHalves sends both halves for a time. All end at times that are exact, and the same in both.
func (l *Load) runHalves(ctx context.Context, r *Report, began time.Time, d time.Duration) error {
	o, h := &l.opts, &l.opts.Halves
	r.Streams = make([]uint64, len(l.lanes)*streamsEach)
	step := time.Duration(float64(o.Streams) / o.Rate * float64(time.Second))
	items := uint64(d / step)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, lane := range l.lanes {
		all := numbers{run: r.Run, stream: uint32(i), every: uint64(h.Every), step: int64(step),
			first: began.Add(step * time.Duration(i) / time.Duration(o.Streams)).UnixNano()}
		entries, spans := all, all
		entries.alone, spans.alone = uint32(i+o.Streams), uint32(i+2*o.Streams)
		if h.Every > 0 {
			entries.reasons, spans.reasons = entryReasons, spanReasons
		}
		lane.spans.sent.Store(0)
		pairs := h.pairs(items)
		r.Streams[i], r.Streams[i+o.Streams], r.Streams[i+2*o.Streams] = pairs, items-pairs, items-pairs
		r.Pairs, r.Entries = r.Pairs+pairs, r.Entries+2*items
		lag := h.lag(i, o.Streams)
		run := func(send func(context.Context, *part) error, n int, numbers numbers, lag time.Duration) {
			wg.Go(func() {
				p := part{lag: lag, numbers: numbers, items: items, most: n}
				if err := send(ctx, &p); err != nil {
					stop(err)
				}
				mu.Lock()
				defer mu.Unlock()
				r.Messages, r.Bytes, r.Late = r.Messages+p.messages, r.Bytes+p.bytes, max(r.Late, p.late.Seconds())
			})
		}
		run(lane.sendSpans, h.Spans, spans, 0)
		run(lane.sendEntries, o.Entries, entries, lag)
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

// part is what one goroutine sends in a phase.
type part struct {
	numbers
	lag      time.Duration
	items    uint64
	most     int // items a message
	messages uint64
	bytes    uint64
	late     time.Duration
}

// next waits until the next message is due and gives how many items it has, 0 when there is none.
func (p *part) next(ctx context.Context) int {
	n := min(uint64(p.most), p.items-p.from)
	if n == 0 || ctx.Err() != nil {
		return 0
	}
	due := time.Unix(0, p.end(n-1)).Add(p.lag)
	if wait := time.Until(due); wait > 0 {
		time.Sleep(wait)
	} else {
		p.late = max(p.late, -wait)
	}
	return int(n)
}

func (p *part) sent(n, size int) {
	p.from, p.messages, p.bytes = p.from+uint64(n), p.messages+1, p.bytes+uint64(size)
}

func (l *lane) sendSpans(ctx context.Context, p *part) error {
	for n := p.next(ctx); n > 0; n = p.next(ctx) {
		m := l.spans.composer.otlp(&l.load.pool, n, &p.numbers)
		size := len(*m)
		if err := l.spans.out.send(ctx, m); err != nil {
			return fmt.Errorf("cannot send span %d of stream %d: %w", p.from, l.number, err)
		}
		p.sent(n, size)
		l.spans.sent.Store(p.from)
	}
	return nil
}

func (l *lane) sendEntries(ctx context.Context, p *part) error {
	for n := p.next(ctx); n > 0; n = p.next(ctx) {
		for l.spans.sent.Load() < p.from+uint64(n) && ctx.Err() == nil {
			time.Sleep(lookEvery) // a span comes first, also where the load has fallen behind
		}
		m := l.composer.als(&l.load.pool, l.prefix, n, &p.numbers)
		l.prefix = nil
		size := len(*m)
		if err := l.out.send(ctx, m); err != nil {
			return fmt.Errorf("cannot send entry %d of stream %d: %w", p.from, l.number, err)
		}
		p.sent(n, size)
	}
	return nil
}
