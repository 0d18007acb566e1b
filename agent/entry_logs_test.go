package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
)

// bodies gives the bodies of the records that have come out since the last call, and their trace flags.
func (r *rig) bodies() (all []string) {
	for _, l := range r.records {
		all = append(all, fmt.Sprintf("%s %d", l.Body.GetStringValue(), l.Flags))
	}
	r.records = nil
	slices.Sort(all)
	return all
}

// However a request arrives, each of its entries has one record, with the ids of the span that it is in.
func TestRecordsOfArrivals(t *testing.T) {
	for way, arrive := range arrivals {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, withLogs(func(c *config.Config) { c.Spans.Upstream = "always" }))
				for n := range 3 {
					arrive(r, ask(n, 1, []uint32{200, 404, 503}[n], 503))
					r.after(time.Minute)
				}
				r.end()
				checkRecords(t, r)
				if way == "the entry alone" && len(r.records) != 3 {
					t.Errorf("%d records", len(r.records))
				}
			})
		})
	}
}

// A request is logged with the ids that its span has in the end: Envoy's where that came, be it before or after the entry, derived ones
// below it where it came too early.
func TestRecordsHaveFinalIDs(t *testing.T) {
	for way, want := range map[string]string{"the entry first": "joined", "the span first": "joined", "the entry late": "below", "the entry alone": "made"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, withLogs(nil))
			q := ask(1, 1, 404, 404)
			arrivals[way](r, q)
			r.after(time.Minute)
			r.end()
			if len(r.records) != 1 {
				t.Fatalf("%s: %d records", way, len(r.records))
			}
			l := r.records[0]
			if own := string(l.SpanId) == string(q.server.SpanId); own != (want == "joined") || string(l.TraceId) != string(q.server.TraceId) {
				t.Errorf("%s: the record has %s, the span %s", way, spanOf(l), spanOf(q.server))
			}
			if l.SeverityText != "WARN" || l.EventName != "envoy.access" || l.Body.GetStringValue() != "GET /cart 404" {
				t.Errorf("%s: %v", way, l)
			}
		})
	}
}

// What filters and redaction do to a span they do to its record, and an entry whose span they drop has none; the late half, which is
// dropped for its request's sake, has none either.
func TestRecordsAndRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withLogs(func(c *config.Config) {
			spanFilter(`attributes["http.response.status_code"] == 418`)(c)
			c.Attributes.Actions = []config.Action{{Key: "url.path", Action: "update", Value: "/hidden"}, {Key: "envoy.request_id", Action: "delete"}}
			c.Redaction.BlockedValues = []config.Text{{Value: "10\\.1\\.2\\.3"}}
			c.Resource.Attributes = []config.Action{{Key: "team", Action: "insert", Value: "web"}}
			c.Sample.Probability = config.All / 2
		}))
		for n, code := range []uint32{200, 200, 418, 418} {
			q := ask(n, []uint64{1, 1<<56 - 1}[n%2], code, code)
			r.entries(q.end)
			r.came(q.server)
			r.after(30 * time.Second)
		}
		checked := 0
		for _, l := range r.records {
			text := l.String()
			if strings.Contains(text, "/cart 200") || strings.Contains(text, "10.1.2.3") || strings.Contains(text, "envoy.request_id") || !strings.Contains(l.Resource.String(), "team") {
				t.Errorf("not redacted: %v %v", l, l.Resource)
			}
			checked++
		}
		if got := r.bodies(); checked != 2 || !slices.Equal(got, []string{"GET /hidden 200 0", "GET /hidden 200 1"}) {
			t.Errorf("the records are %q", got)
		}
		r.end()
	})
}

// What is sampled out is logged, with the bit off; so are requests that the tracer did not sample.
func TestRecordsOfSampledOut(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"by trace id":   func(c *config.Config) { c.Sample.Probability = config.All / 2 },
		"by a rule":     func(c *config.Config) { sampleRule(c, "drop", `span.attributes["http.response.status_code"] == 200`) },
		"by the tracer": func(c *config.Config) { c.Sample.Unsampled = "follow" },
		"but failed":    func(c *config.Config) { c.Sample.Unsampled = "errors_always" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, withLogs(change))
				for n, code := range []uint32{200, 503} {
					q := ask(n, []uint64{1, 1<<56 - 1}[n], code, code)
					if strings.HasPrefix(name, "by the tracer") || name == "but failed" && n == 0 {
						flagged(q, false, "0")
					}
					r.entries(append(q.ups, q.end)...)
					r.after(30 * time.Second)
				}
				last := "1"
				if name == "by the tracer" {
					last = "0"
				}
				want := []string{"GET /cart 200 0", "GET /cart 200 0", "GET /cart 200 0", "GET /cart 503 " + last, "GET /cart 503 " + last, "GET /cart 503 " + last}
				if got := r.bodies(); !slices.Equal(got, want) {
					t.Errorf("the records are %q, want %q", got, want)
				}
				if used := r.p.Entries.Used.Load(); used != 6 {
					t.Errorf("%d entries are used", used)
				}
				r.end()
			})
		})
	}
}

// With the second CLIENT below a SERVER there is one record all the same, and none for spans of others.
func TestNoRecordsOfSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withLogs(func(c *config.Config) { c.Spans.Upstream = "always" }))
		q := ask(1, 1, 200, 200)
		r.came(append(q.clients, q.server)...)
		r.after(30 * time.Second)
		if len(r.records) != 0 {
			t.Errorf("spans alone have %d records", len(r.records))
		}
		r.entries(ask(2, 1, 200, 200).end)
		r.after(30 * time.Second)
		if clients := len(r.out) - 3; len(r.records) != 1 || clients < 1 {
			t.Errorf("%d records, %d spans", len(r.records), len(r.out))
		}
		r.end()
	})
}
