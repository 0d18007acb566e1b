package filter

import (
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlresource"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlscope"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspanevent"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/alspan/alspan/internal/wire"
)

// decoded is a span as a collector has it.
type decoded struct {
	resource ptrace.ResourceSpans
	scope    ptrace.ScopeSpans
	span     ptrace.Span
	err      error
}

// decode makes one of the fields of ResourceSpans, those of ScopeSpans, and a span, which may be nil.
func decode(head, scope, span []byte) *decoded {
	scope = wire.AppendBytes(append([]byte(nil), scope...), 2, span)
	head = wire.AppendBytes(append([]byte(nil), head...), 2, scope)
	traces, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(wire.AppendBytes(nil, 1, head))
	if err != nil {
		return &decoded{err: fmt.Errorf("cannot decode the span: %w", err)}
	}
	d := &decoded{resource: traces.ResourceSpans().At(0)}
	d.scope = d.resource.ScopeSpans().At(0)
	d.span = d.scope.Spans().At(0)
	return d
}

// decoded gives the span at which the view looks, decoded once. One that was made from an entry has its other names, too.
func (v *View) decoded() *decoded {
	if v.whole != nil {
		return v.whole
	}
	v.whole = decode(v.resource.head, v.resource.scope, v.span)
	if !v.made || v.whole.err != nil {
		return v.whole
	}
	attributes := v.whole.span.Attributes()
	for slot, a := range v.program.aliasOf {
		if a == nil || v.has(uint8(slot)) {
			continue
		}
		is := v.aliased(uint8(slot))
		if is, err := is.any(); err == nil && is != nil {
			attributes.PutEmpty(v.program.span.names[slot]).FromRaw(is)
		}
	}
	return v.whole
}

// span works out a condition on the span at which v looks.
func (w *whole) span(v *View) (bool, error) {
	d := v.decoded()
	if d.err != nil {
		return false, d.err
	}
	t := ottlspan.NewTransformContextPtr(d.resource, d.scope, d.span)
	defer t.Close()
	return w.ofSpan.Eval(background, t)
}

// above works out a condition on a resource or a scope.
func (w *whole) above(d *decoded) (bool, error) {
	if d.err != nil {
		return false, d.err
	}
	if w.ofScope != nil {
		t := ottlscope.NewTransformContextPtr(d.scope.Scope(), d.resource.Resource(), d.scope, d.resource)
		defer t.Close()
		return w.ofScope.Eval(background, t)
	}
	t := ottlresource.NewTransformContextPtr(d.resource.Resource(), d.resource)
	defer t.Close()
	return w.ofResource.Eval(background, t)
}

// event works out a condition on one event.
func (w *whole) event(d *decoded, event ptrace.SpanEvent) (bool, error) {
	t := ottlspanevent.NewTransformContextPtr(d.resource, d.scope, d.span, event)
	defer t.Close()
	return w.ofEvent.Eval(background, t)
}
