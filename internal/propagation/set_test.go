package propagation

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	traceHex  = "0af7651916cd43dd8448eb211c80319c"
	shortHex  = "8448eb211c80319c"
	spanHex   = "b7ad6b7169203331"
	parentHex = "05e3ac9a4f6e3b90"
	zeroTrace = "00000000000000000000000000000000"
	zeroSpan  = "0000000000000000"
)

// newSet is a finished Set of headers, given as key, value, key, value.
func newSet(headers ...string) *Set {
	s := new(Set)
	for pair := range slices.Chunk(headers, 2) {
		s.Header([]byte(pair[0]), []byte(pair[1]))
	}
	s.Finish()
	return s
}

func traceID(t testing.TB, digits string) (id TraceID) {
	t.Helper()
	if n, err := hex.Decode(id[:], []byte(digits)); err != nil || n != len(id) {
		t.Fatalf("cannot decode trace id %q: %d bytes, %v", digits, n, err)
	}
	return id
}

func spanID(t testing.TB, digits string) (id SpanID) {
	t.Helper()
	if digits == "" {
		return id
	}
	if n, err := hex.Decode(id[:], []byte(digits)); err != nil || n != len(id) {
		t.Fatalf("cannot decode span id %q: %d bytes, %v", digits, n, err)
	}
	return id
}

// check compares what s says of format f: the reason, and the context that is there with Valid only.
func check(t *testing.T, s *Set, f Format, reason Reason, want Context) {
	t.Helper()
	if got := s.Reason(f); got != reason {
		t.Errorf("Reason(%s) = %s, want %s", f, got, reason)
	}
	ctx, ok := s.Get(f)
	if ok != (reason == Valid) {
		t.Fatalf("Get(%s) = %v, %v with reason %s", f, ctx, ok, reason)
	}
	if !ok {
		if ctx != nil {
			t.Errorf("Get(%s) gives %v with false", f, ctx)
		}
		return
	}
	if diff := cmp.Diff(want, *ctx); diff != "" {
		t.Errorf("context of %s (-want +got):\n%s", f, diff)
	}
}

func TestEmptySet(t *testing.T) {
	s := newSet()
	for f := range NumFormats {
		check(t, s, f, Absent, Context{})
		if s.Denied(f) || s.Decision(f) != Deferred {
			t.Errorf("%s: an empty set decides", f)
		}
	}
	if value, present := s.TraceState(); present || value != nil {
		t.Errorf("TraceState() = %q, %v", value, present)
	}
	if _, ctx, ok := s.Choose([]Format{TraceParent, B3Multi, B3Single}); ok || ctx != nil {
		t.Errorf("Choose gives %v, %v", ctx, ok)
	}
}

func TestOtherHeadersAreIgnored(t *testing.T) {
	tp := "00-" + traceHex + "-" + spanHex + "-01"
	s := newSet("", "1", ":path", "/", "x-request-id", "abc", "Traceparent", tp, "TRACEPARENT", tp, "trace-parent", tp, "trace.parent", tp,
		"B3", "0", "b4", "0", "x-b3-", "1", "x-b3-sample", "0", "x-b3-parentspanix", spanHex, "trace-stat", "a=1", "tracestat", "a=1",
		strings.Repeat("x", 63), "1", strings.Repeat("x", 64), "1", strings.Repeat("x", 300), "1")
	if diff := cmp.Diff(Set{}, *s, cmp.AllowUnexported(Set{}, state{})); diff != "" {
		t.Errorf("not empty (-want +got):\n%s", diff)
	}
}

func TestReset(t *testing.T) {
	s := newSet("traceparent", "00-"+traceHex+"-"+spanHex+"-01", "tracestate", "a=1", "b3", "0", "x-b3-spanid", spanHex,
		"uber-trace-id", "1:2:0:1", "x-datadog-trace-id", "1", "x-datadog-tags", "_dd.p.tid="+spanHex, "x-amzn-trace-id", "Root=x", "x-cloud-trace-context", traceHex,
		"x-ot-span-context", "EigJ", "ot-tracer-sampled", "1", "grpc-trace-bin", "AA")
	if seen := s.Seen(); seen != 1<<NumFormats-1 {
		t.Errorf("Seen() = %b", seen)
	}
	s.Reset()
	if diff := cmp.Diff(Set{}, *s, cmp.AllowUnexported(Set{}, state{})); diff != "" {
		t.Errorf("not empty (-want +got):\n%s", diff)
	}
}

