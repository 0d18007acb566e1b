package agent

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/tail"
)

// contoursLine gives the line that Contour's Envoy writes of request n of pair.
func contoursLine(n int, start time.Time) []byte {
	e, _ := pair(n)
	return fmt.Appendf(nil, `{"@timestamp":%q,"duration":10,"method":"GET","path":"/cart","request_id":%q,"response_code":200,"traceparent":%q}`,
		start.UTC().Format("2006-01-02T15:04:05.000Z"), e.Request.RequestId, e.Request.RequestHeaders["traceparent"])
}

// A span waits as long for its entry as Envoy may keep that back from its file, be it the first that comes of this Envoy. It does not
// where no files are followed.
func TestSpansWaitForFiles(t *testing.T) {
	for _, follows := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var c *config.Config
			r := newRig(t, func(to *config.Config) {
				if c = to; follows {
					c.Receive.Files.Paths = []string{"/var/log/envoy/*.log"}
				}
			})
			in, err := r.p.fileInlet(&c.Receive)
			if err != nil {
				t.Fatal(err)
			}
			in.node = "envoy-1"
			for n := range 2 {
				_, s := pair(n)
				r.request(otlpMessage(t, s))
				r.after(9 * time.Second)
				in.take(&tail.Batch{Path: "/var/log/envoy/0.log", File: 1, Lines: []tail.Line{{
					Bytes: contoursLine(n, time.Unix(0, int64(s.StartTimeUnixNano))), Offset: int64(1000 * n)}}})
				r.after(time.Second)
			}
			out := r.end()
			joined := 0
			for _, s := range out {
				if attributesOf(s.Span)["envoy.log_name"] != "" && s.Name == "ingress" {
					joined++
				}
			}
			// Without files the first line comes too late, and tells that there are files all the same.
			if follows && (joined != 2 || len(out) != 2) || !follows && joined != 0 {
				t.Errorf("follows files %t: of %d spans %d are joined: %v", follows, len(out), joined, out)
			}
		})
	}
}

// recordOf gives the OTLP log record that Envoy writes of request n of pair.
func recordOf(t *testing.T, n int, start time.Time) []byte {
	t.Helper()
	e, s := pair(n)
	b, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("log_name", "records"), text("node_name", "envoy-1")}},
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{TimeUnixNano: uint64(start.UnixNano()), TraceId: s.TraceId, SpanId: s.SpanId,
			Attributes: []*commonpb.KeyValue{text("duration", "10"), text("method", "GET"), text("x-request-id", e.Request.RequestId), text("response_code", "200"),
				text("traceparent", e.Request.RequestHeaders["traceparent"])}}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The form that was there first tells what ended before the others were, be it that another report of that overtakes its own.
func TestFirstFormIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.after(time.Second)
		e, s := pair(1)
		r.after(time.Second)
		r.logs(1, alsMessage(t))
		r.after(time.Second)
		r.p.logs(recordOf(t, 1, time.Unix(0, int64(s.StartTimeUnixNano))), netip.Addr{})
		r.after(time.Millisecond)
		r.logs(1, alsMessage(t, e))
		r.after(10 * time.Second)
		out := r.end()
		if len(out) != 1 || attributesOf(out[0].Span)["envoy.log_name"] != "edge" {
			t.Errorf("there are %d spans: %v", len(out), out)
		}
	})
}

// In whatever order the forms of a request come, once they are known its span has the detail of the best.
func TestBestFormCounts(t *testing.T) {
	for _, order := range []string{"far", "fra", "afr", "arf", "raf", "rfa"} {
		for _, spanAt := range []int{0, 1, 2, 3} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				c := config.Default()
				in, err := r.p.fileInlet(&c.Receive)
				if err != nil {
					t.Fatal(err)
				}
				in.node = "envoy-1"
				const warm = 2
				for n := range warm + 1 {
					e, s := pair(n)
					start := time.Unix(0, int64(s.StartTimeUnixNano))
					for at := range len(order) + 1 {
						if at == spanAt {
							r.request(otlpMessage(t, s))
							r.after(50 * time.Millisecond)
						}
						if at == len(order) {
							break
						}
						switch order[at] {
						case 'a':
							r.logs(1, alsMessage(t, e))
						case 'r':
							r.p.logs(recordOf(t, n, start), netip.Addr{})
						case 'f':
							in.take(&tail.Batch{Path: "/var/log/envoy/0.log", File: 1, Lines: []tail.Line{{Bytes: contoursLine(n, start), Offset: int64(1000 * n)}}})
						}
						r.after(50 * time.Millisecond)
					}
					r.after(5 * time.Second)
				}
				out := r.end()
				last := ""
				for _, s := range out {
					if s.TraceId[15] == warm {
						last += attributesOf(s.Span)["envoy.log_name"] + ";"
					}
				}
				if len(out) != warm+1 || last != "edge;" {
					t.Errorf("%s, the span in place %d: %d spans, the last has the detail of %q", order, spanAt, len(out), last)
				}
			})
		}
	}
}
