// Package load takes a description of traffic (protocol, connections, rate, size of messages) and gives it to a server:
// entries or spans that were encoded beforehand, each patched with ids and times of its own. It is meant to cost much
// less than what it measures.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/bench/mark"
)

// Protocol is what is spoken.
type Protocol string

// The protocols.
const (
	ALS  Protocol = "als"  // Envoy's access log service over gRPC, one stream a connection
	OTLP Protocol = "otlp" // OTLP traces over gRPC, one request at a time a connection
	Raw  Protocol = "raw"  // the ALS messages over plain TCP, each behind its length in four bytes
	Both Protocol = "both" // ALS and OTLP beside each other: the two halves of requests
)

// Options describe the traffic.
type Options struct {
	To       string // host:port
	Protocol Protocol
	Streams  int     // connections, as many as an Envoy has workers
	Rate     float64 // items a second, of all streams together; 0: as fast as they are taken
	Entries  int     // items a message
	Headers  Headers
	Foreign  bool   // OTLP: the spans are of something else than Envoy, but as large
	Probes   int    // OTLP: every such span is a probe, which the server has to drop; 0: none
	Halves   Halves // Both
	// With a Window, at most so many items are on their way at a time; the sink at Control says how many have come.
	Window  int
	Control string
}

// Report is what one phase sent.
type Report struct {
	Run      uint32   `json:"run"`
	Entries  uint64   `json:"entries"` // of Both: entries and spans
	Pairs    uint64   `json:"pairs"`   // of Both: requests of which both halves were sent
	Probes   uint64   `json:"probes"`  // among the entries
	Messages uint64   `json:"messages"`
	Bytes    uint64   `json:"bytes"`
	Seconds  float64  `json:"seconds"`
	CPU      float64  `json:"cpu_seconds"` // of the load's process
	Streams  []uint64 `json:"streams"`     // traces of each that are to come out: items but probes, and of a pair both halves have one
	Late     float64  `json:"late_seconds"`
}

// Traces gives how many different ones were sent that are to come out.
func (r *Report) Traces() (n uint64) {
	for _, s := range r.Streams {
		n += s
	}
	return n
}

// Load is a set of open connections. Not for several goroutines at once.
type Load struct {
	opts  Options
	pool  buffers.Pool
	lanes []*lane
	gate  *gate // of the running phase
}

// lane is one connection with its own goroutine.
type lane struct {
	number   int
	load     *Load
	composer composer
	out      sender
	prefix   []byte    // of the first message
	spans    *spanLane // of Both
}

// A sender puts one message on a connection; the buffer is the sender's from then on.
type sender interface {
	send(ctx context.Context, message *[]byte) error
	close() error
}

// Open makes the templates and the connections.
func Open(ctx context.Context, o Options) (*Load, error) {
	if o.Streams < 1 || o.Streams*streamsEach >= 1<<16 || o.Entries < 1 || o.Rate < 0 || o.Probes < 0 || o.Probes > 0 && o.Protocol != OTLP || o.Protocol == Both && (o.Rate == 0 || o.Halves.Spans < 1) {
		return nil, fmt.Errorf("cannot load %s with %d streams of %d entries at %v a second, 1 in %d a probe", o.Protocol, o.Streams, o.Entries, o.Rate, o.Probes)
	}
	c, err := newCorpus(&o)
	if err != nil {
		return nil, err
	}
	l := &Load{opts: o}
	spans, err := spanCorpus(&o)
	if err != nil {
		return nil, err
	}
	for n := range o.Streams {
		lane := &lane{number: n, load: l, composer: composer{corpus: c, next: n * 7 % shapes}}
		if c.prefixes != nil {
			lane.prefix = c.prefixes[n]
		}
		if lane.out, err = dial(ctx, &o, &l.pool); err != nil {
			l.Close()
			return nil, fmt.Errorf("cannot open stream %d: %w", n, err)
		}
		l.lanes = append(l.lanes, lane)
		if o.Protocol != Both {
			continue
		}
		lane.spans = &spanLane{composer: composer{corpus: spans, next: lane.composer.next, node: n}}
		if lane.spans.out, err = dial(ctx, &Options{To: o.To, Protocol: OTLP}, &l.pool); err != nil {
			l.Close()
			return nil, fmt.Errorf("cannot open connection %d: %w", n, err)
		}
	}
	return l, nil
}