func TestSetKeepsNoBytes(t *testing.T) {
	values := map[string][]byte{"traceparent": []byte("00-" + traceHex + "-" + spanHex + "-03"), "b3": []byte(traceHex + "-" + spanHex + "-1-" + parentHex),
		"x-b3-traceid": []byte(traceHex), "x-b3-spanid": []byte(spanHex), "x-b3-parentspanid": []byte(parentHex), "x-b3-sampled": []byte("1")}
	var s Set
	for key, value := range values {
		s.Header([]byte(key), value)
		for i := range value {
			value[i] = '!'
		}
	}
	s.Finish()
	want := Context{Trace: traceID(t, traceHex), Span: spanID(t, spanHex), Parent: spanID(t, parentHex), Decision: Sampled, Flags: FlagSampled}
	check(t, &s, B3Multi, Valid, want)
	check(t, &s, B3Single, Valid, want)
	want.Parent, want.Flags = SpanID{}, FlagSampled|FlagRandom
	check(t, &s, TraceParent, Valid, want)
}

func TestTraceStateIsEvidence(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		value   string
		present bool
	}{
		{"none", nil, "", false},
		{"empty, as Envoy writes it when it injects", []string{"tracestate", ""}, "", true},
		{"as it is, unchecked", []string{"tracestate", " a=1,,\xff"}, " a=1,,\xff", true},
		{"without traceparent", []string{"tracestate", "a=1"}, "a=1", true},
		{"the first of two", []string{"tracestate", "", "tracestate", "a=1"}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value, present := newSet(tt.headers...).TraceState()
			if string(value) != tt.value || present != tt.present {
				t.Errorf("TraceState() = %q, %v, want %q, %v", value, present, tt.value, tt.present)
			}
		})
	}
}

// A bad tracestate does not affect traceparent (W3C Trace Context, processing model).
func TestBadTraceStateLeavesTraceParent(t *testing.T) {
	s := newSet("tracestate", "=,=", "traceparent", "00-"+traceHex+"-"+spanHex+"-00")
	check(t, s, TraceParent, Valid, Context{Trace: traceID(t, traceHex), Span: spanID(t, spanHex), Decision: NotSampled})
}

func TestChoose(t *testing.T) {
	const other = "11111111111111111111111111111111"
	headers := []string{"traceparent", "00-" + traceHex + "-" + spanHex + "-01", "b3", other + "-" + spanHex,
		"x-b3-traceid", shortHex, "x-b3-spanid", parentHex}
	all := []Format{TraceParent, B3Multi, B3Single}
	tests := []struct {
		name    string
		headers []string
		order   []Format
		want    Format
		ok      bool
	}{
		{"the default order", headers, all, TraceParent, true},
		{"behind a Zipkin tracer", headers, []Format{B3Multi, B3Single, TraceParent}, B3Multi, true},
		{"B3's own order", headers, []Format{B3Single, B3Multi}, B3Single, true},
		{"no order", headers, nil, 0, false},
		{"the first is invalid", append([]string{"traceparent", "00"}, headers...), all, B3Multi, true},
		{"b3 without usable ids, multi counts", []string{"b3", "1", "x-b3-traceid", traceHex, "x-b3-spanid", spanHex}, []Format{B3Single, B3Multi}, B3Multi, true},
		{"b3 malformed, multi counts", []string{"b3", traceHex + "-", "x-b3-traceid", traceHex, "x-b3-spanid", spanHex}, []Format{B3Single, B3Multi}, B3Multi, true},
		{"multi incomplete, b3 counts", []string{"b3", traceHex + "-" + spanHex, "x-b3-spanid", spanHex}, all, B3Single, true},
		{"a valid one outside the order", []string{"b3", traceHex + "-" + spanHex}, []Format{TraceParent, B3Multi}, 0, false},
		{"a decision alone is no context", []string{"b3", "d", "x-b3-sampled", "1"}, all, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSet(tt.headers...)
			f, ctx, ok := s.Choose(tt.order)
			if f != tt.want || ok != tt.ok {
				t.Fatalf("Choose = %s, %v, want %s, %v", f, ok, tt.want, tt.ok)
			}
			if !ok {
				return
			}
			if want, _ := s.Get(f); ctx != want {
				t.Errorf("Choose gives %p, Get %p", ctx, want)
			}
		})
	}
}

