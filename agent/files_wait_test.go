package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

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
			in, err := r.p.fileInlet(&c.Receive, &c.Correlate.IDTags)
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
