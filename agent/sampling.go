package agent

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/sampler"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// sampled is how one goroutine asks the sampler.
type sampled struct {
	judge   *sampler.Judge // nil: nothing is ever sampled
	active  bool           // something is, for the time of one message
	byRule  bool           // and by more than the trace id: all of a request follows one verdict
	subject sampler.Subject
	judging bool                // the span at hand is judged
	verdict sampler.Verdict     // on it
	follow  spanbuilder.Verdict // on the request of the span at hand, if it is known
	// What was decided of the last span made from an entry.
	last struct {
		trace propagation.TraceID
		span  propagation.SpanID
		spanbuilder.Verdict
	}
}

// heed takes the state of the sampler for the time of one message.
func (w *writer) heed(of *sampler.Sampler) {
	w.active = of.Active()
	w.byRule = w.active && (of.ByRequest() || w.p.byRequest.Load())
}

// ofEntry makes the subject that of a span made from an entry. Where every entry makes one, the tracer's sampling has no part in it.
func (w *writer) ofEntry(c *spanbuilder.Claim) {
	w.subject = sampler.Subject{Trace: c.Trace, Contextless: c.Contextless, All: w.unsampled == keepAll || c.Contextless,
		Unsampled: c.Refused && w.unsampled == keepFailed, Debug: c.Debug}
	w.judging = w.active || w.subject.Unsampled
}

// ofSpan makes the subject that of a span that came, with what an entry says of it if c is not nil.
func (w *writer) ofSpan(i *spanbuilder.Item, c *spanbuilder.Claim) {
	w.subject = sampler.Subject{Trace: i.Trace, Priority: i.Priority, All: w.unsampled == keepAll && i.What != spanbuilder.ZipkinSpan, Debug: c != nil && c.Debug}
	w.judging = w.active
}

// unsampled says what becomes of entries whose requests the tracer has not sampled.
type unsampled uint8

const (
	keepAll      unsampled = iota // they are like all others
	followTracer                  // they make no span
	keepFailed                    // those that have failed make spans
)

func parseUnsampled(name string) unsampled {
	return map[string]unsampled{"follow": followTracer, "errors_always": keepFailed}[name]
}

// unwanted tells whether the entry last read makes no span, whatever else it says: its request is not sampled, or there is no room. One
// that replaces another one goes on: what waits goes with it.
func (s *source) unwanted(e *wire.Entry, replaces bool) (ledger.EntryDrop, bool) {
	s.silent = false
	switch {
	case replaces:
	case s.refused(e):
		if !s.p.logged.on() {
			return ledger.EntryUnsampled, true
		}
		s.silent = true
	case s.early(e):
		return ledger.EntrySampledOut, true
	}
	return s.shed(e)
}

// refused tells whether the entry last read makes no span because the tracer has not sampled its request. Where those that failed do,
// the record of an attempt has to hear of its request first.
func (s *source) refused(e *wire.Entry) bool {
	if !s.identity.SurelyRefused() || !s.refuses(e, s.logger) {
		return false
	}
	if s.unsampled == keepFailed {
		if e.Type == wire.UpstreamEnd {
			return false
		}
		s.p.verdicts.Attempts(&s.deriver, e, s.logger, byUnsampled, s.ticks())
	}
	return true
}

var byUnsampled = spanbuilder.Verdict{What: spanbuilder.SampledOut, Reason: uint16(sampler.ByUnsampled)}

// refuses is that for an entry whose request was not sampled.
func (w *writer) refuses(e *wire.Entry, l *spanbuilder.Logger) bool {
	return w.unsampled == followTracer || w.unsampled == keepFailed && !w.builder.Failed(e, l)
}

// early tells whether the entry last read makes no span whatever else it says. Its span, if it has one, is treated alike: what both
// know of the trace is the same. Of an entry that does not know its span's trace the span decides, if it came first.
func (s *source) early(e *wire.Entry) bool {
	if s.identity.Debug() {
		s.p.decideByRequest()
	}
	if !s.active || s.byRule {
		return false
	}
	if !s.identity.SureTrace() {
		v := s.p.verdicts.Request(&s.deriver, e, s.logger, s.ticks())
		if v.What != spanbuilder.SampledOut {
			return false
		}
		if s.p.verdicts.Attempts(&s.deriver, e, s.logger, v, s.ticks()); s.p.logged.on() {
			return false
		}
		s.judge.Dropped(sampler.Reason(v.Reason))
		return true
	}
	if s.p.logged.on() {
		return false
	}
	state, logged := s.identity.Set.TraceState()
	if sampler.HasHints(state) || !logged && s.p.hints.Load() {
		return false
	}
	s.subject = sampler.Subject{Trace: s.identity.Trace(), All: s.unsampled == keepAll, Unsampled: s.unsampled == keepFailed && s.identity.Refused(), Debug: s.identity.Debug()}
	_, drops := s.judge.Early(&s.subject, nil)
	return drops
}

// early is that for a span that came. One whose entry is here goes to meet it: that may not know the trace, and would wait in vain.
func (s *inlet) early() bool {
	i := &s.item
	if i.What != spanbuilder.ZipkinSpan && i.Priority != 0 {
		s.p.decideByRequest()
	}
	if !s.active || s.byRule {
		return false
	}
	state := s.span.Bytes(s.span.TraceState)
	if i.What == spanbuilder.ProxySpan {
		if s.nodeOf(i); sampler.HasHints(state) && !s.p.hints.Load() {
			s.p.hints.Store(true)
		}
		if sampler.HasHints(state) || s.p.requests.Known(i, s.ticks()) {
			return false
		}
	}
	if i.What != spanbuilder.ZipkinSpan && s.p.logged.on() { // its entry, which may come, is logged
		return false
	}
	s.ofSpan(i, nil)
	why, drops := s.judge.Early(&s.subject, state)
	if drops {
		s.p.verdicts.Foreseen(i, spanbuilder.Verdict{What: spanbuilder.SampledOut, Reason: uint16(why)}, s.ticks())
	}
	return drops
}

