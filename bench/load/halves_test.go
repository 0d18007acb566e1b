package load

import (
	"context"
	"encoding/hex"
	"slices"
	"sync"
	"testing"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/mark"
)

// keeper keeps what is sent.
type keeper struct {
	mu       sync.Mutex
	messages [][]byte
	at       []time.Time
}

func (k *keeper) send(_ context.Context, m *[]byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages, k.at = append(k.messages, slices.Clone(*m)), append(k.at, time.Now())
	return nil
}

func (*keeper) close() error { return nil }

// halves are the entries and spans of one stream, and when they were sent.
type halves struct {
	entries         []*alsdata.HTTPAccessLogEntry
	spans           []*tracepb.Span
	entryAt, spanAt []time.Time
	node            string
}

// sendHalves sends two streams' halves for a moment and gives those of the second one.
func sendHalves(t *testing.T, every int) (h halves, r *Report) {
	t.Helper()
	o := Options{Protocol: Both, Streams: 2, Rate: 1000, Entries: 14, Headers: W3C, Halves: Halves{Spans: 5, Every: every, Lag: 40 * time.Millisecond}}
	entries, err := newCorpus(&o)
	if err != nil {
		t.Fatal(err)
	}
	spans, err := spanCorpus(&o)
	if err != nil {
		t.Fatal(err)
	}
	l := &Load{opts: o}
	outs := [2][2]keeper{}
	for i := range outs {
		l.lanes = append(l.lanes, &lane{number: i, load: l, composer: composer{corpus: entries}, out: &outs[i][0], prefix: entries.prefixes[i],
			spans: &spanLane{composer: composer{corpus: spans, node: i}, out: &outs[i][1]}})
	}
	if r, err = l.Run(t.Context(), 3, 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for i, b := range outs[1][0].messages {
		m := new(als.StreamAccessLogsMessage)
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			h.node = m.Identifier.Node.Id
		}
		for _, e := range m.GetHttpLogs().LogEntry {
			h.entries, h.entryAt = append(h.entries, e), append(h.entryAt, outs[1][0].at[i])
		}
	}
	for i, b := range outs[1][1].messages {
		m := new(tracepb.TracesData)
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
		if n := len(m.ResourceSpans[0].ScopeSpans[0].Spans); n > 5 {
			t.Fatalf("%d spans in a request", n)
		}
		for _, s := range m.ResourceSpans[0].ScopeSpans[0].Spans {
			h.spans, h.spanAt = append(h.spans, s), append(h.spanAt, outs[1][1].at[i])
		}
	}
	return h, r
}

func attribute(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

func TestHalvesBelongTogether(t *testing.T) {
	for every, reason := range map[int]string{1: "9", 10: "9", 0: "4"} {
		h, r := sendHalves(t, every)
		if len(h.entries) != 100 || len(h.spans) != 100 || r.Entries != 400 || every == 10 && (r.Pairs != 20 || r.Traces() != 380) || every == 1 && r.Traces() != 200 {
			t.Fatalf("every %d: %d entries, %d spans, report %+v", every, len(h.entries), len(h.spans), r)
		}
		reasons := map[byte]int{}
		for i, e := range h.entries {
			s := h.spans[i]
			if !h.spanAt[i].Before(h.entryAt[i]) {
				t.Fatalf("item %d: the entry comes first", i)
			}
			start := e.CommonProperties.StartTime.AsTime()
			if s.StartTimeUnixNano != uint64(start.UnixNano()) || s.EndTimeUnixNano != uint64(start.Add(e.CommonProperties.Duration.AsDuration()).UnixNano()) {
				t.Fatalf("item %d: the times differ", i)
			}
			if attribute(s, "node_id") != h.node || attribute(s, "http.status_code") == "" || (attribute(s, "component") == "proxy") != (every > 0) || len(s.Attributes) < 17 {
				t.Fatalf("item %d, of %s: %v", i, h.node, s)
			}
			a, _ := mark.FromRequestID([]byte(e.Request.RequestId))
			b, _ := mark.FromRequestID([]byte(attribute(s, "guid:x-request-id")))
			trace, _ := mark.FromTrace(s.TraceId)
			if together := every > 0 && i%every == 0; (a == b) != together || b != trace || a.Stream >= 6 {
				t.Fatalf("every %d, item %d: entry %v, span %v", every, i, a, b)
			}
			id, span := a.Trace(), a.Span()
			flag := "01"
			if every == 0 {
				flag = "00"
			}
			if want := "00-" + hexOf(id[:]) + "-" + hexOf(span[:]) + "-" + flag; e.Request.RequestHeaders["traceparent"] != want {
				t.Fatalf("item %d: %s, want %s", i, e.Request.RequestHeaders["traceparent"], want)
			}
			reasons[e.Request.RequestId[reasonAt]]++
			if got := attribute(s, "guid:x-request-id"); got[reasonAt:reasonAt+1] != reason {
				t.Fatalf("span %d: %s", i, got)
			}
		}
		if every > 0 && (reasons['9'] != 75 || reasons['4'] != 25) {
			t.Errorf("reasons of entries: %v", reasons)
		}
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
