package agent

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

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
type Pipeline struct {
	builder  *spanbuilder.Builder
	loggers  *spanbuilder.Loggers
	core     *ring.Core
	exporter exporter
	tcp      bool

	// The ledgers, and what was seen on the way.
	Entries  ledger.Entries
	Spans    ledger.Spans
	rows     []atomic.Int64 // requests by the evidence for their place in a trace
	contexts [propagation.NumFormats][propagation.NumReasons]atomic.Int64
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
	entry    wire.Entry
	out      ring.Producer
}

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
	s.out.Begin(s.p.core, s.logger.Resource)
	defer s.out.End()
	for {
		switch m.Next(&s.entry) {
		case accesslog.End:
			return
		case accesslog.Malformed:
			s.p.Entries.Received.Add(1)
			s.p.Entries.Dropped[ledger.EntryMalformed].Add(1)
		case accesslog.Good:
			s.p.Entries.Received.Add(1)
			s.take(&s.entry)
		}
	}
}

// take decides what an entry is good for.
func (s *source) take(e *wire.Entry) {
	use, why := spanbuilder.Classify(e, s.p.tcp)
	switch use {
	case spanbuilder.Drop:
		s.p.Entries.Dropped[why].Add(1)
	case spanbuilder.Teach:
		s.identity.Learn(e, s.logger)
		s.p.Entries.Taught.Add(1)
	case spanbuilder.Request:
		s.finish(e)
		s.p.Entries.Used.Add(1)
	}
}

// finish makes the spans of a finished request: its own, and one below it where an id went upstream.
func (s *source) finish(e *wire.Entry) {
	claim := s.identity.Claim(e, s.logger)
	s.seen(claim)
	s.write(e, func(dst []byte) ([]byte, spanbuilder.Repairs) {
		return s.p.builder.Server(dst, e, s.logger, claim)
	})
	if id, ok := s.p.builder.ClientSpan(s.identity, e, s.logger, claim); ok {
		s.write(e, func(dst []byte) ([]byte, spanbuilder.Repairs) {
			return s.p.builder.Client(dst, e, s.logger, claim, id)
		})
	}
}

// write encodes one span in place.
func (s *source) write(e *wire.Entry, encode func([]byte) ([]byte, spanbuilder.Repairs)) {
	s.p.Spans.Made.Add(1)
	dst, ok := s.out.Reserve(s.p.builder.Bound(e))
	if !ok {
		s.p.Spans.Dropped[ledger.SpanFull].Add(1)
		return
	}
	span, repairs := encode(dst)
	if !s.out.Commit(span) {
		s.p.Spans.Dropped[ledger.SpanOversize].Add(1)
		return
	}
	s.p.repaired.Add(int64(repairs.UTF8))
	s.p.cut.Add(int64(repairs.Cut))
}

// seen counts what the entry's evidence and headers were.
func (s *source) seen(c *spanbuilder.Claim) {
	s.p.rows[c.Row].Add(1)
	for f := range propagation.NumFormats {
		if why := s.identity.Set.Reason(f); why.Invalid() {
			s.p.contexts[f][why].Add(1)
		}
	}
}

// deliver sends batches until the core is closed and empty. When ctx is over, what is left is counted as lost.
func (p *Pipeline) deliver(ctx context.Context, senders int) {
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			var b ring.Batch
			for p.core.Gather(context.Background(), &b) {
				r := p.exporter.Export(ctx, &b)
				p.Spans.Exported.Add(int64(r.Exported))
				p.Spans.Dropped[r.Reason].Add(int64(r.Dropped))
				b.Release()
			}
		})
	}
	wg.Wait()
}
