package parity

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// left is a span that is left, with what it belongs to.
type left struct {
	resourceSchema, scopeSchema string
	resource                    *resourcepb.Resource
	scope                       *commonpb.InstrumentationScope
	span                        *tracepb.Span
}

// flatten decodes a request and gives its spans in the order of their ids. What the encoding leaves open is the same in all:
// the collector drops fields that it does not know, and writes resources, scopes and statuses that say nothing.
func flatten(t testing.TB, request []byte) []*left {
	t.Helper()
	var data tracepb.TracesData
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(request, &data); err != nil {
		t.Fatal(err)
	}
	var list []*left
	for _, rs := range data.ResourceSpans {
		if rs.Resource == nil {
			rs.Resource = new(resourcepb.Resource)
		}
		valued(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			if ss.Scope == nil {
				ss.Scope = new(commonpb.InstrumentationScope)
			}
			valued(ss.Scope.Attributes)
			for _, s := range ss.Spans {
				if s.Status == nil {
					s.Status = new(tracepb.Status)
				}
				if len(strings.Trim(string(s.ParentSpanId), "\x00")) == 0 {
					s.ParentSpanId = nil
				}
				valued(s.Attributes)
				for _, e := range s.Events {
					valued(e.Attributes)
				}
				list = append(list, &left{rs.SchemaUrl, ss.SchemaUrl, rs.Resource, ss.Scope, s})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *left) int {
		return cmp.Or(bytes.Compare(a.span.TraceId, b.span.TraceId), bytes.Compare(a.span.SpanId, b.span.SpanId))
	})
	return list
}

// valued gives attributes without a value one that is not set.
func valued(list []*commonpb.KeyValue) {
	for _, kv := range list {
		if kv.Value == nil {
			kv.Value = new(commonpb.AnyValue)
		}
	}
}

// inOrder sorts attributes: an action may put new ones anywhere, and the collector closes a gap with the last one.
func inOrder(list []*left) {
	sort := func(l []*commonpb.KeyValue) {
		slices.SortStableFunc(l, func(a, b *commonpb.KeyValue) int {
			return cmp.Or(cmp.Compare(a.Key, b.Key), bytes.Compare(marshal(a.Value), marshal(b.Value)))
		})
	}
	for _, l := range list {
		sort(l.resource.Attributes)
		sort(l.scope.Attributes)
		sort(l.span.Attributes)
		for _, e := range l.span.Events {
			sort(e.Attributes)
		}
	}
}

// key is what tells a span from others.
func (l *left) key() string { return fmt.Sprintf("%x %x", l.span.TraceId, l.span.SpanId) }

func (l *left) String() string { return fmt.Sprintf("span %x %q", l.span.SpanId, l.span.Name) }

func (l *left) equal(m *left) bool {
	return l.resourceSchema == m.resourceSchema && l.scopeSchema == m.scopeSchema &&
		proto.Equal(l.resource, m.resource) && proto.Equal(l.scope, m.scope) && proto.Equal(l.span, m.span)
}

// lines gives what the span says, a field or a member of a list a line.
func (l *left) lines() []string {
	var list []string
	if l.resourceSchema+l.scopeSchema != "" {
		list = append(list, "schemas "+l.resourceSchema+" "+l.scopeSchema)
	}
	for _, m := range []proto.Message{l.resource, l.scope, l.span} {
		r := m.ProtoReflect()
		fields := r.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			name := fmt.Sprintf("%s %s ", strings.ToLower(string(r.Descriptor().Name())), f.Name())
			switch v := r.Get(f); {
			case !r.Has(f):
			case f.IsList():
				for i := range v.List().Len() {
					list = append(list, name+prototext.MarshalOptions{}.Format(v.List().Get(i).Message().Interface()))
				}
			case f.Kind() == protoreflect.MessageKind:
				list = append(list, name+prototext.MarshalOptions{}.Format(v.Message().Interface()))
			case f.Kind() == protoreflect.BytesKind:
				list = append(list, fmt.Sprintf("%s%x", name, v.Bytes()))
			default:
				list = append(list, fmt.Sprintf("%s%v", name, v))
			}
		}
	}
	return list
}

// difference tells in what two flattened lists differ, span by span; it is empty where they do not.
func difference(want, got []*left) string {
	var b strings.Builder
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(got) == 0 || len(want) > 0 && want[0].key() < got[0].key():
			fmt.Fprintf(&b, "%s is missing\n", want[0])
			want = want[1:]
		case len(want) == 0 || got[0].key() < want[0].key():
			fmt.Fprintf(&b, "%s is too much\n", got[0])
			got = got[1:]
		default:
			if !want[0].equal(got[0]) {
				fmt.Fprintf(&b, "%s differs:\n%s", want[0], lineByLine(want[0].lines(), got[0].lines()))
			}
			want, got = want[1:], got[1:]
		}
	}
	return b.String()
}

// lineByLine gives the lines that only one has; where both have the same ones, those that stand elsewhere.
func lineByLine(want, got []string) string {
	var b strings.Builder
	without := func(sign string, list, others []string) {
		for _, l := range list {
			if i := slices.Index(others, l); i < 0 {
				fmt.Fprintf(&b, "  %s %s\n", sign, l)
			} else {
				others = slices.Delete(slices.Clone(others), i, i+1)
			}
		}
	}
	without("-", want, got)
	without("+", got, want)
	if b.Len() > 0 {
		return b.String()
	}
	for i := range want {
		if want[i] != got[i] {
			fmt.Fprintf(&b, "  %s stands where %s should\n", got[i], want[i])
		}
	}
	return b.String()
}
