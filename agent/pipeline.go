package agent

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/red"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/slab"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
	"github.com/alspan/alspan/traces"
)

// Pipeline is the path of one item; this page tells it.
//
//	log files --> fileInlet, OTLP logs --> recordInlet --encoded entries--------+
//	                                                                           v
//	Envoy --ALS stream--> accesslog.Server --Entry (borrowed view)--> source.accept --+--> chunk of the batching core
//	                                                                                  |         ^           |
//	                                         may have a partner: one copy, one parcel a message |           |
//	                                                                                  v         |           |
//	                                                               inbox ----> joiner (one span of both)    |
//	                                                                                  ^         ^           |
//	                                                                                  |         |           |
//	Envoy --OTLP, Zipkin--> traces.Server ----Span (borrowed view)--> inlet.accept ---+--> chunk            |
//	                                                                                                        |
//	upstream <--OTLP-- export <------------------------------------ deliver <-------------------------------+
//
// Three kinds of goroutine: each stream and each request has one, which walks a message and writes its spans in place
// (accept); one joins what has to wait (join); each sender has one, which gathers what is due and sends it (deliver). There
// are two hand-overs, both without locks: a parcel for each message into the join, and the batching core's.
//
// Metrics and logs that senders have beside their spans go on whole, on a path of their own (other).
//
// Every span that is written goes through the rules last: filters, then changes of its attributes (write). Then it is logged (entryLogs).
//
// A message of entries is taken by the handful, and each step is done for the whole handful before the next one begins: the
// code of one step fits into the processor's caches, that of all does not.
type Pipeline struct {
	settings atomic.Pointer[settings]
	loggers  *spanbuilder.Loggers
	nodes    *spanbuilder.Nodes
	origins  *spanbuilder.Origins
	core     *ring.Core
	exporter exporter
	logged   entryLogs
	relay    *relay // of metrics and logs
	// Who takes log records, which may be an access log.
	recordInlets sync.Pool
	waits        bool // when the core is full: streams wait, nothing is shed

	// The way into the join, and what all goroutines know of what was seen and what has left.
	inbox     *inbox
	cells     *slab.Slab
	requests  *spanbuilder.Requests
	prints    *spanbuilder.Prints
	ids       *spanbuilder.IDs
	verdicts  *spanbuilder.Verdicts
	attempts  atomic.Bool  // somebody logs attempts
	sharing   atomic.Bool  // somebody shares span ids
	red       *red.Metrics // of requests; nil: nothing is counted
	hints     atomic.Bool  // an Envoy's span has said more about sampling than its trace id
	byRequest atomic.Bool  // so has half of a request, and the other half does not
	began     time.Time

	// The ledgers, and what was seen on the way.
	Entries    ledger.Entries
	Spans      ledger.Spans
	rows       []atomic.Int64 // requests by the evidence for their place in a trace
	contexts   [propagation.NumFormats][propagation.NumReasons]atomic.Int64
	entryFates [spanbuilder.NumFates]atomic.Int64
	spanFates  [spanbuilder.NumFates]atomic.Int64
	sentBy     [spanbuilder.NumBys]atomic.Int64 // entries and spans, by how their sender's pod was found
	noRoom     atomic.Int64                     // items that could not wait, because the join's memory was full
	oldest     atomic.Int64                     // when the item came that has waited for longest, by the join's clock; 0 if none waits
	Paced      atomic.Int64                     // messages that waited because the core filled up
	moved      atomic.Int64                     // when the upstream last took a batch, or was given one after a rest, in Unix nanoseconds
	repaired   atomic.Int64
	cut        atomic.Int64
}

// source is one stream: what it logs for, and the storage that is reused from entry to entry.
type source struct {
	writer
	hand
	form     spanbuilder.Form
	sender   spanbuilder.Sender
	logger   *spanbuilder.Logger
	identity *spanbuilder.Identity
	items    [handful]item
	waiting  spanbuilder.Item // the entry that is being taken, for the join
	touched  uint64           // keeps the compiler from leaving out what prepare reads
	percent  int              // how much of the core's memory is in use
}

// item is one entry on its way.
type item struct {
	entry wire.Entry
	use   spanbuilder.Use
	why   ledger.EntryDrop // for Drop
	keys  spanbuilder.Keys
	claim spanbuilder.Claim
	made  bool // it makes a span at once
}

const handful = 4

// stream begins the path of everything that one ALS stream brings.
func (p *Pipeline) stream(from netip.Addr) accesslog.Consumer {
	return p.source(from, spanbuilder.FromALS).accept
}

