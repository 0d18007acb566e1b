package agent

import (
	"bytes"
	"encoding/binary"

	"github.com/alspan/alspan/internal/attributes"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// rules are what every span goes through on its way out: filters first, then changes of its attributes and of its resource's. They
// never change; a reload makes new ones.
type rules struct {
	filter    *filter.Filter
	span      *attributes.Actions
	resource  *attributes.Actions
	scope     *attributes.Actions
	resources *resources // as they were changed
}

// finisher is how one goroutine applies the rules.
type finisher struct {
	look     *filter.Evaluator  // nil: nothing is dropped
	edit     *attributes.Editor // nil: no attribute is changed
	resource *attributes.Editor
	scope    *attributes.Editor
	deriver  spanbuilder.Deriver
	by       *rules
	// The last span made from an entry that was dropped.
	goneTrace propagation.TraceID
	goneSpan  propagation.SpanID
	changed   struct{ from, to *ring.Resource }
}

func newFinisher(r *rules) finisher {
	if r == nil {
		return finisher{}
	}
	return finisher{by: r, look: r.filter.Evaluator(), edit: r.span.Editor(), resource: r.resource.Editor(), scope: r.scope.Editor()}
}

// resourceOf gives a resource as it goes out.
func (f *finisher) resourceOf(r *ring.Resource) *ring.Resource {
	if f.resource == nil {
		return r
	}
	if f.changed.from != r {
		f.changed.from, f.changed.to = r, f.by.resources.of(r, f.resource, f.scope)
	}
	return f.changed.to
}

// drops tells whether a span is dropped, and why. field is the span as a field of ScopeSpans.
func (f *finisher) drops(field []byte, r *ring.Resource, entry bool) (ledger.SpanDrop, bool) {
	switch f.look.Look(body(field), r.Head, r.Scope, entry) {
	case filter.Drop:
		return ledger.SpanFiltered, true
	case filter.DropAll:
		return ledger.SpanTraceFiltered, true
	case filter.Failed:
		return ledger.SpanFilterFailed, true
	}
	return 0, false
}

// change gives the field with the rules' changes of its span. It appends to it where there is room, like append.
func (f *finisher) change(field []byte) []byte {
	span := body(field)
	head := len(field) - len(span)
	changed := span
	if f.look != nil {
		if fewer, ok := f.look.Events(); ok {
			changed = append(span[:0], fewer...)
		}
	}
	if f.edit != nil {
		changed = f.edit.Span(changed)
	}
	if len(changed) == len(span) && (len(span) == 0 || &changed[0] == &span[0]) {
		return field
	}
	return reframe(field, head, changed)
}

// body gives the message in a field, with the room that is behind it.
func body(field []byte) []byte {
	r := wire.Read(field)
	r.Next()
	return field[len(field)-len(r.Bytes):]
}

// reframe gives a field, whose tag and length have head bytes, with another message. That may stand in the place of the one before.
func reframe(field []byte, head int, message []byte) []byte {
	var tag [1 + binary.MaxVarintLen64]byte
	tag[0] = field[0]
	n := 1 + binary.PutUvarint(tag[1:], uint64(len(message)))
	if len(message) > 0 && (cap(field) == head || &message[0] != &field[:head+1][head]) {
		return append(bytes.Clone(tag[:n]), message...)
	}
	whole := field[:head+len(message)]
	if n > head {
		whole = append(whole, tag[:n-head]...)
	}
	copy(whole[n:n+len(message)], whole[head:head+len(message)])
	whole = whole[:n+len(message)]
	copy(whole, tag[:n])
	return whole
}

// droppedRequest remembers that the SERVER made from e was dropped, droppedSpan that one that came was.
func (w *writer) droppedRequest(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim) {
	w.goneTrace, w.goneSpan = c.Trace, c.Own
	w.p.filtered.Entry(&w.deriver, e, l, c, w.ticks())
}

// droppedSpan is explained at droppedRequest.
func (w *writer) droppedSpan(s *spanbuilder.Item, joined bool) {
	w.p.filtered.Span(s, joined, w.ticks())
}

// below tells whether a span that would be made is below one of the same request that was dropped: it goes, too.
func (w *writer) below(trace propagation.TraceID, parent propagation.SpanID) bool {
	if !w.p.filtered.Any() || (trace != w.goneTrace || parent != w.goneSpan) && !w.p.filtered.Below(trace, parent, w.ticks()) {
		return false
	}
	w.filtered()
	return true
}

// late tells whether a span that would be made is of a request whose other half was dropped.
func (w *writer) late(e *wire.Entry, l *spanbuilder.Logger) bool {
	if !w.p.filtered.Any() || !w.p.filtered.Request(&w.deriver, e, l, w.ticks()) {
		return false
	}
	w.filtered()
	return true
}

// ofDropped tells whether a span that came is of a request that was dropped.
func (w *writer) ofDropped(s *spanbuilder.Item) bool {
	if !w.p.filtered.Entries() || s.What == spanbuilder.ZipkinSpan || !w.p.filtered.Came(s, w.ticks()) {
		return false
	}
	w.p.Spans.Dropped[ledger.SpanFiltered].Add(1)
	return true
}

// filtered counts a span that would have been made.
func (w *writer) filtered() {
	w.tally.made++
	w.p.Spans.Dropped[ledger.SpanFiltered].Add(1)
}

func (w *writer) ticks() uint64 { return recent.Ticks(w.p.clock()) }
