package tree

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

var update = flag.Bool("update", false, "write the golden files")

const traceA = "4bf92f3577b34da6a3ce929d00010019"

const (
	server   = tracepb.Span_SPAN_KIND_SERVER
	client   = tracepb.Span_SPAN_KIND_CLIENT
	internal = tracepb.Span_SPAN_KIND_INTERNAL
)

// spanOf gives a span; ids are given by their last byte, times in us from the trace's begin, attributes as key=value.
func spanOf(id, parent byte, kind tracepb.Span_SpanKind, name string, start, end int, attributes ...string) *tracepb.Span {
	const begin = 1795247520_000000000
	s := &tracepb.Span{SpanId: []byte{0xb7, 0, 0, 0, 0, 0, 0, id}, Name: name, Kind: kind, Attributes: keyValues(attributes)}
	s.TraceId, _ = hex.DecodeString(traceA)
	if parent != 0 {
		s.ParentSpanId = []byte{0xb7, 0, 0, 0, 0, 0, 0, parent}
	}
	if start >= 0 {
		s.StartTimeUnixNano = uint64(begin + start*1000)
	}
	if end >= 0 {
		s.EndTimeUnixNano = uint64(begin + end*1000)
	}
	return s
}

func keyValues(attributes []string) []*commonpb.KeyValue {
	var kvs []*commonpb.KeyValue
	for _, a := range attributes {
		key, value, _ := strings.Cut(a, "=")
		v := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			v.Value = &commonpb.AnyValue_IntValue{IntValue: n}
		}
		kvs = append(kvs, &commonpb.KeyValue{Key: key, Value: v})
	}
	return kvs
}

func failed(s *tracepb.Span, message string) *tracepb.Span {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: message}
	return s
}

func of(service string, spans ...*tracepb.Span) *tracepb.ResourceSpans {
	rs := &tracepb.ResourceSpans{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}
	if service != "" {
		rs.Resource = &resourcepb.Resource{Attributes: keyValues([]string{"service.name=" + service})}
	}
	return rs
}

func twoHops() []*tracepb.ResourceSpans {
	first := spanOf(1, 0xff, server, "GET", 0, 24100, "url.path=/api/recommendations/17", "http.response.status_code=200", "envoy.response_flags=-")
	for _, e := range []struct {
		name string
		us   int
	}{{"envoy.last_downstream_rx_byte", 25}, {"envoy.first_upstream_tx_byte", 452}, {"envoy.last_upstream_tx_byte", 453}, {"first_upstream_rx_byte_received", 23600},
		{"last_upstream_rx_byte_received", 23800}, {"first_downstream_tx_byte_sent", 23700}, {"last_downstream_tx_byte_sent", 24090}} {
		first.Events = append(first.Events, &tracepb.Span_Event{Name: e.name, TimeUnixNano: first.StartTimeUnixNano + uint64(e.us)*1000})
	}
	return []*tracepb.ResourceSpans{
		of("mid",
			spanOf(3, 2, server, "GET", 640, 23400, "url.path=/api/recommendations/17", "http.response.status_code=200", "envoy.attempts=3"),
			failed(spanOf(4, 3, client, "GET", 800, 2100, "http.response.status_code=503", "error.type=503", "envoy.response_flags=UF"), ""),
			failed(spanOf(5, 3, client, "GET", 9000, 9900, "http.response.status_code=503", "error.type=503"), "connection refused"),
			spanOf(6, 3, client, "GET", 14000, 23300, "http.response.status_code=200")),
		of("recommend", spanOf(7, 6, internal, "rank", 15000, 22000), failed(spanOf(8, 6, client, "shop.Inventory/Get", 16000, 17100, "rpc.grpc.status_code=5"), "")),
		of("edge", first, spanOf(2, 1, client, "GET", 452, 23800, "http.response.status_code=200")),
	}
}