// accept takes one message: every entry in it becomes spans, goes to the join, teaches something, or is dropped by name.
// What it writes can be sent as soon as it returns, and nothing of the message is kept.
func (s *source) accept(m *accesslog.Message) {
	s.heard(m)
	s.p.pace()
	s.now = s.p.clock()
	s.renew()
	defer s.end()
	for round, more := 0, true; more; round++ {
		if round%8 == 0 {
			s.percent = s.p.core.Percent()
		}
		var n int
		n, more = s.walk(m)
		for i := range n {
			s.prepare(&s.items[i])
		}
		for i := range n {
			s.take(&s.items[i])
		}
		for i := range n {
			s.finish(&s.items[i])
		}
	}
}

// walk makes views of the next entries, at most a handful. It gives how many, and whether there may be more.
func (s *source) walk(m *accesslog.Message) (n int, more bool) {
	for n < handful {
		switch m.Next(&s.items[n].entry) {
		case accesslog.End:
			return n, false
		case accesslog.Malformed:
			s.tally.received++
			s.p.Entries.Dropped[ledger.EntryMalformed].Add(1)
		case accesslog.Good:
			s.tally.received++
			n++
		}
	}
	return n, true
}

// prepare decides what an entry is good for, and fetches what is remembered of its request: from memory, for the whole
// handful at once.
func (s *source) prepare(i *item) {
	if i.use, i.why = spanbuilder.Classify(&i.entry, s.tcp); i.use == spanbuilder.Drop {
		return
	}
	i.keys = s.identity.Keys(&i.entry, s.logger)
	s.touched ^= s.p.prints.Touch(i.keys.Print) ^ s.p.requests.Touch(i.keys.Seen)
}

// take decides what an entry proves, and whether it waits for its span.
func (s *source) take(i *item) {
	i.made = false
	if i.use == spanbuilder.Drop {
		s.p.Entries.Dropped[i.why].Add(1)
		return
	}
	p, e, id := s.p, &i.entry, s.identity
	id.Headers(e)
	if i.keys.Print == 0 {
		i.keys.Print = id.Print(e, s.logger)
	}
	replaces, repeated := s.repeated(i)
	switch {
	case repeated && !replaces:
		s.tally.duplicate++
		return
	case i.use == spanbuilder.Teach:
		id.Learn(e, s.logger)
		s.tally.taught++
		return
	}
	id.Read(e, s.logger)
	s.sentBy(e)
	s.seen()
	s.measure(i, repeated)
	if why, drops := s.unwanted(e, replaces); drops {
		p.Entries.Dropped[why].Add(1)
		return
	}
	if e.TCP {
		id.Prove(&i.claim)
		s.tally.used++
		i.made = true
		return
	}
	w := &s.waiting
	w.SetEntry(e, s.logger, id, i.keys, s.now)
	w.Waits, w.Replaces, w.Silent = !s.logger.Silent() && id.Expected(), replaces, s.silent
	if w.What == spanbuilder.AttemptItem && !p.attempts.Load() {
		p.attempts.Store(true)
	}
	joins := replaces || p.requests.Joins(w, s.joining.Unpaired, recent.Ticks(s.now))
	if joins && s.keep(p, w, e.Input()) {
		s.tally.entriesWaiting++
		return
	}
	i.made = s.alone(i, joins)
}

// repeated tells whether another report of the same request came before, and whether this one is better than that: it has
// a trace context, and the other has none.
func (s *source) repeated(i *item) (replaces, repeated bool) {
	l, context := s.logger, s.identity.HasTrace(&i.entry, s.logger)
	index, had, repeated := s.p.prints.Enter(i.keys.Print, l, context, recent.Ticks(s.now))
	if !repeated {
		return s.toldElsewhere(i, context)
	}
	other := s.p.loggers.At(index)
	if other != l && i.use == spanbuilder.Request && (had || !context) {
		s.identity.Forget(&i.entry, l) // each log has its own start entries
	}
	if had == context {
		return false, true
	}
	if had {
		l.Poor()
	} else if other != nil {
		other.Poor()
	}
	return context, true
}

// finish makes the spans of a request that does not wait: its own, and one below it where an id went upstream.
func (s *source) finish(i *item) {
	if !i.made {
		return
	}
	e, claim := &i.entry, &i.claim
	s.Server(e, s.logger, claim)
	if id, ok := s.builder.ClientSpan(s.identity, e, s.logger, claim); ok {
		s.Client(e, s.logger, claim, id)
	}
}

// inlet is one request that brings spans, and the storage that is reused from request to request.
type inlet struct {
	writer
	hand
	sender   spanbuilder.Sender
	look     spanbuilder.Spans
	span     wire.Span
	item     spanbuilder.Item
	node     *spanbuilder.Node // of the item before
	nodeHash uint64
}

