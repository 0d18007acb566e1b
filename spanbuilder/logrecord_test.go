package spanbuilder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/alspan/alspan/internal/wire"
)

// wantRecord says what the record of a span is, by the official runtime.
func wantRecord(s *tracepb.Span, kept bool) *logspb.LogRecord {
	r := &logspb.LogRecord{TimeUnixNano: s.StartTimeUnixNano, ObservedTimeUnixNano: s.EndTimeUnixNano, Attributes: s.Attributes, DroppedAttributesCount: s.DroppedAttributesCount,
		Flags: s.Flags & 0xfe, TraceId: s.TraceId, SpanId: s.SpanId, EventName: "envoy.access", SeverityNumber: logspb.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO"}
	if kept {
		r.Flags |= 1
	}
	values := map[string]string{}
	for _, a := range s.Attributes {
		switch v := a.Value.GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			values[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			values[a.Key] = fmt.Sprint(v.IntValue)
			if a.Key != "http.response.status_code" {
				values[a.Key] = ""
			}
		default:
			values[a.Key] = ""
		}
	}
	code := values["http.response.status_code"]
	if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		r.SeverityNumber, r.SeverityText = logspb.SeverityNumber_SEVERITY_NUMBER_ERROR, "ERROR"
	} else if len(code) == 3 && code[0] == '4' && strings.Trim(code, "0123456789") == "" {
		r.SeverityNumber, r.SeverityText = logspb.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	path := ""
	if _, rest, ok := strings.Cut(values["url.full"], "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			path = rest[i:]
		}
	}
	var words []string
	for _, w := range []struct {
		text string
		most int
	}{{firstOf(values["http.request.method"], s.Name), 64}, {firstOf(values["url.path"], path), 256}, {code, 20}} {
		text, _, _ := strings.Cut(w.text, "?")
		for len(text) > w.most {
			_, n := utf8.DecodeLastRuneInString(text)
			text = text[:len(text)-n]
		}
		if text != "" {
			words = append(words, text)
		}
	}
	if len(words) > 0 {
		r.Body = &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.Join(words, " ")}}
	}
	return r
}

// checkRecord compares the record of a span with what the official runtime says of the span.
func checkRecord(t *testing.T, span []byte, kept bool) *logspb.LogRecord {
	t.Helper()
	room := make([]byte, 0, len(span)+LogRecordRoom)
	field := LogRecord(room, span, kept)
	checkRoom(t, room, field)
	var s tracepb.Span
	if err := proto.Unmarshal(span, &s); err != nil {
		return nil
	}
	var scope logspb.ScopeLogs
	if err := proto.Unmarshal(field, &scope); err != nil || len(scope.LogRecords) != 1 {
		t.Fatalf("%d records, %v: %x", len(scope.LogRecords), err, field)
	}
	got := scope.LogRecords[0]
	if diff := cmp.Diff(wantRecord(&s, kept), got, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
		t.Fatalf("the record of %v:\n%s", &s, diff)
	}
	return got
}

// What entries make, joined or alone, and what Envoys send, has the record that the official runtime makes of it.
func TestLogRecord(t *testing.T) {
	b, l := New(options()), loggerOf("envoy-1", "edge")
	id, ext := b.Identity(), new(Extender)
	for i, span := range seedSpans(t) {
		checkRecord(t, span, i%2 == 0)
	}
	for i, entry := range seedEntries(t) {
		var e wire.Entry
		if !e.WalkHTTP(entry) {
			t.Fatalf("a broken entry: %x", entry)
		}
		c := claimOf(id, &e, l)
		made := func(span []byte, _ Repairs) []byte { return span }
		fields := [][]byte{made(b.Server(nil, &e, l, c)), made(b.Client(nil, &e, l, c, c.Own)), made(b.Inner(nil, &e, l, c)), made(b.Attempt(nil, &e, l, c))}
		for _, span := range seedSpans(t) {
			item := &Item{Bytes: span}
			item.What = ProxySpan
			if s := new(wire.Span); s.Walk(span) == wire.Sound {
				fields = append(fields, made(ext.Span(b, nil, item, Change{ID: mustSpan(idA), Parent: mustSpan(idB), Inner: true}, &e, l, c)))
			}
		}
		for _, field := range fields {
			r := wire.Read(field)
			r.Next()
			if got := checkRecord(t, r.Bytes, i%2 == 0); got == nil {
				t.Errorf("a span that the official runtime refuses: %x", field)
			}
		}
	}
}

