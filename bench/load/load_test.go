package load

import (
	"testing"
	"time"

	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/bench/mark"
)

// ends are times at which the nanoseconds of a start have each length on the wire.
func ends() (list []time.Time) {
	for _, nanos := range []int64{0, 1, 1 << 20, fiveBytes - 1, fiveBytes, 999_999_999} {
		list = append(list, time.Unix(1_795_000_000, nanos))
	}
	return list
}

func numbered(first mark.ID, end time.Time) *numbers {
	n := once(first, end.UnixNano())
	return &n
}

func compose(t *testing.T, o Options) *composer {
	t.Helper()
	c, err := newCorpus(&o)
	if err != nil {
		t.Fatal(err)
	}
	return &composer{corpus: c}
}

func TestEntriesDecode(t *testing.T) {
	seen := map[string]bool{}
	size, count := 0, 0
	for n, h := range []Headers{W3C, B3, None} {
		c := compose(t, Options{Protocol: ALS, Streams: 2, Headers: h})
		for i, end := range ends() {
			first := mark.ID{Run: uint32(n + 1), Stream: 1, Seq: uint64(i * shapes)}
			b := *c.als(new(buffers.Pool), c.prefixes[1], shapes, numbered(first, end))
			m := new(als.StreamAccessLogsMessage)
			if err := proto.Unmarshal(b, m); err != nil {
				t.Fatalf("%s at %v: %v", h, end, err)
			}
			if m.Identifier.GetNode().GetId() == "" || m.Identifier.GetLogName() == "" {
				t.Error("the first message does not say who sends it")
			}
			list := m.GetHttpLogs().GetLogEntry()
			if len(list) != shapes {
				t.Fatalf("%d entries, want %d", len(list), shapes)
			}
			size, count = size+len(b), count+shapes
			for k, e := range list {
				id := first
				id.Seq += uint64(k)
				if got, ok := mark.FromRequestID([]byte(e.Request.RequestId)); !ok || got != id {
					t.Fatalf("request id %q of %v says %v", e.Request.RequestId, id, got)
				}
				if e.Request.RequestHeaders["x-request-id"] != e.Request.RequestId || e.CommonProperties.StreamId != e.Request.RequestId {
					t.Fatal("the places of the request id differ")
				}
				if got := e.CommonProperties.StartTime.AsTime().Add(e.CommonProperties.Duration.AsDuration()); !got.Equal(end) {
					t.Fatalf("entry %d ends at %v, want %v", k, got, end)
				}
				logged := e.Request.RequestHeaders["traceparent"] + e.Request.RequestHeaders["x-b3-traceid"]
				if (logged == "") != (h == None) || seen[logged] && h != None {
					t.Fatalf("%s: the trace context %q is not new", h, logged)
				}
				seen[logged] = true
			}
		}
	}
	if mean := size / count; mean < 1000 || mean > 1200 {
		t.Errorf("%d bytes an entry, want about 1.1 KiB", mean)
	}
}

func TestSpansDecode(t *testing.T) {
	c := compose(t, Options{Protocol: OTLP, Streams: 1})
	for i, end := range ends() {
		first := mark.ID{Run: 7, Seq: uint64(i * shapes)}
		m := new(tracepb.TracesData) // has the fields of a request
		if err := proto.Unmarshal(*c.otlp(new(buffers.Pool), shapes, numbered(first, end)), m); err != nil {
			t.Fatal(err)
		}
		list := m.ResourceSpans[0].ScopeSpans[0].Spans
		if len(list) != shapes || m.ResourceSpans[0].Resource == nil {
			t.Fatalf("%d spans, resource %v", len(list), m.ResourceSpans[0].Resource)
		}
		for k, s := range list {
			id := first
			id.Seq += uint64(k)
			if got, ok := mark.FromTrace(s.TraceId); !ok || got != id {
				t.Fatalf("trace id %x of %v says %v", s.TraceId, id, got)
			}
			if span := id.Span(); string(s.SpanId) != string(span[:]) {
				t.Fatalf("span id %x, want %x", s.SpanId, span)
			}
			if s.EndTimeUnixNano != uint64(end.UnixNano()) || s.EndTimeUnixNano-s.StartTimeUnixNano != uint64(duration(k)) {
				t.Fatalf("span %d lasts from %d to %d", k, s.StartTimeUnixNano, s.EndTimeUnixNano)
			}
			if len(s.Attributes) != 18 {
				t.Fatalf("%d attributes, want 18", len(s.Attributes))
			}
		}
	}
}

// Probes are told by their User-Agent, have numbers of streams of their own, and do not count as what is to come out.
func TestProbes(t *testing.T) {
	o := Options{Protocol: OTLP, Streams: 2, Rate: 1000, Entries: 14, Probes: 3}
	c, err := newCorpus(&o)
	if err != nil {
		t.Fatal(err)
	}
	l := &Load{opts: o}
	var out [2]keeper
	for i := range out {
		l.lanes = append(l.lanes, &lane{number: i, load: l, composer: composer{corpus: c}, out: &out[i]})
	}
	r, err := l.Run(t.Context(), 3, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]uint64{}
	for i := range out {
		for _, b := range out[i].messages {
			m := new(tracepb.TracesData)
			if err := proto.Unmarshal(b, m); err != nil {
				t.Fatal(err)
			}
			for _, s := range m.ResourceSpans[0].ScopeSpans[0].Spans {
				id, _ := mark.FromTrace(s.TraceId)
				stream := uint32(i)
				if attribute(s, "user_agent") == probeAgent {
					stream += 2
				}
				if id.Stream != stream || id.Seq != seen[stream] {
					t.Fatalf("a span of lane %d has the number %+v, want %d of stream %d: %v", i, id, seen[stream], stream, s)
				}
				seen[stream]++
			}
		}
	}
	if r.Streams[0] != seen[0] || r.Streams[1] != seen[1] || r.Probes != seen[2]+seen[3] || r.Entries != r.Traces()+r.Probes || r.Probes*3 < r.Entries || r.Probes*3 > r.Entries+4 {
		t.Errorf("%+v, but there were %v", r, seen)
	}
}
