package spanbuilder

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// bad stands in texts of official messages, which refuse bytes that are not UTF-8; encoded puts such bytes in its place.
const bad = "BAD"

// encoded gives m on the wire.
func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(b), bad, "\xff\xfe\xc3"))
}

// walked gives the view of an official entry.
func walked(t testing.TB, m proto.Message) *wire.Entry {
	t.Helper()
	e, ok := &wire.Entry{}, false
	switch m.(type) {
	case *alsdata.TCPAccessLogEntry:
		ok = e.WalkTCP(encoded(t, m))
	case *alsdata.HTTPAccessLogEntry:
		ok = e.WalkHTTP(encoded(t, m))
	}
	if !ok {
		t.Fatalf("cannot walk the entry %v", m)
	}
	return e
}

func mustTrace(s string) propagation.TraceID {
	id, ok := propagation.ParseTraceID([]byte(s))
	if !ok {
		panic(s)
	}
	return id
}

func mustSpan(s string) propagation.SpanID {
	id, ok := propagation.ParseSpanID([]byte(s))
	if !ok {
		panic(s)
	}
	return id
}

// testClaim is the place in a trace that spans of these tests have; idC is the id of their CLIENT span.
func testClaim() *Claim {
	return &Claim{Trace: mustTrace(traceA), Own: mustSpan(idA), Parent: mustSpan(idB), Flags: 1}
}

func loggerOf(node, logName string) *Logger {
	return NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte(node), Cluster: []byte("edge")}, []byte(logName), netip.Addr{})
}

// server encodes the span of e in exactly the room that Bound asks for, and decodes it.
func server(t testing.TB, b *Builder, e *wire.Entry, l *Logger, c *Claim) (*tracepb.Span, Repairs) {
	t.Helper()
	room := make([]byte, 0, b.Bound(e))
	got, repairs := b.Server(room, e, l, c)
	checkRoom(t, room, got)
	return decodeSpan(t, got), repairs
}

func client(t testing.TB, b *Builder, e *wire.Entry, l *Logger, c *Claim) (*tracepb.Span, Repairs) {
	t.Helper()
	room := make([]byte, 0, b.Bound(e))
	got, repairs := b.Client(room, e, l, c, mustSpan(idC))
	checkRoom(t, room, got)
	return decodeSpan(t, got), repairs
}

func checkRoom(t testing.TB, room, got []byte) {
	t.Helper()
	if len(got) > cap(room) || cap(room) > 0 && &got[0] != &room[:1][0] {
		t.Fatalf("a span of %d bytes does not fit in the %d bytes of Bound", len(got), cap(room))
	}
}

// decodeSpan reads b, a field of ScopeSpans, with the official runtime and checks what holds for every span.
func decodeSpan(t testing.TB, b []byte) *tracepb.Span {
	t.Helper()
	num, typ, n := protowire.ConsumeTag(b)
	body, m := protowire.ConsumeBytes(b[max(n, 0):])
	if num != 2 || typ != protowire.BytesType || n != 1 || n+m != len(b) {
		t.Fatalf("not one field 2 of ScopeSpans: %x", b)
	}
	if want := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), body); len(want) != len(b) {
		t.Errorf("the length of the span takes more bytes than it needs: %x", b[:n+5])
	}
	var ss tracepb.ScopeSpans
	if err := proto.Unmarshal(b, &ss); err != nil {
		t.Fatalf("cannot decode the span: %v", err)
	}
	s := ss.Spans[0]
	checkSpan(t, s)
	return s
}

func checkSpan(t testing.TB, s *tracepb.Span) {
	t.Helper()
	if len(s.ProtoReflect().GetUnknown()) > 0 {
		t.Errorf("unknown fields: %x", s.ProtoReflect().GetUnknown())
	}
	if len(s.TraceId) != 16 || len(s.SpanId) != 8 || len(s.ParentSpanId)%8 != 0 || s.Name == "" {
		t.Errorf("no span: trace %x span %x parent %x name %q", s.TraceId, s.SpanId, s.ParentSpanId, s.Name)
	}
	if s.EndTimeUnixNano < s.StartTimeUnixNano {
		t.Errorf("ends %d ns before its start", s.StartTimeUnixNano-s.EndTimeUnixNano)
	}
	if len(s.Attributes) > maxAttributes {
		t.Errorf("%d attributes", len(s.Attributes))
	}
	seen := map[string]bool{}
	for _, a := range s.Attributes {
		if a.Key == "" || a.Value.GetValue() == nil || seen[a.Key] {
			t.Errorf("attribute %q is without key or value, or there twice", a.Key)
		}
		seen[a.Key] = true
	}
	if failed := s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR; failed != seen["error.type"] || s.Status.GetMessage() != "" {
		t.Errorf("status %v with error.type %q", s.Status, attr(s, "error.type"))
	}
}