// The severity and the body of requests of all kinds.
func TestLogRecordText(t *testing.T) {
	intValue := func(key string, n int64) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}}
	}
	method, path := stringAttribute("http.request.method", "GET"), stringAttribute("url.path", "/cart")
	failed := &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	for _, c := range []struct {
		span           *tracepb.Span
		severity, body string
	}{
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, path, intValue("http.response.status_code", 200)}}, "INFO", "GET /cart 200"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{intValue("http.response.status_code", 404), path, method}}, "WARN", "GET /cart 404"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, path, intValue("http.response.status_code", 404)}, Status: failed}, "ERROR", "GET /cart 404"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, path, stringAttribute("http.response.status_code", "429")}}, "WARN", "GET /cart 429"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, path}, Status: failed}, "ERROR", "GET /cart"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, stringAttribute("url.path", "/a?token=x"), intValue("http.response.status_code", 503)}, Status: failed}, "ERROR", "GET /a 503"},
		{&tracepb.Span{Name: "ingress /x?token=y", Attributes: []*commonpb.KeyValue{path}}, "INFO", "ingress /x /cart"},
		{&tracepb.Span{Name: "TCP"}, "INFO", "TCP"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, stringAttribute("url.full", "http://shop.example/a/b?token=z")}}, "INFO", "GET /a/b"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, stringAttribute("url.full", "http://shop.example?/a"), intValue("http.response.status_code", 200)}}, "INFO", "GET 200"},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, stringAttribute("url.full", "shop.example/a")}}, "INFO", "GET"},
		{&tracepb.Span{}, "INFO", ""},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, stringAttribute("url.path", "/"+strings.Repeat("é", 1000))}}, "INFO", "GET /" + strings.Repeat("é", 127)},
		{&tracepb.Span{Attributes: []*commonpb.KeyValue{method, path, stringAttribute("url.path", "/later")}}, "INFO", "GET /later"},
	} {
		got := checkRecord(t, encoded(t, c.span), true)
		if got.SeverityText != c.severity || got.Body.GetStringValue() != c.body {
			t.Errorf("%v: %s %q, want %s %q", c.span, got.SeverityText, got.Body.GetStringValue(), c.severity, c.body)
		}
	}
}

// The trace flags are the span's, but the sampled bit says whether the span leaves.
func TestLogRecordFlags(t *testing.T) {
	for flags, want := range map[uint32][2]uint32{0: {0, 1}, 0x301: {0, 1}, 0x302: {2, 3}, 1: {0, 1}} {
		for i, kept := range []bool{false, true} {
			if got := checkRecord(t, encoded(t, &tracepb.Span{Flags: flags}), kept); got.Flags != want[i] {
				t.Errorf("%#x, kept: %v: %#x, want %#x", flags, kept, got.Flags, want[i])
			}
		}
	}
}

func TestLogRecordAllocatesNothing(t *testing.T) {
	for _, span := range seedSpans(t) {
		dst := make([]byte, 0, len(span)+LogRecordRoom)
		if n := testing.AllocsPerRun(5, func() { LogRecord(dst, span, true) }); n > 0 {
			t.Fatalf("%v allocations for %x", n, span)
		}
	}
}

// FuzzLogRecord takes any bytes for a span: what the official runtime reads has the record that it makes, and the rest does no harm.
func FuzzLogRecord(f *testing.F) {
	for i, s := range seedSpans(f) {
		f.Add(s, i%2 == 0)
	}
	twice := slices.Concat([]byte("\x0a\x01x\x12\x04\x0a\x02/a\x0a\x08url.path"))
	f.Add(wire.AppendBytes(nil, spanAttributes, twice), true)
	f.Fuzz(func(t *testing.T, span []byte, kept bool) { checkRecord(t, span, kept) })
}

func firstOf(a, or string) string {
	if a == "" {
		return or
	}
	return a
}

// BenchmarkLogRecord is the record of a joined span, with its eight events and without.
func BenchmarkLogRecord(b *testing.B) {
	for name, events := range map[string]bool{"events": true, "no events": false} {
		b.Run(name, func(b *testing.B) {
			o := options()
			o.Events = events
			builder, l := New(o), loggerOf("envoy-1", "edge")
			var e wire.Entry
			e.WalkHTTP(entriesOf(b, "otel")[0])
			field, _ := builder.Server(nil, &e, l, claimOf(builder.Identity(), &e, l))
			r := wire.Read(field)
			r.Next()
			dst := make([]byte, 0, len(field)+LogRecordRoom)
			b.ReportAllocs()
			b.SetBytes(int64(len(r.Bytes)))
			for b.Loop() {
				LogRecord(dst, r.Bytes, true)
			}
		})
	}
}
