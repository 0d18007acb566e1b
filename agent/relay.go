package agent

import (
	"context"
	"log/slog"
	"sync"

	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/traces"
)

// relay sends requests with metrics and logs on to the upstream, each one whole. It has goroutines, a connection and memory of its
// own, so that spans never wait for it.
type relay struct {
	Others [ledger.NumSignals]ledger.Others

	otlp *export.OTLP // nil: they are dropped
	most int          // bytes of memory
	log  *slog.Logger
	told [ledger.NumSignals]sync.Once

	mu     sync.Mutex
	lines  [ledger.NumSignals]line
	closed bool
}

// line is what waits of one signal, and the memory of what waits and what is on its way.
type line struct {
	waiting []whole
	held    int
	more    *sync.Cond // something waits, or the relay is closed
}

// whole is one request.
type whole struct {
	body     []byte
	received int // bytes of it as it came
}

// held gives the memory that a request takes; those that are nearly empty take some, too.
func (w *whole) held() int { return cap(w.body) + wholeOverhead }

const wholeOverhead = 256

// newRelay makes one that drops, until it has an upstream.
func newRelay(most int, log *slog.Logger) *relay {
	r := &relay{most: most, log: log}
	for i := range r.lines {
		r.lines[i].more = sync.NewCond(&r.mu)
	}
	return r
}

func (r *relay) drops() bool { return r.otlp == nil }

// drop counts a request that is not wanted, which is no reason to fail: senders often have one address for all signals.
func (r *relay) drop(signal ledger.Signal, size int, from slog.Attr) {
	o := &r.Others[signal]
	o.Received.Add(size)
	o.Dropped[ledger.OtherUnwanted].Add(size)
	r.told[signal].Do(func() {
		name := signal.String()
		r.log.LogAttrs(context.Background(), slog.LevelWarn, "Received "+name+", which are dropped: only spans are sent on. Give the senders another address for "+name+
			", set OTEL_"+variable[signal]+"_EXPORTER=none, or receive.other_signals: forward. This is said once; metrics count on.", from)
	})
}

// variable is a signal's part of the names of environment variables.
var variable = [ledger.NumSignals]string{ledger.Metrics: "METRICS", ledger.Logs: "LOGS"}

// largest gives the most memory that one signal may take: a quarter is kept for the other one, so that an upstream which takes only
// one of the two still gets that.
func (r *relay) largest() int { return r.most - r.most/4 }

// hold sets memory aside, false when there is not as much.
func (r *relay) hold(signal ledger.Signal, bytes int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own, others := r.lines[signal].held+bytes, 0
	for i := range r.lines {
		if i != int(signal) {
			others += max(r.lines[i].held, r.most/4)
		}
	}
	if r.closed || own+others > r.most {
		return false
	}
	r.lines[signal].held = own
	return true
}

// release gives memory back.
func (r *relay) release(signal ledger.Signal, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[signal].held -= bytes
}

// refuse counts a request that is to be sent again.
func (r *relay) refuse(signal ledger.Signal) traces.Outcome {
	r.Others[signal].Refused.Add(1)
	return traces.Outcome{Full: true}
}

// put takes a request for which memory was set aside.
func (r *relay) put(signal ledger.Signal, w whole) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, l := &r.Others[signal], &r.lines[signal]
	o.Received.Add(w.received)
	o.Queued.Add(w.received)
	l.waiting = append(l.waiting, w)
	l.more.Signal()
}

// next gives the request that has waited for longest, false when the relay is closed and nothing waits.
func (r *relay) next(signal ledger.Signal) (w whole, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.lines[signal]
	for len(l.waiting) == 0 {
		if r.closed {
			return whole{}, false
		}
		l.more.Wait()
	}
	w, l.waiting[0] = l.waiting[0], whole{}
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
	o := &r.Others[signal]
	o.Queued.Remove(w.received)
	o.InFlight.Add(w.received)
	return w, true
}

// send sends what waits, of each signal so many requests at a time, until the relay is closed and empty. When ctx is over, what is
// left is counted as lost.
func (r *relay) send(ctx context.Context, senders int) {
	if r.drops() {
		return
	}
	var all sync.WaitGroup
	for signal := range ledger.NumSignals {
		for range senders {
			all.Go(func() {
				for w, ok := r.next(signal); ok; w, ok = r.next(signal) {
					r.sendOne(ctx, signal, &w)
				}
			})
		}
	}
	all.Wait()
}

func (r *relay) sendOne(ctx context.Context, signal ledger.Signal, w *whole) {
	o := &r.Others[signal]
	result := r.otlp.Forward(ctx, signal, w.body)
	o.InFlight.Remove(w.received)
	if result.Taken {
		o.Exported.Add(w.received)
		o.Partial.Add(result.Rejected)
	} else {
		o.Dropped[result.Reason].Add(w.received)
	}
	r.release(signal, w.held())
}

// close lets nothing in any more.
func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for i := range r.lines {
		r.lines[i].more.Broadcast()
	}
}