// checkLimits checks that no text is longer than the limit; the keys of tags are texts, too.
func checkLimits(t testing.TB, b *Builder, attrs []*commonpb.KeyValue) {
	t.Helper()
	for _, a := range attrs {
		v := a.Value.GetStringValue()
		if inner := a.Value.GetArrayValue().GetValues(); len(inner) > 0 {
			v = inner[0].GetStringValue()
		}
		key, _ := strings.CutPrefix(a.Key, "envoy.tag.")
		// Envoy's flags and the longest header names of these tests are not from the entry.
		if len(v) > b.opts.MaxValue || len(key) > max(b.opts.MaxValue, 400) {
			t.Errorf("attribute %.100s has a key of %d bytes and a value of %d", a.Key, len(a.Key), len(v))
		}
	}
}

// attr gives an attribute's value in text, "" when it is not there.
func attr(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return valueText(a.Value)
		}
	}
	return ""
}

// valueText gives a value in Go's notation; a long one gives its length.
func valueText(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		if len(v.StringValue) > 200 {
			return fmt.Sprintf("%q... (%d bytes)", v.StringValue[:16], len(v.StringValue))
		}
		return fmt.Sprintf("%q", v.StringValue)
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return fmt.Sprintf("%vf", v.DoubleValue)
	case *commonpb.AnyValue_ArrayValue:
		var all []string
		for _, inner := range v.ArrayValue.Values {
			all = append(all, valueText(inner))
		}
		return "[" + strings.Join(all, " ") + "]"
	}
	return fmt.Sprintf("%T", v.GetValue())
}

// render gives what a span says, without its place in a trace: kind, name, start and length; its attributes and events in
// order; and what had to be done to it.
func render(s *tracepb.Span, r Repairs) string {
	var b strings.Builder
	start := time.Unix(0, int64(s.StartTimeUnixNano)).UTC()
	fmt.Fprintf(&b, "%s %q %s +%v", strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), s.Name,
		start.Format(time.RFC3339Nano), time.Duration(s.EndTimeUnixNano-s.StartTimeUnixNano))
	if s.Status != nil {
		b.WriteString(" " + strings.TrimPrefix(s.Status.Code.String(), "STATUS_CODE_"))
	}
	b.WriteByte('\n')
	for _, a := range s.Attributes {
		fmt.Fprintf(&b, "  %s = %s\n", a.Key, valueText(a.Value))
	}
	for _, e := range s.Events {
		fmt.Fprintf(&b, "  event %v %s\n", time.Duration(e.TimeUnixNano-s.StartTimeUnixNano), e.Name)
	}
	for _, line := range []struct {
		what string
		n    int
	}{{"dropped", int(s.DroppedAttributesCount)}, {"repaired", r.UTF8}, {"cut", r.Cut}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "  (%s %d)\n", line.what, line.n)
		}
	}
	return b.String()
}

// place gives a span's place in a trace.
func place(s *tracepb.Span) string {
	words := []string{hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId),
		fmt.Sprintf("flags %03x", s.Flags)}
	if s.TraceState != "" {
		words = append(words, "state "+s.TraceState)
	}
	for _, l := range s.Links {
		words = append(words, fmt.Sprintf("link %x/%x %03x", l.TraceId, l.SpanId, l.Flags))
	}
	return strings.Join(words, " ")
}

func TestTestsCanSeeBadSpans(t *testing.T) {
	good := &tracepb.Span{TraceId: make([]byte, 16), SpanId: make([]byte, 8), Name: "GET"}
	for name, change := range map[string]func(*tracepb.Span){
		"unknown field":     func(s *tracepb.Span) { s.ProtoReflect().SetUnknown(protowire.AppendTag(nil, 99, 0)) },
		"no name":           func(s *tracepb.Span) { s.Name = "" },
		"backwards":         func(s *tracepb.Span) { s.StartTimeUnixNano = 1 },
		"error, no type":    func(s *tracepb.Span) { s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR} },
		"attribute, no key": func(s *tracepb.Span) { s.Attributes = []*commonpb.KeyValue{{}} },
	} {
		s := proto.CloneOf(good)
		change(s)
		if r := (&recorder{TB: t}); !r.fails(func() { checkSpan(r, s) }) {
			t.Errorf("%s: not seen", name)
		}
	}
}

// recorder is a test that notes failures instead of having them.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func (r *recorder) fails(f func()) bool {
	f()
	return r.failed
}

func TestEncodedIsNotUTF8(t *testing.T) {
	b := encoded(t, &alsdata.HTTPAccessLogEntry{Request: &alsdata.HTTPRequestProperties{Path: "/" + bad}})
	if utf8.Valid(b) || slices.Contains(b, 'B') {
		t.Errorf("no bad bytes in %q", b)
	}
}
