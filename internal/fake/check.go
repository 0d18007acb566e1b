package fake

import (
	"errors"
	"fmt"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Check gives what the OTLP specification forbids in spans though it can be decoded: ids of a wrong length or all zero,
// duplicate attribute keys, ends before starts, empty groups, and fields that trace.proto does not have.
func Check(rs []*tracepb.ResourceSpans) error {
	var c checker
	for i, r := range rs {
		at := fmt.Sprintf("resource %d", i)
		c.unknown(at, r.ProtoReflect())
		c.keys(at, r.GetResource().GetAttributes())
		c.require(len(r.ScopeSpans) > 0, at, "no scopes")
		for j, ss := range r.ScopeSpans {
			at := fmt.Sprintf("%s scope %d", at, j)
			c.keys(at, ss.GetScope().GetAttributes())
			c.require(len(ss.Spans) > 0, at, "no spans")
			for k, s := range ss.Spans {
				c.span(fmt.Sprintf("%s span %d %q", at, k, s.Name), s)
			}
		}
	}
	return errors.Join(c.errs...)
}

type checker struct{ errs []error }

func (c *checker) require(ok bool, at, what string) {
	if !ok && len(c.errs) < 20 { // enough to see what is wrong
		c.errs = append(c.errs, fmt.Errorf("%s: %s", at, what))
	}
}

func (c *checker) span(at string, s *tracepb.Span) {
	c.require(isID(s.TraceId, 16), at, fmt.Sprintf("trace id %x", s.TraceId))
	c.require(isID(s.SpanId, 8), at, fmt.Sprintf("span id %x", s.SpanId))
	c.require(len(s.ParentSpanId) == 0 || isID(s.ParentSpanId, 8), at, fmt.Sprintf("parent span id %x", s.ParentSpanId))
	c.require(s.EndTimeUnixNano >= s.StartTimeUnixNano, at, "ends before its start")
	c.keys(at, s.Attributes)
	for _, e := range s.Events {
		c.keys(at+" event "+e.Name, e.Attributes)
	}
	for _, l := range s.Links {
		c.require(isID(l.TraceId, 16) && isID(l.SpanId, 8), at, fmt.Sprintf("link to %x %x", l.TraceId, l.SpanId))
		c.keys(at+" link", l.Attributes)
	}
}

func (c *checker) keys(at string, attributes []*commonpb.KeyValue) {
	seen := make(map[string]bool, len(attributes))
	for _, a := range attributes {
		c.require(!seen[a.Key], at, "duplicate attribute "+a.Key)
		seen[a.Key] = true
	}
}

// unknown looks for fields that the message's type does not have, at any depth.
func (c *checker) unknown(at string, m protoreflect.Message) {
	c.require(len(m.GetUnknown()) == 0, at, "unknown field in "+string(m.Descriptor().Name()))
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				c.unknown(at, v.List().Get(i).Message())
			}
		default:
			c.unknown(at, v.Message())
		}
		return true
	})
}

func isID(id []byte, size int) bool {
	for _, b := range id {
		if b != 0 {
			return len(id) == size
		}
	}
	return false
}
