package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Expected tells whether Envoy's tracer may have exported a span for the entry last read. Nothing waits for a span that
// cannot come.
func (i *Identity) Expected() bool {
	v := &i.found
	if v.entry.TCP {
		return false
	}
	tracer, known := v.logger.tracerFormat()
	if known && v.logged != nil && v.logged.Decision == propagation.NotSampled && slices.Contains(family(tracer), v.format) {
		return false // a flag counts in the tracer's own format only
	}
	sampled := v.logged != nil && v.logged.Decision >= propagation.Sampled
	id := v.entry.Text(wire.RequestID)
	switch {
	case !isUUID(id):
		// Envoy writes its reason into UUIDs only. From 1.39 on it does not trace requests with other ids.
		return v.logger.oddIDs.Load() || len(id) > 0 && v.logger.old && sampled
	case known && tracer == propagation.TraceParent && i.Set.Reason(propagation.TraceParent).Invalid():
		return false // a tracer that cannot read the context makes no span
	case id[reasonAt] == '4' && v.logger.reasons.Load():
		return v.logger.old && sampled
	}
	return true
}

// observeReason learns whether this Envoy writes into its ids why a request is traced.
func (l *Logger) observeReason(e *wire.Entry) {
	id := e.Text(wire.RequestID)
	if dashed(id) && (id[reasonAt] == '9' || id[reasonAt] == 'a' || id[reasonAt] == 'b') && !l.reasons.Load() && isUUID(id) {
		l.reasons.Store(true)
	}
}

// learnRelation learns from the span of the entry last read what the logged id is.
func (i *Identity) learnRelation(s *Item) {
	v := &i.found
	if !isUUID(v.entry.Text(wire.RequestID)) && !v.logger.oddIDs.Load() {
		v.logger.oddIDs.Store(true)
	}
	f, logged := i.inFormat(s.Tracer)
	if logged == nil || logged.Span.IsZero() || !v.entry.HasUpstream() {
		return
	}
	switch logged.Span {
	case s.ID:
		v.logger.learn(f, OwnID)
	case s.Parent:
		v.logger.learn(f, ParentID)
	default:
		v.logger.learn(f, UpstreamID)
	}
}

// inFormat gives the context of the entry last read in the format of that tracer, nil if there is none.
func (i *Identity) inFormat(tracer propagation.Format) (propagation.Format, *propagation.Context) {
	for _, f := range family(tracer) {
		if c, ok := i.Set.Get(f); ok && slices.Contains(i.order, f) {
			return f, c
		}
	}
	return 0, nil
}

// traceOf gives the trace of Envoy's own span of the entry last read, as far as the entry knows it.
func (i *Identity) traceOf(tracer propagation.Format) (propagation.TraceID, bool) {
	if v := &i.found; !v.tagTrace.IsZero() {
		return v.tagTrace, true
	}
	if _, c := i.inFormat(tracer); c != nil {
		return c.Trace, true
	}
	return propagation.TraceID{}, false
}

// proveJoined makes c the claim of an entry that has met its span: nothing in it is the entry's but the links.
func (i *Identity) proveJoined(c *Claim, s *Item) {
	*c = Claim{Pod: i.Pod, Trace: s.Trace, Own: s.ID, Parent: s.Parent, NoClient: true, Debug: i.Debug()}
	i.links(c)
}
