package red

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	requestLabels = []string{"kind", "method", "peer", "route", "service", "status_class"} // sorted, as a registry wants them
	edgeLabels    = []string{"client", "connection_type", "server"}

	requestsTotal   = prometheus.NewDesc("alspan_requests_total", "Requests that have finished, as the side that kind says has seen them.", requestLabels, nil)
	errorsTotal     = prometheus.NewDesc("alspan_request_errors_total", "Requests that have failed.", requestLabels, nil)
	durationSeconds = prometheus.NewDesc("alspan_request_duration_seconds", "How long requests took.", requestLabels, nil)
	labelSets       = prometheus.NewDesc("alspan_request_label_sets", "Label sets of requests that are kept.", nil, nil)
	setsOverflow    = prometheus.NewDesc("alspan_request_label_sets_overflow_total", "Requests that were counted as other, because there are too many label sets.", nil, nil)

	graphTotal    = prometheus.NewDesc("traces_service_graph_request_total", "Requests between two services.", edgeLabels, nil)
	graphFailed   = prometheus.NewDesc("traces_service_graph_request_failed_total", "Requests between two services that have failed.", edgeLabels, nil)
	serverSeconds = prometheus.NewDesc("traces_service_graph_request_server_seconds", "How long requests between two services took, as the server has seen it.", edgeLabels, nil)
	clientSeconds = prometheus.NewDesc("traces_service_graph_request_client_seconds", "How long requests between two services took, as the client has seen it.", edgeLabels, nil)
	graphEdges    = prometheus.NewDesc("alspan_service_graph_edges", "Edges of the service graph that are kept.", nil, nil)
	edgesOverflow = prometheus.NewDesc("alspan_service_graph_edges_overflow_total", "Requests that were counted between others, because there are too many edges.", nil, nil)
)

var (
	kinds       = [...]string{Server: "server", Client: "client"}
	classes     = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx", classOther: other}
	connections = [...]string{instrumented: "", virtual: "virtual_node"}
)

// lookEvery is how often idle sets are looked for at most.
const lookEvery = time.Minute

// Describe gives the descriptions of what is kept.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	all := []*prometheus.Desc{}
	if m.requests != nil {
		all = append(all, requestsTotal, errorsTotal, durationSeconds, labelSets, setsOverflow)
	}
	if m.graph != nil {
		all = append(all, graphTotal, graphFailed, serverSeconds, clientSeconds, graphEdges, edgesOverflow)
	}
	for _, d := range all {
		out <- d
	}
}

// Collect gives up idle sets and reads the others.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	m.giveUp()
	if m.requests != nil {
		m.requests.collect(out, (*series).requests, labelSets, setsOverflow)
	}
	if m.graph != nil {
		m.graph.collect(out, (*series).edge, graphEdges, edgesOverflow)
	}
}

func (m *Metrics) giveUp() {
	now, looked := time.Since(m.start), m.looked.Load()
	if m.idle <= 0 || now-time.Duration(looked) < lookEvery || !m.looked.CompareAndSwap(looked, int64(now)) {
		return
	}
	for _, f := range []*family{m.requests, m.graph} {
		if f != nil {
			f.giveUp(now, m.idle)
		}
	}
}

func (f *family) collect(out chan<- prometheus.Metric, each func(*series, chan<- prometheus.Metric), sets, overflow *prometheus.Desc) {
	n := 0
	for s := range f.table.Load().all {
		each(s, out)
		n++
	}
	out <- prometheus.MustNewConstMetric(sets, prometheus.GaugeValue, float64(n))
	out <- prometheus.MustNewConstMetric(overflow, prometheus.CounterValue, float64(f.others.Load()))
}

// requests gives the metrics of a set of requests. What has failed is read first: it may not be in the buckets yet.
func (s *series) requests(out chan<- prometheus.Metric) {
	k := &s.key
	labels, made := pairs(requestLabels, kinds[k.kind], k.method, k.peer, string(k.route), k.service, classes[k.class]), timestamppb.New(time.Unix(0, s.made))
	failed := s.failed.Load()
	h := s.read(0, made)
	n := h.GetSampleCount()
	out <- counter(requestsTotal, labels, n, made)
	out <- counter(errorsTotal, labels, min(failed, n), made)
	out <- &metric{desc: durationSeconds, labels: labels, histogram: &h.Histogram}
}

// edge gives the metrics of an edge. An agent may know only one side of it; what it has never seen it does not mention.
func (s *series) edge(out chan<- prometheus.Metric) {
	k := &s.key
	labels, made := pairs(edgeLabels, k.service, connections[k.class], k.peer), timestamppb.New(time.Unix(0, s.made))
	failed := s.failed.Load()
	if n := s.counted.Load(); n > 0 {
		out <- counter(graphTotal, labels, n, made)
		out <- counter(graphFailed, labels, failed, made)
	}
	for side, desc := range []*prometheus.Desc{Server: serverSeconds, Client: clientSeconds} {
		if k.class == virtual {
			side = 0
		}
		if h := s.read(Kind(side), made); h.GetSampleCount() > 0 {
			out <- &metric{desc: desc, labels: labels, histogram: &h.Histogram}
		}
	}
}

// metric is a metric at a scrape.
type metric struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	counter   *dto.Counter
	histogram *dto.Histogram
}

func (m *metric) Desc() *prometheus.Desc { return m.desc }

func (m *metric) Write(out *dto.Metric) error {
	out.Label, out.Counter, out.Histogram = m.labels, m.counter, m.histogram
	return nil
}

func counter(desc *prometheus.Desc, labels []*dto.LabelPair, n uint64, made *timestamppb.Timestamp) *metric {
	return &metric{desc: desc, labels: labels, counter: &dto.Counter{Value: new(float64(n)), CreatedTimestamp: made}}
}

// pairs gives labels; the names must be sorted.
func pairs(names []string, values ...string) []*dto.LabelPair {
	all, list := make([]dto.LabelPair, len(names)), make([]*dto.LabelPair, len(names))
	for i := range names {
		all[i].Name, all[i].Value = &names[i], &values[i]
		list[i] = &all[i]
	}
	return list
}
