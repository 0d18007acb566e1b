package zipkin

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

var received = time.Unix(1700000000, 0)

// decode decodes a request as the official runtime does.
func decode(t testing.TB, d *Decoded) *trace.TracesData {
	t.Helper()
	request := &trace.TracesData{}
	if err := proto.Unmarshal(d.Request, request); err != nil {
		t.Fatal(err)
	}
	return request
}

// each gives each span of a request.
func each(request *trace.TracesData, f func(*trace.ResourceSpans, *trace.ScopeSpans, *trace.Span)) {
	for _, r := range request.ResourceSpans {
		for _, c := range r.ScopeSpans {
			for _, s := range c.Spans {
				f(r, c, s)
			}
		}
	}
}

// render gives one line for each span: what it has, then after | its resource and scope.
func render(t testing.TB, d *Decoded) (lines []string) {
	t.Helper()
	each(decode(t, d), func(r *trace.ResourceSpans, c *trace.ScopeSpans, s *trace.Span) {
		var b strings.Builder
		fmt.Fprintf(&b, "%s-%s", hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId))
		if len(s.ParentSpanId) > 0 {
			fmt.Fprintf(&b, "<%s", hex.EncodeToString(s.ParentSpanId))
		}
		fmt.Fprintf(&b, " %s %q %d+%d", strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano-s.StartTimeUnixNano)
		b.WriteString(attributes(s.Attributes))
		for _, e := range s.Events {
			fmt.Fprintf(&b, " @%d:%q", e.TimeUnixNano, e.Name)
		}
		if s.Status != nil {
			fmt.Fprintf(&b, " %s:%q", strings.TrimPrefix(s.Status.Code.String(), "STATUS_CODE_"), s.Status.Message)
		}
		if s.TraceState != "" {
			fmt.Fprintf(&b, " state %s", s.TraceState)
		}
		if s.Flags != 1 {
			fmt.Fprintf(&b, " flags %x", s.Flags)
		}
		fmt.Fprintf(&b, " |%s", attributes(r.Resource.Attributes))
		if c.Scope != nil {
			fmt.Fprintf(&b, " scope %s %s", c.Scope.Name, c.Scope.Version)
		}
		lines = append(lines, b.String())
	})
	return lines
}

func attributes(list []*common.KeyValue) string {
	var parts []string
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			parts = append(parts, fmt.Sprintf(" %s=%q", a.Key, v.StringValue))
		case *common.AnyValue_IntValue:
			parts = append(parts, fmt.Sprintf(" %s=%d", a.Key, v.IntValue))
		case *common.AnyValue_BoolValue:
			parts = append(parts, fmt.Sprintf(" %s=%v", a.Key, v.BoolValue))
		default:
			parts = append(parts, fmt.Sprintf(" %s=?%T", a.Key, v))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "")
}

// check checks what must hold for any body.
func check(t testing.TB, d *Decoded) {
	t.Helper()
	request, n := decode(t, d), 0
	resources := map[string]bool{}
	for _, r := range request.ResourceSpans {
		key := attributes(r.Resource.Attributes)
		if resources[key] && d.Repaired == 0 { // two keys may become one by repair
			t.Errorf("two groups of the resource%s", key)
		}
		resources[key] = true
	}
	each(request, func(_ *trace.ResourceSpans, _ *trace.ScopeSpans, s *trace.Span) {
		mark := d.Marks[n]
		n++
		if len(s.TraceId) != 16 || len(s.SpanId) != 8 || string(s.SpanId) == "\x00\x00\x00\x00\x00\x00\x00\x00" || s.EndTimeUnixNano < s.StartTimeUnixNano ||
			s.Kind == 0 || s.Name == "" || s.Flags != 1 || int64(s.EndTimeUnixNano) < 0 || string(s.ParentSpanId) == string(s.SpanId) {
			t.Errorf("a bad span: %v", s)
		}
		keys := map[string]bool{}
		for _, a := range s.Attributes {
			if keys[a.Key] && d.Repaired == 0 || a.Key == "" || !utf8.ValidString(a.Key) {
				t.Errorf("a bad key: %q", a.Key)
			}
			keys[a.Key] = true
		}
		if mark&Zipkin == 0 || mark&Shared != 0 && !keys["zipkin.shared"] || mark&Debug != 0 && !keys["zipkin.debug"] {
			t.Errorf("mark %b of %v", mark, s)
		}
	})
	if n != d.Spans || n != len(d.Marks) {
		t.Errorf("%d spans, %d are said, %d marks", n, d.Spans, len(d.Marks))
	}
}
