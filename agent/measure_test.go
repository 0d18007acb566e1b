package agent

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/config"
)

// families gives the metrics of requests by name.
func families(t *testing.T, p *Pipeline) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(p.red)
	list, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range list {
		all[f.GetName()] = f
	}
	return all
}

func labelsOf(m *dto.Metric) string {
	var list []string
	for _, l := range m.Label {
		list = append(list, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(list, " ")
}

// At a rate of one percent, with a filter, with copies by a second logger and requests that the tracer has not sampled, metrics have
// the true counts of all requests; exemplars point at traces that were kept.
func TestRequestMetricsAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			c.Sample.Probability, c.Sample.Unsampled = config.OnePercent, "follow"
			c.Filter.TraceConditions = []config.Conditions{{Conditions: []config.Text{{Value: `span.attributes["envoy.route_name"] == "health"`}}}}
		})
		random := rand.New(rand.NewPCG(1, 2))
		type set struct{ requests, failed, under8ms float64 }
		want, seconds := map[string]*set{}, 0.0
		const n = 4000
		for i := 0; i < n; {
			var list, copies []*alspb.HTTPAccessLogEntry
			for ; len(list) < 20; i++ {
				e, _ := pair(i)
				route, code := [...]string{"cart", "health", "pay"}[random.IntN(3)], [...]uint32{200, 200, 404, 503}[random.IntN(4)]
				took := time.Duration(random.IntN(20e6))
				e.CommonProperties.RouteName, e.Response.ResponseCode, e.CommonProperties.Duration = route, wrapperspb.UInt32(code), durationpb.New(took)
				h := e.Request.RequestHeaders
				h["traceparent"] = fmt.Sprintf("00-%032x-%016x-%02x", random.Uint64()|1, random.Uint64()|1, random.IntN(2))
				list = append(list, e)
				if random.IntN(3) == 0 {
					copies = append(copies, e)
				}
				key := fmt.Sprintf("kind=server method=GET peer= route=%s service=edge status_class=%dxx", route, code/100)
				s := want[key]
				if s == nil {
					s = &set{}
					want[key] = s
				}
				s.requests++
				if code >= 500 {
					s.failed++
				}
				if took <= time.Second/128 {
					s.under8ms++
				}
				seconds += took.Seconds()
			}
			r.logs(1, alsMessage(t, list...))
			if len(copies) > 0 {
				r.logs(2, logMessage(t, "again", copies...))
			}
			r.after(10 * time.Millisecond)
		}
		r.after(20 * time.Second) // nothing waits any more
		got := families(t, r.p)
		total := 0.0
		for _, m := range got["alspan_requests_total"].GetMetric() {
			if key := labelsOf(m); strings.HasPrefix(key, "kind=server") {
				if total += m.GetCounter().GetValue(); want[key] == nil || m.GetCounter().GetValue() != want[key].requests {
					t.Errorf("%s: %v, want %v", key, m.GetCounter().GetValue(), want[key])
				}
			}
		}
		if total != n {
			t.Errorf("%v requests, want %d", total, n)
		}
		for _, m := range got["alspan_request_errors_total"].GetMetric() {
			if key := labelsOf(m); want[key] != nil && m.GetCounter().GetValue() != want[key].failed {
				t.Errorf("%s: %v have failed, want %v", key, m.GetCounter().GetValue(), want[key].failed)
			}
		}
		kept, exemplars := map[string]bool{}, 0
		for _, s := range r.out {
			kept[fmt.Sprintf("%x", s.TraceId)] = true
		}
		took := 0.0
		for _, m := range got["alspan_request_duration_seconds"].GetMetric() {
			key, h := labelsOf(m), m.GetHistogram()
			for _, b := range h.Bucket {
				if want[key] != nil && b.GetUpperBound() == 1.0/128 && float64(b.GetCumulativeCount()) != want[key].under8ms {
					t.Errorf("%s: %d of at most 1/128 s, want %v", key, b.GetCumulativeCount(), want[key].under8ms)
				}
				for _, l := range b.GetExemplar().GetLabel() {
					if l.GetName() == "trace_id" {
						if exemplars++; !kept[l.GetValue()] {
							t.Errorf("%s: the exemplar %s was not kept", key, l.GetValue())
						}
					}
				}
			}
			if want[key] != nil {
				took += h.GetSampleSum()
			}
		}
		if took < seconds-1e-6 || took > seconds+1e-6 {
			t.Errorf("%v seconds in all, want %v", took, seconds)
		}
		if len(kept) == 0 || len(kept) > n/50 || exemplars == 0 {
			t.Errorf("%d traces were kept, %d exemplars", len(kept), exemplars)
		}
		r.end()
	})
}

// What strangers send makes no label sets without end, and what is there stays exact.
func TestRequestMetricsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) { c.Metrics.LabelSets, c.Sample.Probability = 50, 0 })
		const n = 2000
		for i := range n {
			e, _ := pair(i)
			e.Request.Path, e.Request.Authority = fmt.Sprintf("/%d/%x", i, i*i), fmt.Sprintf("h%d.example", i)
			e.CommonProperties.RouteName = "real"
			if i%2 == 0 {
				e.CommonProperties.RouteName = fmt.Sprintf("route-%d", i) // as no Envoy is configured
			}
			r.logs(1, alsMessage(t, e))
		}
		sets, total := 0, 0.0
		for _, m := range families(t, r.p)["alspan_requests_total"].GetMetric() {
			sets++
			total += m.GetCounter().GetValue()
		}
		if sets > 60 || total != 2*n { // each is a server's and a client's
			t.Errorf("%d sets with %v requests", sets, total)
		}
		r.end()
	})
}

// Nothing is counted where metrics are off.
func TestRequestMetricsAreOff(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Metrics.Requests, c.Metrics.ServiceGraph = false, false })
	defer a.Stop()
	w := httptest.NewRecorder()
	a.adminHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if a.pipeline.red != nil || strings.Contains(w.Body.String(), "alspan_requests_total") || !strings.Contains(w.Body.String(), "alspan_spans_in_total") {
		t.Error("there are metrics of requests")
	}
}