// spans begins the path of everything that requests with spans bring.
func (p *Pipeline) spans() traces.Consumer {
	s := &inlet{writer: p.writer()}
	s.sender = s.senders.Sender(netip.Addr{})
	return s.accept
}

// accept takes one message: every span in it is passed on, goes to the join, or is dropped by name.
func (s *inlet) accept(m *traces.Message) (o traces.Outcome) {
	s.p.pace()
	if s.p.full() {
		return traces.Outcome{Full: true}
	}
	s.now = s.p.clock()
	s.renew()
	s.sentFrom(&s.sender, m.From)
	s.p.shares(m.Marks)
	heads := 0
	for m.NextScope() {
		var origin *spanbuilder.Origin // nil: there is too much of it
		if heads += len(m.Resource()) + len(m.Scope()); heads <= headRoom+2*m.Size() {
			origin = s.p.origins.Find(m.Resource(), m.Scope())
		}
		for more := true; more; {
			read := m.NextSpan(&s.span)
			switch read {
			case traces.End:
				more = false
				continue
			case traces.Broken:
				s.p.Spans.Dropped[ledger.SpanMalformed].Add(1)
				o.Rejected++
			case traces.Sound, traces.Poisoned:
				if origin == nil {
					s.p.Spans.Dropped[ledger.SpanHeads].Add(1)
					o.Rejected++
				} else if !s.take(origin, read == traces.Poisoned, m.Mark()) {
					s.p.Spans.Dropped[ledger.SpanInvalidID].Add(1)
					o.Rejected++
				}
			}
			s.tally.spans++
		}
	}
	s.give(s.p)
	s.flush()
	return o
}

// take decides whether a span goes on as it came, or has to do with an entry. It gives false for one with an invalid id.
func (s *inlet) take(origin *spanbuilder.Origin, poisoned bool, mark traces.Mark) bool {
	if !s.span.ValidIDs() {
		return false
	}
	p, i := s.p, &s.item
	format := propagation.TraceParent
	if mark&traces.Zipkin != 0 {
		format = propagation.B3Multi
	}
	envoy := s.look.Look(i, &s.span, origin, format, s.now)
	i.Zipkin, i.Shared = mark&traces.Zipkin != 0, mark&traces.Shared != 0
	if s.early() {
		p.Spans.Dropped[ledger.SpanSampledOut].Add(1)
		return true
	}
	s.sentBy(i, origin)
	bytes, repaired := s.extender.Clean(s.builder, &s.span, poisoned, s.look.URLs)
	s.tally.repaired += int64(repaired)
	joins := envoy && p.attempts.Load() || i.Zipkin && p.sharing.Load() || s.byRule && i.What == spanbuilder.AttemptSpan
	if i.What == spanbuilder.ProxySpan {
		joins = p.requests.Span(i, s.nodeOf(i), joins, recent.Ticks(s.now))
		if !joins {
			s.tally.spanFates[spanbuilder.NotWaited]++
		}
	}
	if joins {
		if s.keep(p, i, bytes) {
			s.tally.spansWaiting++
			return true
		}
		if i.What == spanbuilder.ProxySpan {
			s.leave(p, i)
		}
	}
	i.Bytes = bytes
	s.pass(i, envoy || i.Zipkin, joins)
	return true
}

// pass sends a span as it came. One that Envoy or a Zipkin tracer made may have left already, made from an entry.
func (s *inlet) pass(i *spanbuilder.Item, known, late bool) {
	var change spanbuilder.Change
	if known {
		var ok bool
		if change, ok = s.p.ids.Pass(&s.look, i, recent.Ticks(s.now)); !ok {
			s.p.Spans.Dropped[ledger.SpanAlreadyMade].Add(1)
			return
		}
		change.Inner = late && i.What == spanbuilder.ProxySpan && s.p.requests.Late(i, recent.Ticks(s.now))
	}
	s.Span(i, change, nil, nil, nil)
}

// deliver sends batches until the core is closed and empty. When ctx is over, what is left is counted as lost.
func (p *Pipeline) deliver(ctx context.Context, senders int) {
	var wg sync.WaitGroup
	var sending atomic.Int64
	for range senders {
		wg.Go(func() {
			var b ring.Batch
			for p.core.Gather(context.Background(), &b) {
				if sending.Add(1) == 1 {
					p.moved.Store(time.Now().UnixNano())
				}
				r := p.exporter.Export(ctx, &b)
				if sending.Add(-1); r.Exported > 0 {
					p.moved.Store(time.Now().UnixNano())
				}
				p.Spans.Exported.Add(int64(r.Exported))
				p.Spans.Dropped[r.Reason].Add(int64(r.Dropped))
				b.Release()
			}
		})
	}
	wg.Wait()
}
