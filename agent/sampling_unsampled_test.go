package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/traces"
)

// flagged writes the flag of the context into entries of that format.
func flagged(q *asked, b3 bool, flag string) *asked {
	for _, e := range append(slices.Clone(q.ups), q.end) {
		f := strings.Split(e.Request.RequestHeaders["traceparent"], "-")
		if e.Request.RequestHeaders["traceparent"] = strings.Join(f[:3], "-") + "-0" + flag; b3 {
			e.Request.RequestHeaders = map[string]string{"b3": f[1] + "-" + f[2] + "-" + flag}
		}
	}
	return q
}

// What becomes of requests that the tracer has not sampled is configured, for the request as a whole. A budget makes that something
// decides at all.
func TestUnsampledRequests(t *testing.T) {
	for mode, want := range map[string]struct{ well, failed int }{"all": {3, 3}, "follow": {0, 0}, "errors_always": {0, 3}} {
		for _, b3 := range []bool{false, true} {
			for _, decides := range []bool{false, true} {
				for _, warm := range []bool{false, true} {
					t.Run(fmt.Sprint(mode, ", B3 ", b3, ", decides ", decides, ", warm ", warm), func(t *testing.T) {
						unsampledRequests(t, mode, b3, decides, warm, want.well, want.failed)
					})
				}
			}
		}
	}
}

func unsampledRequests(t *testing.T, mode string, b3, decides, warm bool, well, failed int) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			if c.Sample.Unsampled = mode; decides {
				c.Sample.Budget.Spans = 1000
			}
		})
		var marks []traces.Mark
		if b3 {
			marks = []traces.Mark{traces.Zipkin, traces.Zipkin, traces.Zipkin}
		}
		q := flagged(ask(1, 1, 200, 503), b3, "1")
		r.entries(q.ups...) // there are attempts from now on
		if warm {
			r.request(otlpMessage(t, append(q.clients, q.server)...), marks...)
		}
		r.entries(q.end)
		r.after(30 * time.Second)
		if len(r.out) < 3 {
			t.Fatalf("a request that is sampled leaves as %v", names(r.out))
		}
		for n := range 8 {
			r.out = nil
			code, first, late := []uint32{200, 503}[n&1], []uint32{200, 503}[n>>1&1], n>>2 == 1
			q := flagged(ask(10+n, 1, code, first), b3, "0")
			if late {
				r.entries(q.end)
				r.after(time.Second)
				r.entries(q.ups...)
			} else {
				r.entries(append(q.ups, q.end)...)
			}
			r.after(30 * time.Second)
			if want := []int{well, failed}[n&1]; len(r.out) != want {
				t.Errorf("%d after an attempt with %d, attempts late: %v: %v, want %d spans", code, first, late, names(r.out), want)
			}
		}
		r.end()
	})
}

// Of two loggers the poorer one does not know that the request is not sampled.
func TestUnsampledBehindAPoorLogger(t *testing.T) {
	for mode, want := range map[string]int{"all": 2, "follow": 0, "errors_always": 1} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) { c.Sample.Unsampled = mode })
			learn := ask(1, 1, 200, 200) // the first one teaches which logger is the poorer one
			r.logs(1, logMessage(t, "poor", poorer(learn.end)))
			r.logs(2, alsMessage(t, learn.end))
			r.after(30 * time.Second)
			r.out = nil
			for n, code := range []uint32{200, 503} {
				q := flagged(ask(2+n, 1, code, code), false, "0")
				r.logs(1, logMessage(t, "poor", poorer(q.end)))
				r.after(time.Second)
				r.logs(2, alsMessage(t, q.end))
				r.after(30 * time.Second)
			}
			if len(r.out) != want {
				t.Errorf("%s: %v, want %d spans", mode, names(r.out), want)
			}
			r.end()
		})
	}
}