// odd is everything that spans should not be.
func odd() []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{
		of("a", spanOf(1, 0, server, "root", 100, 200), spanOf(1, 0, server, "root", 100, 200), spanOf(2, 1, client, "of the first", 120, 150)),
		of("b", spanOf(3, 4, server, "cycle, later", 60, 90), spanOf(4, 3, client, "cycle, earlier", 50, 95), spanOf(5, 3, internal, "below the cycle", 10, 20)),
		of("c", spanOf(6, 6, server, "its own parent", 70, 80)),
		of("", spanOf(7, 99, tracepb.Span_SPAN_KIND_UNSPECIFIED, "orphan without times", -1, -1), spanOf(8, 7, 77, "ends before it starts", 40, 30)),
		of("evil\x1b[31m", spanOf(9, 0, server, "bell\a \xff name", 45, -1, "url.path=/\r\n/b")),
		of("none", nil),
		{},
	}
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		rs []*tracepb.ResourceSpans
		o  Options
	}{
		"two-hops":  {twoHops(), Options{Events: true, Width: 110}},
		"narrow":    {twoHops(), Options{Events: true, Width: 70}},
		"color":     {twoHops(), Options{Color: true}},
		"odd":       {odd(), Options{}},
		"two-trace": {append(odd()[:1], otherTrace(twoHops()[1])), Options{}},
	} {
		var got bytes.Buffer
		if err := Print(&got, c.rs, c.o); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if !c.o.Color && strings.ContainsAny(got.String(), "\x1b\a\r") || !utf8.Valid(got.Bytes()) {
			t.Errorf("%s: a terminal would obey: %q", name, got.String())
		}
	}
}

// otherTrace moves spans to another trace.
func otherTrace(rs *tracepb.ResourceSpans) *tracepb.ResourceSpans {
	for _, s := range rs.ScopeSpans[0].Spans {
		s.TraceId = bytes.Repeat([]byte{9}, 16)
	}
	return rs
}

// TestWidth: lines keep to their width wherever there is enough for the columns at all.
func TestWidth(t *testing.T) {
	for _, width := range []int{80, 90, 100, 140} {
		var got bytes.Buffer
		if err := Print(&got, twoHops(), Options{Events: true, Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(got.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

// TestColor: the colours change nothing else.
func TestColor(t *testing.T) {
	var plain, colored bytes.Buffer
	Print(&plain, twoHops(), Options{Events: true})
	Print(&colored, twoHops(), Options{Events: true, Color: true})
	var stripped strings.Builder
	for i, part := range strings.Split(colored.String(), "\x1b[") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "m")
		}
		stripped.WriteString(part)
	}
	if diff := cmp.Diff(plain.String(), stripped.String()); diff != "" {
		t.Error(diff)
	}
}

// TestEverySpanOnce: whatever the ids are, each span is on one line, and no line is for nothing; no width is too small.
func TestEverySpanOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 1 + rng.IntN(12)
		var spans []*tracepb.Span
		for i := range n {
			spans = append(spans, spanOf(byte(1+rng.IntN(n)), byte(rng.IntN(n+2)), server, fmt.Sprintf("span%dx", i), rng.IntN(40)-1, rng.IntN(40)-1))
		}
		var got bytes.Buffer
		if err := Print(&got, []*tracepb.ResourceSpans{of("s", spans...)}, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := Print(io.Discard, []*tracepb.ResourceSpans{of("s", spans...)}, Options{Width: 1 + rng.IntN(60)}); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if strings.Count(got.String(), fmt.Sprintf("span%dx", i)) != 1 {
				t.Fatalf("span %d of\n%v\n%s", i, spans, got.String())
			}
		}
		if lines := strings.Count(got.String(), "\n"); lines != n+2 {
			t.Fatalf("%d lines for %d spans:\n%s", lines, n, got.String())
		}
	}
}

