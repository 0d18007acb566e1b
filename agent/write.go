package agent

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// writer is how one goroutine writes spans, and log records, into the batching cores, and counts.
type writer struct {
	*settings
	finisher
	sampled
	meter
	recorder
	p        *Pipeline
	out      ring.Producer
	extender spanbuilder.Extender
	of       spanbuilder.Resources
	from     *ring.Resource // of the span at hand, as the filters see it
	tally    tally
}

func (p *Pipeline) writer() writer {
	w := writer{p: p}
	if p.red != nil {
		w.red = p.red.Meter()
	}
	w.renew()
	return w
}

// Server writes the span that an entry tells of, Client the one below it for the request to the upstream. What is decided of a request
// holds for all of its spans.
func (w *writer) Server(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.tally.rows[c.Row]++
	w.logs, w.follow = w.p.logged.on(), spanbuilder.Verdict{}
	if w.active && !w.byRule {
		if v := w.p.verdicts.Request(&w.deriver, e, l, w.ticks()); v.Drops() && !w.follows(v) { // its span was dropped just now
			w.decidedRequest(e, l, c, v)
			return
		}
	}
	v := w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.builder.Server(dst, e, l, c) })
	w.decidedRequest(e, l, c, v)
	if v.What == spanbuilder.Kept {
		w.exemplar(e, l, c, c.Own)
	}
}

// Client is explained at Server.
func (w *writer) Client(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, id propagation.SpanID) {
	w.logs = false // its entry has its record
	if w.follows(w.below(c.Trace, c.Own)) {
		w.made(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.builder.Client(dst, e, l, c, id) })
	}
}

// Inner writes an INTERNAL span below one of somebody else, Attempt the CLIENT span of one attempt.
func (w *writer) Inner(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.late(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.builder.Inner(dst, e, l, c) })
}

// Attempt is explained at Inner.
func (w *writer) Attempt(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.late(e, l, c, func(dst []byte) ([]byte, spanbuilder.Repairs) { return w.builder.Attempt(dst, e, l, c) })
}

// late writes a span of an entry of whose request something may have left.
func (w *writer) late(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, encode encoding) {
	w.logs = w.p.logged.on()
	v := w.p.verdicts.Late(&w.deriver, e, l, c, w.ticks())
	if w.follows(v) {
		v = w.made(e, l, c, encode)
	}
	w.decidedRequest(e, l, c, v)
}

// made writes a span of an entry and gives what was decided of it.
func (w *writer) made(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, encode encoding) spanbuilder.Verdict {
	w.tally.made++
	w.ofEntry(c)
	if c.Refused && w.follow.What == spanbuilder.Undecided && w.refuses(e, l) { // that was not known for sure when it came, or it is logged
		if w.follow = byUnsampled; !w.logs {
			w.dropped(byUnsampled)
			return byUnsampled
		}
	}
	if w.active && !w.logs && w.follow.What != spanbuilder.Kept {
		if why, drops := w.judge.Early(&w.subject, c.TraceState); drops {
			w.p.Spans.Dropped[ledger.SpanSampledOut].Add(1)
			return spanbuilder.Verdict{What: spanbuilder.SampledOut, Reason: uint16(why)}
		}
	}
	w.begin(w.of.Made(l, c.Pod))
	return w.write(usualSpan, nil, e, encode)
}

// Span writes a span that came, with what e says added to it unless e is nil.
func (w *writer) Span(s *spanbuilder.Item, change spanbuilder.Change, e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.logs = e != nil && w.p.logged.on()
	if w.follow = w.came(s); !w.goes(w.follow) {
		w.dropped(w.follow)
		w.decidedSpan(s, change, e != nil, w.follow)
		return
	}
	w.ofSpan(s, c)
	w.begin(w.of.Passed(s.Origin, s.Pod, w.p.nodes.Unnamed(s, l)))
	usual := len(s.Bytes) + usualSpan
	if e == nil {
		usual = w.builder.SpanBound(s, nil)
	}
	v := w.write(usual, s, e, func(dst []byte) ([]byte, spanbuilder.Repairs) {
		return w.extender.Span(w.builder, dst, s, change, e, l, c)
	})
	w.decidedSpan(s, change, e != nil, v)
	if e != nil && v.What == spanbuilder.Kept && s.What == spanbuilder.ProxySpan {
		w.exemplar(e, l, c, change.Of(s.ID))
	}
}

