package agent

import (
	"bytes"
	"encoding/binary"

	"github.com/alspan/alspan/internal/attributes"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/ledger"
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
	changed  struct{ from, to *ring.Resource }
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

// change gives the field with the changes of its span: what was sampled, unless v drops it, and what the rules change. It appends to it
// where there is room, like append.
func (w *writer) change(field []byte, v spanbuilder.Verdict) []byte {
	span := body(field)
	head := len(field) - len(span)
	changed := span
	if w.look != nil {
		if fewer, ok := w.look.Events(); ok {
			changed = append(span[:0], fewer...)
		}
	}
	if w.judging && !v.Drops() {
		changed = w.judge.Note(changed, w.verdict)
	}
	if w.edit != nil {
		changed = w.edit.Span(changed)
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
