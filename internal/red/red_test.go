package red

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	dto "github.com/prometheus/client_model/go"
)

// gather gives what a registry that checks everything reads.
func gather(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// values gives the values of a family by its labels: of counters and gauges, of histograms the number.
func values(f *dto.MetricFamily) map[string]float64 {
	v := map[string]float64{}
	for _, m := range f.GetMetric() {
		v[labels(m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return v
}

// sums gives the sums of durations of a family of histograms by its labels.
func sums(f *dto.MetricFamily) map[string]time.Duration {
	v := map[string]time.Duration{}
	for _, m := range f.GetMetric() {
		v[labels(m)] = time.Duration(m.GetHistogram().GetSampleSum()*1e9 + .5)
	}
	return v
}

// labels gives the values of labels in the order of their names.
func labels(m *dto.Metric) string {
	var l []string
	for _, p := range m.GetLabel() {
		l = append(l, p.GetValue())
	}
	return strings.Join(l, "|")
}

func total(v map[string]float64) (n float64) {
	for _, x := range v {
		n += x
	}
	return n
}

// naive counts requests as anybody would.
type naive struct {
	requests, errors, edges, failed, servers, clients map[string]float64
	durations                                         map[string]time.Duration
}

func newNaive() *naive {
	m := func() map[string]float64 { return map[string]float64{} }
	return &naive{m(), m(), m(), m(), m(), m(), map[string]time.Duration{}}
}

func (n *naive) count(r *Request) {
	class := "none"
	if r.Class > 0 {
		class = fmt.Sprintf("%dxx", r.Class)
	}
	kind, client, server := "server", r.Peer, r.Service
	if r.Kind == Client {
		kind, client, server = "client", r.Service, r.Peer
	}
	l := strings.Join([]string{kind, r.Method, r.Peer, string(r.Route), r.Service, class}, "|")
	n.requests[l]++
	n.durations[l] += r.Duration
	n.errors[l] += 0
	if r.Failed {
		n.errors[l]++
	}
	connection := ""
	if r.Edge == EdgeVirtual {
		connection = "virtual_node"
		if client == "" {
			client = "user"
		}
	}
	if r.Edge == EdgeNone || client == "" || server == "" {
		return
	}
	e := client + "|" + connection + "|" + server
	if r.Edge != EdgeLatency {
		n.edges[e]++
		n.failed[e] += 0
		if r.Failed {
			n.failed[e]++
		}
	}
	if r.Kind == Server || r.Edge == EdgeVirtual {
		n.servers[e]++
	}
	if r.Kind == Client || r.Edge == EdgeVirtual {
		n.clients[e]++
	}
}

func (n *naive) add(o *naive) {
	for _, m := range [][2]map[string]float64{{n.requests, o.requests}, {n.errors, o.errors}, {n.edges, o.edges}, {n.failed, o.failed}, {n.servers, o.servers}, {n.clients, o.clients}} {
		for l, x := range m[1] {
			m[0][l] += x
		}
	}
	for l, d := range o.durations {
		n.durations[l] += d
	}
}

// compare compares what is exposed with what should be.
func (n *naive) compare(t *testing.T, m *Metrics) {
	t.Helper()
	got := gather(t, m)
	for name, want := range map[string]map[string]float64{
		"alspan_requests_total": n.requests, "alspan_request_errors_total": n.errors, "alspan_request_duration_seconds": n.requests,
		"traces_service_graph_request_total": n.edges, "traces_service_graph_request_failed_total": n.failed,
		"traces_service_graph_request_server_seconds": n.servers, "traces_service_graph_request_client_seconds": n.clients,
	} {
		if diff := cmp.Diff(want, values(got[name])); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(n.durations, sums(got["alspan_request_duration_seconds"])); diff != "" {
		t.Errorf("sums of durations: -want +got\n%s", diff)
	}
}

// random gives a request of one of a few hundred label sets.
func random(r *rand.Rand) Request {
	q := Request{
		Kind: Kind(r.IntN(2)), Service: fmt.Sprint("service-", r.IntN(4)), Method: []string{"GET", "POST"}[r.IntN(2)],
		Class: uint8(r.IntN(6)), Failed: r.IntN(4) == 0, Duration: time.Duration(r.Int64N(1 << r.IntN(36))), Edge: Edge(r.IntN(4)),
	}
	if n := r.IntN(4); n > 0 {
		q.Peer = fmt.Sprint("peer-", n)
	}
	if n := r.IntN(4); n > 0 {
		q.Route = fmt.Appendf(nil, "/things/%d", n)
	}
	return q
}

func TestCountsAreThoseOfANaiveReference(t *testing.T) {
	m := New(Options{Sets: 5000, Requests: true, Graph: true})
	want := newNaive()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			r, meter, own := rand.New(rand.NewPCG(seed, 1)), m.Meter(), newNaive()
			for range 10000 {
				q := random(r)
				meter.Count(&q)
				own.count(&q)
				for i := range q.Route {
					q.Route[i] = 'x' // it was only borrowed
				}
			}
			mu.Lock()
			defer mu.Unlock()
			want.add(own)
		})
	}
	wg.Wait()
	want.compare(t, m)
	if n := values(gather(t, m)["alspan_request_label_sets"])[""]; int(n) != len(want.requests) {
		t.Errorf("%v label sets, want %d", n, len(want.requests))
	}
}

func TestWhatIsNotKeptIsNotExposed(t *testing.T) {
	for _, o := range []Options{{}, {Requests: true}, {Graph: true}} {
		o.Sets = 10
		m := New(o)
		meter := m.Meter()
		r := Request{Service: "cart", Peer: "shop", Edge: EdgeCount}
		meter.Count(&r)
		meter.Exemplar(&r, [16]byte{1}, [8]byte{1}, time.Now())
		got := gather(t, m)
		for name, want := range map[string]bool{"alspan_requests_total": o.Requests, "alspan_request_label_sets": o.Requests, "traces_service_graph_request_total": o.Graph, "alspan_service_graph_edges": o.Graph} {
			if (got[name] != nil) != want {
				t.Errorf("%+v: is %s exposed: %t", o, name, !want)
			}
		}
	}
}

// What a user sees, to the letter.
func TestText(t *testing.T) {
	m := New(Options{Sets: 10, Requests: true, Graph: true})
	meter := m.Meter()
	r := Request{Service: "cart", Peer: "shop", Method: "GET", Route: []byte("/cart/{id}"), Class: 2, Duration: 3 * time.Millisecond, Edge: EdgeCount}
	meter.Count(&r)
	r.Failed, r.Duration = true, 20*time.Second
	meter.Count(&r)
	var b bytes.Buffer
	for _, f := range gather(t, m) {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	const set, edge = `{kind="server",method="GET",peer="shop",route="/cart/{id}",service="cart",status_class="2xx"`, `{client="shop",connection_type="",server="cart"`
	for _, want := range []string{
		"alspan_requests_total" + set + "} 2",
		"alspan_request_errors_total" + set + "} 1",
		"alspan_request_duration_seconds_bucket" + set + `,le="0.001953125"} 0`,
		"alspan_request_duration_seconds_bucket" + set + `,le="0.00390625"} 1`,
		"alspan_request_duration_seconds_bucket" + set + `,le="16"} 1`,
		"alspan_request_duration_seconds_bucket" + set + `,le="+Inf"} 2`,
		"alspan_request_duration_seconds_sum" + set + "} 20.003",
		"alspan_request_duration_seconds_count" + set + "} 2",
		"alspan_request_label_sets 1",
		"alspan_request_label_sets_overflow_total 0",
		"traces_service_graph_request_total" + edge + "} 2",
		"traces_service_graph_request_failed_total" + edge + "} 1",
		"traces_service_graph_request_server_seconds_bucket" + edge + `,le="+Inf"} 2`,
		"traces_service_graph_request_server_seconds_sum" + edge + "} 20.003",
		"traces_service_graph_request_server_seconds_count" + edge + "} 2",
		"alspan_service_graph_edges 1",
	} {
		if !strings.Contains(b.String(), want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(b.String(), "client_seconds") {
		t.Error("it tells of latencies that no client has seen")
	}
}