// begin begins spans of a resource.
func (w *writer) begin(r *ring.Resource) {
	w.from = r
	w.out.Begin(w.p.core, w.resourceOf(r))
}

// encoding appends a span as a field of ScopeSpans.
type encoding func(dst []byte) ([]byte, spanbuilder.Repairs)

// usualSpan is the room for nearly every span that an entry has a part in. One that needs more is written again, into as much as
// it can ever need.
const usualSpan = 3 << 10

// write encodes a span of s, of e or of both in place, into room for usual bytes or else for the most that it can need, lets the rules
// and the sampler have their say, and commits it. It gives what was decided, Kept where nobody has a say; Undecided if there was no room.
// A span that is logged is, whether it was sampled or not.
func (w *writer) write(usual int, s *spanbuilder.Item, e *wire.Entry, encode encoding) (decided spanbuilder.Verdict) {
	for n, most := usual, 0; ; n = most {
		dst, ok := w.out.Reserve(n)
		if !ok {
			w.p.Spans.Dropped[ledger.SpanFull].Add(1)
			return spanbuilder.Verdict{}
		}
		span, repairs := encode(dst)
		fits := len(span) <= cap(dst)
		if fits && (w.by != nil || w.judging || w.follow.Drops()) {
			if decided.What == spanbuilder.Undecided {
				if decided = w.decide(span, e != nil); !w.goes(decided) {
					return decided
				}
			}
			span = w.change(span, decided)
			if decided.Drops() {
				w.record(span, false)
				return decided
			}
		}
		if w.out.Commit(span) {
			if w.logs {
				w.record(span, true)
			}
			w.tally.repaired += int64(repairs.UTF8)
			w.tally.cut += int64(repairs.Cut)
			if decided.What == spanbuilder.Undecided {
				decided.What = spanbuilder.Kept
			}
			return decided
		}
		if fits { // the rules have made it longer
			most = len(span) + changeRoom
		}
		if most = max(most, w.bound(s, e)); n >= most {
			w.p.Spans.Dropped[ledger.SpanOversize].Add(1)
			return spanbuilder.Verdict{}
		}
	}
}

// decide lets the filters and then the sampler decide on an encoded span, and counts what is dropped.
func (w *writer) decide(field []byte, entry bool) spanbuilder.Verdict {
	if w.look != nil {
		if why, drops := w.drops(field, w.from, entry); drops {
			w.p.Spans.Dropped[why].Add(1)
			return spanbuilder.Verdict{What: spanbuilder.Filtered}
		}
	}
	if w.follow.Drops() {
		w.dropped(w.follow)
		return w.follow
	}
	v := w.sample(field, entry)
	if v.Drops() {
		w.p.Spans.Dropped[ledger.SpanSampledOut].Add(1)
	}
	return v
}

// bound gives the most bytes that a span of s, of e or of both can take before the rules change it.
func (w *writer) bound(s *spanbuilder.Item, e *wire.Entry) int {
	if s == nil {
		return w.builder.Bound(e)
	}
	return w.builder.SpanBound(s, e)
}

// changeRoom is what a span may need, beside its bytes, while it is changed.
const changeRoom = 1 << 10

// flush makes what was written due, and what was counted visible.
func (w *writer) flush() {
	w.out.End()
	w.records.End()
	w.tally.flush(w.p)
	w.judge.Flush()
	w.noted = false
}
