package agent

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/propagation"
)

// Every format is read by default, in the order in which they stand in the table; configuration knows them all.
func TestAllFormatsAreRead(t *testing.T) {
	c := config.Default()
	if got := spanOptions(c, nil).Headers; len(got) != int(propagation.NumFormats) || len(got) != len(c.Correlate.Headers) {
		t.Fatalf("%d of %d formats are read: %v", len(got), propagation.NumFormats, got)
	}
	for n, f := range spanOptions(c, nil).Headers {
		if propagation.Format(n) != f {
			t.Errorf("%s comes in place %d", f, n)
		}
	}
}

// A load balancer's header names a trace alone: the span is in that trace, without a parent, and without a link where another header counts.
func TestLoadBalancersHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trace, other = "4bf92f3577b34da6a3ce929d0e0e4736", "11112222333344445555666677778888"
		r := newRig(t, func(c *config.Config) { c.Spans.Baggage = []string{"userId"} })
		for n, headers := range []map[string]string{
			{"x-amzn-trace-id": "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", "baggage": "userId=Am%C3%A9lie,card=1"},
			{"x-cloud-trace-context": trace + "/0;o=1"},
			{"traceparent": "00-" + trace + "-00f067aa0ba902b7-01", "x-amzn-trace-id": "Root=1-11112222-333344445555666677778888"},
			{"traceparent": "00-" + trace + "-00f067aa0ba902b7-01", "x-cloud-trace-context": other + "/5"},
			{"traceparent": "bad", "x-cloud-trace-context": "bad", "x-datadog-trace-id": "5"},
		} {
			e, _ := pair(n)
			e.Request.RequestHeaders = headers
			r.logs(1, alsMessage(t, e))
		}
		r.after(time.Second)
		faults := map[propagation.Format]propagation.Reason{propagation.TraceParent: propagation.BadVersion, propagation.CloudTrace: propagation.BadLength, propagation.Datadog: propagation.Incomplete}
		for f, why := range faults {
			if got := r.p.contexts[f][why].Load(); got != 1 {
				t.Errorf("%s %s: %d", f, why, got)
			}
		}
		found := map[string]int{}
		for _, s := range r.end() {
			parent := "root"
			if len(s.ParentSpanId) > 0 {
				parent = propagation.SpanID(s.ParentSpanId).String()
			}
			where := "elsewhere"
			if propagation.TraceID(s.TraceId).String() == trace {
				where = parent
			}
			for _, link := range s.Links {
				where += " " + propagation.SpanID(link.SpanId).String()
			}
			for _, a := range s.Attributes {
				if a.Key == "baggage.userId" {
					where += " " + a.Value.GetStringValue()
				}
			}
			found[where]++
		}
		if want := map[string]int{"root Amélie": 1, "root": 1, "00f067aa0ba902b7": 1, "00f067aa0ba902b7 0000000000000005": 1, "elsewhere": 1}; !maps.Equal(found, want) {
			t.Errorf("spans %v, want %v", found, want)
		}
	})
}