// Run sends for a time. The first item of each stream has number 0.
func (l *Load) Run(ctx context.Context, run uint32, d time.Duration) (*Report, error) {
	r := &Report{Run: run, Streams: make([]uint64, len(l.lanes))}
	errs := make([]error, len(l.lanes))
	late := make([]time.Duration, len(l.lanes))
	items, bytes := make([]uint64, len(l.lanes)), make([]uint64, len(l.lanes))
	watching, done := context.WithCancel(ctx)
	defer done()
	l.gate = &gate{limit: int64(l.opts.Window), url: l.opts.Control}
	if l.gate.limit > 0 {
		go l.gate.watch(watching, run)
	}
	cpu := cpuTime()
	began := time.Now()
	if l.opts.Protocol == Both {
		err := l.runHalves(ctx, r, began, d)
		r.Seconds, r.CPU = (time.Since(began) - l.opts.Halves.last(len(l.lanes))).Seconds(), cpuTime()-cpu
		return r, err
	}
	var wg sync.WaitGroup
	for i, lane := range l.lanes {
		wg.Go(func() { items[i], bytes[i], late[i], errs[i] = lane.run(ctx, run, began, d) })
	}
	wg.Wait()
	r.Seconds, r.CPU = time.Since(began).Seconds(), cpuTime()-cpu
	for i, n := range items {
		probes := nths(n, l.opts.Probes)
		r.Streams[i] = n - probes
		r.Probes += probes
		r.Entries += n
		r.Messages += n / uint64(l.opts.Entries)
		r.Bytes += bytes[i]
		r.Late = max(r.Late, late[i].Seconds())
	}
	return r, errors.Join(errs...)
}

// run sends one lane's share. A paced message is stamped with the time at which it was due, so that a server that
// makes the load wait cannot hide it.
func (l *lane) run(ctx context.Context, run uint32, began time.Time, d time.Duration) (items, size uint64, late time.Duration, err error) {
	o := &l.load.opts
	interval := time.Duration(0)
	if o.Rate > 0 {
		interval = time.Duration(float64(o.Entries*o.Streams) / o.Rate * float64(time.Second))
	}
	due := began.Add(interval * time.Duration(l.number) / time.Duration(o.Streams)) // the streams take turns
	for ; ; due = due.Add(interval) {
		next := items + uint64(o.Entries)
		probes := nths(next, o.Probes) - nths(items, o.Probes)
		l.load.gate.pass(o.Entries-int(probes), began.Add(d))
		now := time.Now()
		if interval == 0 {
			due = now
		}
		if !due.Before(began.Add(d)) || ctx.Err() != nil {
			return items, size, late, ctx.Err()
		}
		if wait := due.Sub(now); wait > 0 {
			time.Sleep(wait)
		} else {
			late = max(late, -wait)
		}
		numbers := once(mark.ID{Run: run, Stream: uint32(l.number), Seq: items}, due.UnixNano())
		if o.Probes > 0 {
			numbers.stream, numbers.alone, numbers.every = uint32(l.number+o.Streams), uint32(l.number), uint64(o.Probes)
		}
		var message *[]byte
		if o.Protocol == OTLP {
			message = l.composer.otlp(&l.load.pool, o.Entries, &numbers)
		} else {
			message = l.composer.als(&l.load.pool, l.prefix, o.Entries, &numbers)
			l.prefix = nil
		}
		n := len(*message)
		if err := l.out.send(ctx, message); err != nil {
			return items, size, late, fmt.Errorf("cannot send message %d of stream %d: %w", items/uint64(o.Entries), l.number, err)
		}
		items, size = next, size+uint64(n)
	}
}

// Close ends the streams and waits until the server has ended them, too.
func (l *Load) Close() error {
	var errs []error
	for _, lane := range l.lanes {
		errs = append(errs, lane.out.close())
		if lane.spans != nil && lane.spans.out != nil {
			errs = append(errs, lane.spans.out.close())
		}
	}
	return errors.Join(errs...)
}

// cpuTime gives the seconds that this process has used.
func cpuTime() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return float64(t.Nano()) / 1e9
}