// decideByRequest lets nothing be dropped any more before both halves of its request are known: one of them may know more about
// sampling than the trace id.
func (p *Pipeline) decideByRequest() {
	if !p.byRequest.Load() {
		p.byRequest.Store(true)
	}
}

// sample says what becomes of an encoded span, a field of ScopeSpans, that no filter drops.
func (w *writer) sample(field []byte, entry bool) spanbuilder.Verdict {
	if !w.judging {
		return spanbuilder.Verdict{What: spanbuilder.Kept}
	}
	if w.follow.What == spanbuilder.Kept {
		w.verdict = w.judge.Follow(&w.subject, sampler.Reason(w.follow.Reason), body(field))
	} else {
		w.verdict = w.judge.Judge(&w.subject, body(field), w.from.Head, w.from.Scope, entry)
	}
	return verdict(w.verdict)
}

// Foresee decides on a span that is given to Span later.
func (w *writer) Foresee(s *spanbuilder.Item, e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	if !w.byRule || w.came(s).What != spanbuilder.Undecided {
		return
	}
	w.begin(w.of.Passed(s.Origin, s.Pod, w.p.nodes.Unnamed(s, l)))
	dst, ok := w.out.Reserve(len(s.Bytes) + usualSpan)
	if !ok {
		return
	}
	if span, _ := w.extender.Span(w.builder, dst, s, spanbuilder.Change{}, e, l, c); len(span) <= cap(dst) {
		w.ofSpan(s, c)
		w.p.verdicts.Foreseen(s, verdict(w.judge.Foresee(&w.subject, body(span), w.from.Head, w.from.Scope, true)), w.ticks())
	}
}

// verdict gives the verdict on a request whose span has been judged.
func verdict(v sampler.Verdict) spanbuilder.Verdict {
	if v.Keep {
		return spanbuilder.Verdict{What: spanbuilder.Kept, Reason: uint16(v.Reason)}
	}
	return spanbuilder.Verdict{What: spanbuilder.SampledOut, Reason: uint16(v.Reason)}
}

// decidedRequest remembers what was decided of the span with the claim c, made from e. Where the trace id alone decides, nobody asks. That
// the tracer has not sampled it is no decision on a span that does come.
func (w *writer) decidedRequest(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, v spanbuilder.Verdict) {
	w.last.trace, w.last.span, w.last.Verdict = c.Trace, c.Own, v
	asked := w.byRule || c.Refused && w.unsampled == keepFailed
	if v.What == spanbuilder.Filtered || asked && v.What != spanbuilder.Undecided && v != byUnsampled {
		w.p.verdicts.Entry(&w.deriver, e, l, c, v, w.ticks())
	} else if v.What == spanbuilder.SampledOut && v == w.follow { // it was not by its trace id
		w.p.verdicts.Unheard(&w.deriver, e, l, v, w.ticks())
	}
}

// decidedSpan remembers what was decided of a span that came. Only Envoy's decide for others: where the trace id alone decides, for
// entries that do not know all that it says.
func (w *writer) decidedSpan(s *spanbuilder.Item, change spanbuilder.Change, joined bool, v spanbuilder.Verdict) {
	asked := w.byRule || w.active && s.What == spanbuilder.ProxySpan && (!joined || w.p.hints.Load() || w.logs)
	if v.What == spanbuilder.Filtered || asked && v.What != spanbuilder.Undecided {
		w.p.verdicts.Span(s, change, joined, v, w.ticks())
	}
}

// below gives the verdict on the request of a span that would be made below that one.
func (w *writer) below(trace propagation.TraceID, parent propagation.SpanID) spanbuilder.Verdict {
	if trace == w.last.trace && parent == w.last.span {
		return w.last.Verdict
	}
	return w.p.verdicts.Below(trace, parent, w.ticks())
}

// follows makes a span that would be made follow the verdict on its request, and tells whether it goes on.
func (w *writer) follows(v spanbuilder.Verdict) bool {
	if w.follow = v; w.goes(v) {
		return true
	}
	w.tally.made++
	w.dropped(v)
	return false
}

// dropped counts a span that is dropped for what was decided of its request.
func (w *writer) dropped(v spanbuilder.Verdict) {
	if v.What == spanbuilder.Filtered {
		w.p.Spans.Dropped[ledger.SpanFiltered].Add(1)
		return
	}
	w.p.Spans.Dropped[ledger.SpanSampledOut].Add(1)
	if w.judge != nil {
		w.judge.Dropped(sampler.Reason(v.Reason))
	}
}

// came gives the verdict on the request of a span that came.
func (w *writer) came(s *spanbuilder.Item) spanbuilder.Verdict {
	if s.What == spanbuilder.ZipkinSpan || !w.byRule && !w.p.verdicts.Entries() {
		return spanbuilder.Verdict{}
	}
	return w.p.verdicts.Came(s, w.ticks())
}

// Undecided tells whether the span of an attempt has to wait for what is decided of its request.
func (w *writer) Undecided(s *spanbuilder.Item) bool {
	return w.byRule && !s.Parent.IsZero() && w.came(s).What == spanbuilder.Undecided
}

func (w *writer) ticks() uint64 { return recent.Ticks(w.p.clock()) }
