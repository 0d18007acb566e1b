package spanbuilder

import (
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// evidence is what one entry, its start entry and its logger say.
type evidence struct {
	entry  *wire.Entry
	logger *Logger

	format     propagation.Format
	logged     *propagation.Context // the context that counts; nil: there is none. Its span may be zero: then only the trace is known
	start      *Started             // nil: no start entry that knows the format
	tagTrace   propagation.TraceID  // zero: no such tag
	tagSpan    propagation.SpanID
	traceState bool // a tracestate header was logged, be it empty
}

// tagged tells whether the entry carries both ids of Envoy's own span.
func (v *evidence) tagged() bool { return !v.tagSpan.IsZero() && !v.tagTrace.IsZero() }

// callerID gives the span id that the caller sent, in whatever form of the tracer's format.
func (v *evidence) callerID() (id propagation.SpanID) {
	if id = v.start.ID(v.format); id.IsZero() {
		for _, f := range family(v.format) {
			if id = v.start.ID(f); !id.IsZero() {
				break
			}
		}
	}
	return id
}

// relation tells what the logged id was when an entry of this logger last met its span.
func (v *evidence) relation() Relation { return v.logger.relationOf(v.format) }

// parentOfOwn gives the parent when the logged id is known to be our own: the id in the start entry, else the one that
// B3 carries along.
func (v *evidence) parentOfOwn() propagation.SpanID {
	if v.start != nil && v.callerID() != v.logged.Span {
		return v.callerID()
	}
	return v.logged.Parent
}

// injected tells what c, which is complete but for that, says about the logged id.
func (v *evidence) injected(c *Claim) Injected {
	switch {
	case v.logged == nil || v.logged.Span.IsZero() || !v.entry.HasUpstream(): // what is injected names a span
		return NotInjected
	case c.Up == v.logged.Span || c.Own == v.logged.Span:
		return WasInjected
	case v.start != nil || v.relation() == ParentID || v.tagged() && v.tagTrace.Low() != v.logged.Trace.Low():
		return NotInjected
	}
	return InjectedUnknown
}

// A row states one piece of evidence and what follows from it; what it does not set stays unknown. The first row that
// holds decides. A tracing mode has no name here: only what can be seen in the entry counts.
type row struct {
	name  string
	holds func(*evidence) bool
	claim func(*evidence, *Claim)
}

// What a logged trace header bears depends on whether Envoy has overwritten it, which happens when a request is sent to
// an upstream host, in the format of Envoy's own tracer. The previous hop leaves the same marks, so that a tracestate, an
// x-b3-parentspanid, an upstream host or a count of attempts proves nothing alone.
var rows = [NumRows]row{
	// Evidence: the id tags, and no context at all. They are Envoy's own span; unknown: its parent.
	{"id_tags_alone", func(v *evidence) bool { return v.logged == nil && v.tagged() }, func(v *evidence, c *Claim) {
		c.Trace, c.Own = v.tagTrace, v.tagSpan
	}},
	// Evidence: nothing. A trace of its own, shared by all hops with the same x-request-id.
	{"no_context", func(v *evidence) bool { return v.logged == nil }, func(*evidence, *Claim) {}},
	// Evidence: the tags name another trace, so the context belongs to nobody here. Unknown: the parent.
	{"id_tags_other_trace", func(v *evidence) bool { return v.tagged() && v.tagTrace.Low() != v.logged.Trace.Low() }, func(v *evidence, c *Claim) {
		c.Trace, c.Own = v.tagTrace, v.tagSpan
	}},
	// Evidence: the tag is the logged id. Our own, and injected.
	{"id_tag_is_logged_id", func(v *evidence) bool { return v.tagSpan == v.logged.Span && !v.tagSpan.IsZero() }, func(v *evidence, c *Claim) {
		c.Own, c.Parent = v.logged.Span, v.parentOfOwn()
	}},
	// Evidence: nothing was sent to an upstream, so nothing was injected (Envoy 1.34 and later). The caller's.
	{"no_upstream_host", func(v *evidence) bool { return !v.entry.HasUpstream() }, claimParent},
	// Evidence: the operator says so, for this log.
	{"configured_parent", func(v *evidence) bool { return v.logger.said() == ParentID }, claimParent},
	{"configured_own", func(v *evidence) bool { return v.logger.said() == OwnID }, func(v *evidence, c *Claim) {
		c.Own, c.Parent = v.logged.Span, v.parentOfOwn()
	}},
	{"configured_upstream", func(v *evidence) bool { return v.logger.said() == UpstreamID }, func(v *evidence, c *Claim) {
		c.Own, c.Up = v.tagSpan, v.logged.Span
		if c.Own.IsZero() {
			c.Own = v.logged.Parent // B3: what went upstream says who sent it
		}
		if v.start != nil && v.callerID() != v.logged.Span {
			c.Parent = v.callerID()
		}
	}},
	// Evidence: the id is the one with which the request came. Not injected: the caller's.
	{"start_same_id", func(v *evidence) bool { return v.start != nil && v.callerID() == v.logged.Span }, claimParent},
	// Evidence: injected, and the logger's ids are its own.
	{"start_own_id", func(v *evidence) bool { return v.start != nil && !v.tagged() && v.relation() == OwnID }, func(v *evidence, c *Claim) {
		c.Own, c.Parent = v.logged.Span, v.callerID()
	}},
	// Evidence: injected, and B3 names a parent that is not the caller. So the logged id is a child's, and the parent is us.
	{"start_b3_child", func(v *evidence) bool {
		return v.start != nil && v.tagSpan.IsZero() && !v.logged.Parent.IsZero() && v.logged.Parent != v.callerID()
	}, func(v *evidence, c *Claim) {
		c.Own, c.Parent, c.Up = v.logged.Parent, v.callerID(), v.logged.Span
	}},
	// Evidence: injected. The caller's id is the parent. Unknown without a tag: whether the logged id is our own or a
	// child's; on a CLIENT below a span with a derived id it is right either way.
	{"start_other_id", func(v *evidence) bool { return v.start != nil }, func(v *evidence, c *Claim) {
		c.Own, c.Parent, c.Up = v.tagSpan, v.callerID(), v.logged.Span
	}},
	// Evidence: what the logged id was when an entry of this logger last met its span.
	{"met_own", func(v *evidence) bool { return !v.tagged() && v.relation() == OwnID }, func(v *evidence, c *Claim) {
		c.Own, c.Parent = v.logged.Span, v.logged.Parent
	}},
	{"met_upstream", func(v *evidence) bool { return v.relation() == UpstreamID }, func(v *evidence, c *Claim) {
		if c.Own, c.Up = v.tagSpan, v.logged.Span; c.Own.IsZero() {
			c.Own = v.logged.Parent
		}
	}},
	{"met_parent", func(v *evidence) bool { return v.relation() == ParentID }, claimParent},
	// Evidence: a tag with another id of the same trace, an upstream host, and a tracestate, which the tracer writes when it
	// injects, or a log that does not list one. The logged id went upstream. Unknown: the parent.
	{"id_tag_trace_state", func(v *evidence) bool {
		return v.tagged() && (v.traceState || v.logger.listsNoState()) && !v.logger.neverInjects()
	}, func(v *evidence, c *Claim) {
		c.Own, c.Up = v.tagSpan, v.logged.Span
	}},
	// Evidence: a tag, and no sign of injection. Our own id is known; the logged one is the caller's as far as we know.
	{"id_tag", func(v *evidence) bool { return v.tagged() }, claimParent},
	// Evidence: none. The logged id is the parent unless there is proof of more.
	{"unproven", func(*evidence) bool { return true }, claimParent},
}

func claimParent(v *evidence, c *Claim) { c.Own, c.Parent = v.tagSpan, v.logged.Span }

// NumRows is the number of rows.
const NumRows = 18

// Rows gives the names of the rows of the table, for metrics and documentation; Claim.Row is an index into them.
func Rows() []string {
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].name
	}
	return names
}