// The two widths of one trace id (Zipkin reports either) have the same low half.
func TestTwoWidths(t *testing.T) {
	s := newSet("b3", shortHex+"-"+spanHex, "traceparent", "00-"+traceHex+"-"+spanHex+"-01")
	narrow, _ := s.Get(B3Single)
	wide, _ := s.Get(TraceParent)
	if narrow.Trace == wide.Trace || narrow.Trace.Low() != wide.Trace.Low() {
		t.Errorf("%s and %s: Low() = %x and %x", narrow.Trace, wide.Trace, narrow.Trace.Low(), wide.Trace.Low())
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	type header struct{ key, value []byte }
	var headers []header
	for _, h := range [][2]string{{":path", "/"}, {"x-request-id", "5a7d5b0f-3a4e-9f3d-8f0b-3b7f3f0c9d11"}, {"content-type", "text/plain"},
		{"traceparent", "00-" + traceHex + "-" + spanHex + "-01"}, {"traceparent", "zz"}, {"tracestate", "ot=th:8;rv:0123456789abcd,a=1"},
		{"b3", traceHex + "-" + spanHex + "-1-" + parentHex}, {"b3", "0"}, {"x-b3-traceid", traceHex}, {"x-b3-spanid", spanHex},
		{"x-b3-parentspanid", parentHex}, {"x-b3-sampled", "true"}, {"x-b3-flags", "1"},
		{"uber-trace-id", traceHex + "%3A" + spanHex + "%3A0%3A1"}, {"x-datadog-trace-id", "1234567890123456789"}, {"x-datadog-parent-id", "987654321"},
		{"x-datadog-sampling-priority", "1"}, {"x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=640cfd8d00000000"}, {"x-datadog-origin", "synthetics"},
		{"x-amzn-trace-id", "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1"}, {"x-cloud-trace-context", traceHex + "/123;o=1"},
		{"x-ot-span-context", "EigJOjioEaYHBgcRNmifUO7/xlgYASISCgdjaGVja2VkEgdiYWdnYWdl"}, {"ot-tracer-traceid", shortHex}, {"ot-tracer-spanid", spanHex},
		{"ot-tracer-sampled", "true"}, {"grpc-trace-bin", "AABL+S81d7NNpqPOkp0ADkc2ATTwZ6oLqQK3AgE="}} {
		headers = append(headers, header{[]byte(h[0]), []byte(h[1])})
	}
	order := []Format{TraceParent, B3Multi, B3Single}
	dst, trace, span, baggage := make([]byte, 0, 512), []byte(traceHex), []byte(spanHex), []byte("a=1%202,b=x;p=1,a=4")
	s := new(Set)
	if n := testing.AllocsPerRun(100, func() {
		for i := range headers {
			s.Header(headers[i].key, headers[i].value)
		}
		s.Finish()
		if f, ctx, ok := s.Choose(order); !ok || f != B3Multi || ctx.Decision != Debug {
			t.Errorf("Choose = %s, %v", f, ok)
		}
		for f := B3Multi; f < NumFormats; f++ {
			if _, ok := s.Get(f); !ok {
				t.Errorf("%s: %s", f, s.Reason(f))
			}
		}
		for m := ReadBaggage(baggage); m.Next(); {
			AppendUnescaped(dst, m.Value)
		}
		value, _ := s.TraceState()
		if got := AppendTraceState(dst, value); len(got) != len(value) {
			t.Errorf("tracestate %q became %q", value, got)
		}
		ParseTraceID(trace)
		ParseSpanID(span)
		s.Reset()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// An entry with one format costs what it did before there were more: only what was seen is looked at and cleared.
func BenchmarkSetFormats(b *testing.B) {
	for name, headers := range map[string][]string{
		"uber-trace-id": {"uber-trace-id", traceHex + ":" + spanHex + ":0:1"},
		"x-datadog":     {"x-datadog-trace-id", "1234567890123456789", "x-datadog-parent-id", "987654321", "x-datadog-sampling-priority", "1", "x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=640cfd8d00000000"},
		"x-amzn":        {"x-amzn-trace-id", "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1"},
		"lightstep":     {"x-ot-span-context", "EigJOjioEaYHBgcRNmifUO7/xlgYASISCgdjaGVja2VkEgdiYWdnYWdl"},
	} {
		var pairs [][2][]byte
		for pair := range slices.Chunk(headers, 2) {
			pairs = append(pairs, [2][]byte{[]byte(pair[0]), []byte(pair[1])})
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var s Set
			for b.Loop() {
				s.Reset()
				for _, pair := range pairs {
					s.Header(pair[0], pair[1])
				}
				s.Finish()
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	keys := [][]byte{[]byte(":method"), []byte("x-request-id"), []byte("user-agent"), []byte("traceparent"), []byte("tracestate")}
	values := [][]byte{[]byte("GET"), []byte("5a7d5b0f-3a4e-9f3d-8f0b-3b7f3f0c9d11"), []byte("curl/8"), []byte("00-" + traceHex + "-" + spanHex + "-01"), nil}
	b.ReportAllocs()
	var s Set
	for b.Loop() {
		s.Reset()
		for i := range keys {
			s.Header(keys[i], values[i])
		}
		s.Finish()
		if _, ok := s.Get(TraceParent); !ok {
			b.Fatal(s.Reason(TraceParent))
		}
	}
}
