package agent

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// Pipeline is the path of one item; this page tells it.
//
//	Envoy --ALS stream--> accesslog.Server --Entry (borrowed view)--> source.accept --> chunk of the batching core
//	                                                                                        |
//	upstream <--OTLP-- export <------------------------------------ deliver <---------------+
//
// Two kinds of goroutine: each stream has one, which walks a message and writes its spans in place (accept); each sender
// has one, which gathers what is due and sends it (deliver). The only hand-over between them is the batching core's.
//
// A message is taken by the handful, and each step is done for the whole handful before the next one begins: the code of
// one step fits into the processor's caches, that of all does not.
type Pipeline struct {
	builder  *spanbuilder.Builder
	loggers  *spanbuilder.Loggers
	core     *ring.Core
	exporter exporter
	tcp      bool
	waits    bool // when the core is full: streams wait, nothing is shed

	// The ledgers, and what was seen on the way.
	Entries  ledger.Entries
	Spans    ledger.Spans
	rows     []atomic.Int64 // requests by the evidence for their place in a trace
	contexts [propagation.NumFormats][propagation.NumReasons]atomic.Int64
	Paced    atomic.Int64 // messages that waited because the core filled up
	moved    atomic.Int64 // when the upstream last took a batch, or was given one after a rest, in Unix nanoseconds
	repaired atomic.Int64
	cut      atomic.Int64
}

// An exporter sends batches: export.OTLP, or export.Decoded for a person.
type exporter interface {
	Export(context.Context, *ring.Batch) export.Result
}

// source is one stream: what it logs for, and the storage that is reused from entry to entry.
type source struct {
	p        *Pipeline
	from     netip.Addr
	logger   *spanbuilder.Logger
	identity *spanbuilder.Identity
	items    [handful]item
	out      ring.Producer
	tally    tally
	percent  int // how much of the core's memory is in use
}

// item is one entry on its way.
type item struct {
	entry   wire.Entry
	claim   spanbuilder.Claim
	request bool // it makes a span
}

const handful = 4

// stream begins the path of everything that one ALS stream brings.
func (p *Pipeline) stream(from netip.Addr) accesslog.Consumer {
	s := &source{p: p, from: from, identity: p.builder.Identity()}
	// A sender that never says who it is still has its requests.
	s.logger = p.loggers.Find(&wire.Node{}, nil, from)
	return s.accept
}

// accept takes one message: every entry in it becomes spans, teaches something, or is dropped by name. What it writes can
// be sent as soon as it returns, and nothing of the message is kept.
func (s *source) accept(m *accesslog.Message) {
	if id, ok := m.Identifier(); ok {
		s.logger = s.p.loggers.Find(&id.Node, id.LogName, s.from)
	}
	s.p.pace()
	s.out.Begin(s.p.core, s.logger.Resource)
	defer s.end()
	for round, more := 0, true; more; round++ {
		if round%8 == 0 {
			s.percent = s.p.core.Percent()
		}
		var n int
		n, more = s.walk(m)
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

// A burst that is faster than the upstream takes it is slowed down before anything is shed: a stream is read more slowly,
// for a moment, and only while the upstream does take batches. One that is stuck never holds up an Envoy.
const (
	paceAbove = 60 // percent of the core's memory
	paceMost  = 100 * time.Millisecond
	paceWhile = time.Second // since the upstream moved
)

func (p *Pipeline) pace() {
	if p.core.Percent() > paceAbove && !p.waits && time.Since(time.Unix(0, p.moved.Load())) < paceWhile {
		if p.core.Pace(paceAbove, paceMost) {
			p.Paced.Add(1)
		}
	}
}

// end hands over what was written, and what was counted.
func (s *source) end() {
	s.tally.flush(s.p)
	s.out.End()
}

// take decides what an entry is good for, and what it proves.
func (s *source) take(i *item) {
	i.request = false
	e := &i.entry
	use, why := spanbuilder.Classify(e, s.p.tcp)
	switch use {
	case spanbuilder.Drop:
		s.p.Entries.Dropped[why].Add(1)
	case spanbuilder.Teach:
		s.identity.Learn(e, s.logger)
		s.tally.taught++
	case spanbuilder.Request:
		s.identity.Claim(e, s.logger, &i.claim)
		s.seen(&i.claim)
		if why, shed := s.shed(e, &i.claim); shed {
			s.p.Entries.Dropped[why].Add(1)
			return
		}
		i.request = true
		s.tally.used++
	}
}

// The core's memory in use, in percent, above which entries are shed by value. Errors go last: when nothing is left.
const (
	shedUnsampled = 75
	shedHealthy   = 90
)

// shed tells whether the entry makes no span because the core fills up, as it does when the upstream is slow or gone.
func (s *source) shed(e *wire.Entry, c *spanbuilder.Claim) (ledger.EntryDrop, bool) {
	switch {
	case s.percent <= shedUnsampled || s.p.waits || spanbuilder.Failed(e):
		return 0, false
	case c.Unsampled:
		return ledger.EntryShedUnsampled, true
	case s.percent > shedHealthy:
		return ledger.EntryShedHealthy, true
	}
	return 0, false
}

// finish makes the spans of a finished request: its own, and one below it where an id went upstream.
func (s *source) finish(i *item) {
	if !i.request {
		return
	}
	e, claim := &i.entry, &i.claim
	s.write(e, func(dst []byte) ([]byte, spanbuilder.Repairs) {
		return s.p.builder.Server(dst, e, s.logger, claim)
	})
	if id, ok := s.p.builder.ClientSpan(s.identity, e, s.logger, claim); ok {
		s.write(e, func(dst []byte) ([]byte, spanbuilder.Repairs) {
			return s.p.builder.Client(dst, e, s.logger, claim, id)
		})
	}
}

// usualSpan is the room for nearly every span. One that needs more is written again, into as much as it can ever need.
const usualSpan = 3 << 10

// write encodes one span in place.
func (s *source) write(e *wire.Entry, encode func([]byte) ([]byte, spanbuilder.Repairs)) {
	s.tally.made++
	if s.writeInto(usualSpan, encode) {
		return
	}
	if !s.writeInto(s.p.builder.Bound(e), encode) {
		s.p.Spans.Dropped[ledger.SpanOversize].Add(1)
	}
}

// writeInto encodes a span into room for n bytes or more. It gives false when that was not enough.
func (s *source) writeInto(n int, encode func([]byte) ([]byte, spanbuilder.Repairs)) bool {
	dst, ok := s.out.Reserve(n)
	if !ok {
		s.p.Spans.Dropped[ledger.SpanFull].Add(1)
		return true
	}
	span, repairs := encode(dst)
	if !s.out.Commit(span) {
		return false
	}
	s.tally.repaired += int64(repairs.UTF8)
	s.tally.cut += int64(repairs.Cut)
	return true
}

// seen counts what the entry's evidence and headers were.
func (s *source) seen(c *spanbuilder.Claim) {
	s.tally.rows[c.Row]++
	for f := range propagation.NumFormats {
		if why := s.identity.Set.Reason(f); why.Invalid() {
			s.p.contexts[f][why].Add(1)
		}
	}
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
