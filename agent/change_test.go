package agent

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
)

// Spans of all sizes, among them those that nearly fill a chunk, grow and shrink by the rules, and none is lost or broken.
func TestChangesOfAllSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = "0123456789"
		r := newRig(t, func(c *config.Config) {
			c.Export.WhenFull = "wait"
			c.Filter.Traces.SpanEvent = []config.Text{{Value: `name == "gone"`, Path: "filter.traces.spanevent[0]"}}
			c.Attributes.Actions = []config.Action{{Key: "copy", Action: "insert", FromAttribute: "filler"}, {Key: "short", Action: "delete"}, {Key: "long", Action: "insert", Value: strings.Repeat(long, 10)}}
			c.Redaction.BlockedValues = []config.Text{{Value: "secret"}}
		})
		want := map[string]int{}
		for round := range 300 {
			var spans []*tracepb.Span
			for i := range 1 + rand.IntN(4) {
				n := rand.IntN(1 << rand.IntN(17))
				if round%3 == 0 {
					n = chunkSize/2 - 200 + rand.IntN(300)
				}
				id := []byte{byte(round >> 8), byte(round), byte(i), 1, 1, 1, 1, 1}
				s := &tracepb.Span{TraceId: []byte("trace-0123456789"), SpanId: id, Name: "app"}
				if n%3 > 0 {
					s.Attributes = append(s.Attributes, text("short", "secret"), text("filler", strings.Repeat("x", n)), text("other", "a secret"))
				}
				if n%2 > 0 {
					s.Events = []*tracepb.Span_Event{{Name: "gone"}, {Name: "stays"}, {Name: "gone"}}
				}
				spans = append(spans, s)
				want[string(id)] = n
			}
			r.request(otlpMessage(t, spans...))
		}
		r.after(20 * time.Second)
		for _, s := range r.out {
			n, ok := want[string(s.SpanId)]
			delete(want, string(s.SpanId))
			a := attributesOf(s.Span)
			fillers := 0
			if n%3 > 0 {
				fillers = n
			}
			if _, short := a["short"]; !ok || short || len(a["long"]) != 100 || len(a["filler"]) != fillers || len(a["copy"]) != fillers || len(s.Events) != n%2 || a["other"] != "" && a["other"] != "a ****" {
				t.Errorf("a span of %d bytes came out with %d", n, proto.Size(s.Span))
			}
		}
		if len(want) > 0 {
			t.Errorf("%d spans are lost: %d were too large, for %d there was no room", len(want), r.p.Spans.Dropped[ledger.SpanOversize].Load(), r.p.Spans.Dropped[ledger.SpanFull].Load())
		}
		r.end()
	})
}
