package agent

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// writer is how one goroutine writes spans into the batching core, and counts.
type writer struct {
	p        *Pipeline
	out      ring.Producer
	extender spanbuilder.Extender
	of       spanbuilder.Resources
	tally    tally
}

func (p *Pipeline) writer() writer { return writer{p: p, of: p.senders.Resources()} }

// Server writes the span that an entry tells of, Client the one below it for the request to the upstream.
func (w *writer) Server(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.p.builder.Server(dst, e, l, c) })
	w.tally.rows[c.Row]++
}

// Client is explained at Server.
func (w *writer) Client(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, id propagation.SpanID) {
	w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.p.builder.Client(dst, e, l, c, id) })
}

// Inner writes an INTERNAL span below one of somebody else, Attempt the CLIENT span of one attempt.
func (w *writer) Inner(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.p.builder.Inner(dst, e, l, c) })
}

// Attempt is explained at Inner.
func (w *writer) Attempt(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.p.builder.Attempt(dst, e, l, c) })
}

// usualSpan is the room for nearly every span. One that needs more is written again, into as much as it can ever need.
const usualSpan = 3 << 10

// made encodes a span of an entry in place.
func (w *writer) made(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, encode func([]byte) ([]byte, spanbuilder.Repairs)) {
	w.tally.made++
	w.out.Begin(w.p.core, w.of.Made(l, c.Pod))
	if w.into(usualSpan, encode) {
		return
	}
	if !w.into(w.p.builder.Bound(e), encode) {
		w.p.Spans.Dropped[ledger.SpanOversize].Add(1)
	}
}

// Span writes a span that came, with what e says added to it unless e is nil.
func (w *writer) Span(s *spanbuilder.Item, change spanbuilder.Change, e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.out.Begin(w.p.core, w.of.Passed(s.Origin, s.Pod, w.p.nodes.Unnamed(s, l)))
	encode := func(dst []byte) ([]byte, spanbuilder.Repairs) {
		return w.extender.Span(w.p.builder, dst, s, change, e, l, c)
	}
	if e != nil && w.into(len(s.Bytes)+usualSpan, encode) {
		return
	}
	if !w.into(w.p.builder.SpanBound(s, e), encode) {
		w.p.Spans.Dropped[ledger.SpanOversize].Add(1)
	}
}

// into encodes a span into room for n bytes or more. It gives false when that was not enough.
func (w *writer) into(n int, encode func([]byte) ([]byte, spanbuilder.Repairs)) bool {
	dst, ok := w.out.Reserve(n)
	if !ok {
		w.p.Spans.Dropped[ledger.SpanFull].Add(1)
		return true
	}
	span, repairs := encode(dst)
	if !w.out.Commit(span) {
		return false
	}
	w.tally.repaired += int64(repairs.UTF8)
	w.tally.cut += int64(repairs.Cut)
	return true
}

// flush makes what was written due, and what was counted visible.
func (w *writer) flush() {
	w.out.End()
	w.tally.flush(w.p)
}
