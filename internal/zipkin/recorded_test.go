package zipkin

import (
	"encoding/hex"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/recordings"
)

var zipkinModes = []string{"zipkin-shared", "zipkin-spawn-shared"}

// bodies gives the bodies that real Envoys sent.
func bodies(tb testing.TB, mode string) (all [][]byte) {
	tb.Helper()
	frames, err := recordings.Frames(mode)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range frames {
		if f.Kind == recordings.KindZipkin {
			all = append(all, f.Bytes)
		}
	}
	return all
}

func recorded(tb testing.TB) (all [][]byte) {
	for _, mode := range zipkinModes {
		all = append(all, bodies(tb, mode)...)
	}
	return all
}

// TestRecorded: each span that an Envoy sent comes out as it is known to be.
func TestRecorded(t *testing.T) {
	var d Decoder
	for _, mode := range zipkinModes {
		facts, err := recordings.Facts(mode)
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]recordings.Span{} // one id is that of several spans: of both Envoys, and of the passes of a redirect
		key := func(trace, id, kind string, start int64, status string) string {
			return fmt.Sprint(trace, id, kind, start, status)
		}
		for _, s := range facts.Spans {
			known[key(s.Trace, s.ID, s.Kind, s.Start, s.Attr["http.status_code"])] = s
		}
		if len(known) != len(facts.Spans) || len(known) == 0 {
			t.Fatalf("%s: %d spans with %d ids", mode, len(facts.Spans), len(known))
		}
		for _, body := range bodies(t, mode) {
			got, err := d.JSON(body, received)
			if err != nil || got.Truncated || got.Invalid != [NumReasons]int{} || got.Repaired != 0 {
				t.Fatal(got, err)
			}
			check(t, got)
			n := 0
			each(decode(t, got), func(r *trace.ResourceSpans, _ *trace.ScopeSpans, s *trace.Span) {
				kind := map[trace.Span_SpanKind]string{trace.Span_SPAN_KIND_SERVER: "SERVER", trace.Span_SPAN_KIND_CLIENT: "CLIENT"}[s.Kind]
				key := key(hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), kind, int64(s.StartTimeUnixNano), attribute(s, "http.status_code"))
				want, ok := known[key]
				if !ok {
					t.Errorf("%s: no such span: %v", mode, s)
					return
				}
				delete(known, key)
				checkRecorded(t, want, r, s)
				if shared := got.Marks[n]&Shared != 0; shared != want.Shared || got.Marks[n]&Debug != 0 {
					t.Errorf("mark %b of %v", got.Marks[n], want)
				}
				n++
			})
		}
		if len(known) > 0 {
			t.Errorf("%s: %d spans did not come: %v", mode, len(known), known)
		}
	}
}

func attribute(s *trace.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

func checkRecorded(t *testing.T, want recordings.Span, r *trace.ResourceSpans, s *trace.Span) {
	t.Helper()
	// What was sent beside the tags.
	tags := maps.Clone(want.Attr)
	tags["network.local.address"] = "192.0.2.2"
	got := map[string]string{}
	for _, a := range s.Attributes {
		if a.Key != "zipkin.shared" {
			got[a.Key] = a.Value.GetStringValue()
		}
	}
	if diff := cmp.Diff(tags, got); diff != "" {
		t.Errorf("attributes: %s", diff)
	}
	if hex.EncodeToString(s.ParentSpanId) != want.Parent || s.Name != want.Name || len(s.Events) == 0 || attributes(r.Resource.Attributes) != ` service.name="`+want.Service+`"` {
		t.Errorf("%v\nof %v, want %v", s, r.Resource, want)
	}
	if d := int64(s.EndTimeUnixNano) - want.End; d < -1000 || d > 1000 {
		t.Errorf("ends %d ns later than it should", d)
	}
	if isError := s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR; isError != (want.Attr["error"] == "true") {
		t.Errorf("status %v of %v", s.Status, want.Attr)
	}
}

func BenchmarkJSON(b *testing.B) { benchmark(b, recorded(b), (*Decoder).JSON) }

func BenchmarkProto(b *testing.B) {
	var lists [][]byte
	for _, body := range recorded(b) {
		spans, ok := protobuf(body)
		if !ok {
			b.Fatal("a recorded body cannot be said in protobuf")
		}
		lists = append(lists, listOf(spans...))
	}
	benchmark(b, lists, (*Decoder).Proto)
}
