package sink

import (
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/mark"
)

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request encodes spans that bear numbers, in the trace id or in an attribute.
func request(t *testing.T, byRequest bool, end time.Time, ids ...mark.ID) []byte {
	scope := &tracepb.ScopeSpans{}
	for _, id := range ids {
		trace := id.Trace()
		s := &tracepb.Span{TraceId: trace[:], EndTimeUnixNano: uint64(end.UnixNano()), Name: "GET"}
		if byRequest {
			text := make([]byte, mark.RequestIDSize)
			id.PutRequestID(text)
			s.TraceId = []byte("0123456789abcdef")
			s.Attributes = []*common.KeyValue{{Key: "envoy.log_name", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "edge"}}},
				{Key: "envoy.request_id", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: string(text)}}}}
		}
		scope.Spans = append(scope.Spans, s)
	}
	return encode(t, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{scope}}}})
}

func TestLossesAndDoublesAreFound(t *testing.T) {
	for _, byRequest := range []bool{false, true} {
		tally, p, now := NewTally(), new(parsed), time.Now()
		take := func(ids ...mark.ID) {
			t.Helper()
			if err := p.read(request(t, byRequest, now.Add(-80*time.Millisecond), ids...), byRequest); err != nil {
				t.Fatal(err)
			}
			tally.note(p.spans, p.foreign, now)
		}
		const run = 3
		id := func(stream uint32, seq uint64) mark.ID { return mark.ID{Run: run, Stream: stream, Seq: seq} }
		for seq := range uint64(1000) {
			if seq != 17 && seq != 999 {
				take(id(0, seq), id(1, seq))
			}
		}
		take(id(1, 17), id(1, 5), id(1, 5), id(1, 2000), mark.ID{Run: run + 1})

		v := tally.Judge(run, []uint64{1000, 1000, 3})
		if v.Spans != 1997 || v.Lost != 6 || v.Doubled != 2 || v.Unsent != 1 || v.Foreign != 0 {
			t.Errorf("by request id %v: %+v", byRequest, v)
		}
		if len(v.FirstLost) != few || len(v.FirstTwice) != 2 || v.FirstLost[0] != name(id(0, 17)) || v.FirstTwice[0] != name(id(1, 5)) {
			t.Errorf("by request id %v: names %q and %q", byRequest, v.FirstLost, v.FirstTwice)
		}
		if v.Latency.P50 < 79.5 || v.Latency.Max > 80.5 {
			t.Errorf("latency %+v, want 80 ms", v.Latency)
		}
		if v := tally.Judge(run+5, []uint64{2}); v.Lost != 2 || v.Spans != 0 {
			t.Errorf("a run of which nothing came: %+v", v)
		}
	}
}

func TestForeignAndBrokenSpans(t *testing.T) {
	p := new(parsed)
	foreign := encode(t, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{
		Spans: []*tracepb.Span{{TraceId: []byte("0123456789abcdef")}, {}}}}}}})
	if err := p.read(foreign, false); err != nil || p.foreign != 2 || len(p.spans) != 0 {
		t.Errorf("%v, %d foreign, %d known", err, p.foreign, len(p.spans))
	}
	whole := request(t, false, time.Now(), mark.ID{Run: 1})
	for n := 1; n < len(whole); n++ {
		if err := p.read(whole[:n], false); err == nil {
			t.Fatalf("a request cut to %d bytes of %d was taken", n, len(whole))
		}
	}
}

func TestRecordsAreCounted(t *testing.T) {
	scope := &logs.ScopeLogs{LogRecords: []*logs.LogRecord{{TimeUnixNano: 1}, {TimeUnixNano: 2}}}
	b := encode(t, &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{scope, scope}}, {ScopeLogs: []*logs.ScopeLogs{scope}}}})
	if n, err := countRecords(b); n != 6 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}