// TestDeepChain: a chain as long as a trace can be is drawn in time and space of its length.
func TestDeepChain(t *testing.T) {
	const depth = 100_000
	var spans []*tracepb.Span
	for i := range depth {
		s := spanOf(0, 0, client, "deep", i, depth)
		s.SpanId = []byte{0, 0, 0, 1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		if i > 0 {
			s.ParentSpanId = spans[i-1].SpanId
		}
		spans = append(spans, s)
	}
	spans[0].ParentSpanId = spans[depth-1].SpanId // and a cycle, which is said on a line of its own
	var got bytes.Buffer
	if err := Print(&got, []*tracepb.ResourceSpans{of("s", spans...)}, Options{}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(got.String(), "\n"); lines != depth+3 || got.Len() > 400*depth {
		t.Errorf("%d lines, %d bytes", lines, got.Len())
	}
}

func TestPrinter(t *testing.T) {
	span := func(trace, id byte, name string) []*tracepb.ResourceSpans {
		s := spanOf(id, 0, server, name, 0, 10)
		s.TraceId = bytes.Repeat([]byte{trace}, 16)
		return []*tracepb.ResourceSpans{of("s", s)}
	}
	var got bytes.Buffer
	now := time.Unix(1000, 0)
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	// take gives the names that have been printed since, and the number of traces.
	take := func() string {
		var names []string
		for line := range strings.Lines(got.String()) {
			switch {
			case strings.HasPrefix(line, "trace "):
				names = append(names, "|")
			case strings.Contains(line, "SERVER"):
				names = append(names, strings.Fields(strings.Split(line, "SERVER")[1])[0])
			}
		}
		got.Reset()
		return strings.Join(names, "")
	}
	check := func(when, want string) {
		t.Helper()
		if s := take(); s != want {
			t.Errorf("%s: %q, want %q", when, s, want)
		}
	}
	p := NewPrinter(&got, Options{MaxTraces: 3, MaxSpans: 4})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.Add(at(0), span(1, 1, "a")))
	must(p.Add(at(100), span(2, 1, "b")))
	must(p.Add(at(1400), span(1, 2, "A")))
	must(p.Flush(at(1599)))
	check("nothing is quiet", "")
	must(p.Flush(at(1600)))
	check("the second is quiet", "|b")
	must(p.Flush(at(2900)))
	check("the first is quiet too", "|aA")
	must(p.Add(at(3000), span(1, 3, "late")))
	must(p.Add(at(3000), span(2, 3, "c")))
	must(p.Add(at(3000), span(3, 3, "d")))
	must(p.Add(at(3000), span(4, 3, "e")))
	check("too many traces", "|late")
	for i, name := range []string{"f", "g", "h"} {
		must(p.Add(at(3001), span(3, byte(10+i), name)))
	}
	check("too many spans", "|dfgh")
	must(p.Close())
	check("close", "|c|e")
	must(p.Flush(at(99999)))
	must(p.Close())
	check("nothing is left", "")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriterErrors(t *testing.T) {
	p := NewPrinter(broken{}, Options{MaxTraces: 1})
	if err := p.Add(time.Now(), twoHops()); err != nil {
		t.Error(err)
	}
	if err := p.Add(time.Now(), []*tracepb.ResourceSpans{otherTrace(twoHops()[1])}); err == nil {
		t.Error("Add hides it")
	}
	if err := p.Close(); err == nil {
		t.Error("Close hides it")
	}
	if err := Print(broken{}, twoHops(), Options{}); err == nil {
		t.Error("Print hides it")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 7: "7ns", 999: "999ns", 1000: "1.00µs", 1234: "1.23µs", 9_996: "10.0µs", 24_717: "24.7µs", 999_400: "999µs", 999_600: "1.00ms",
		151 * time.Millisecond: "151ms", 1310 * time.Millisecond: "1.31s", 59900 * time.Millisecond: "59.9s", 99 * time.Second: "99.0s", 36001 * time.Second: "10h0m1s",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
