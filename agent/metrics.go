package agent

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/pods/watch"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/zipkin"
	"github.com/alspan/alspan/spanbuilder"
	"github.com/alspan/alspan/traces"
)

// metrics gives the agent's counters to a registry. No stage knows of it: it reads what they count. All label values come
// from fixed sets.
type metrics struct{ series []series }

// series is one time series: where its value is read at a scrape.
type series struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  func() int64
	labels []string
}

func newMetrics(a *Agent) *metrics {
	m := &metrics{}
	p := a.pipeline
	e, s, in := &p.Entries, &p.Spans, a.receiver.logs

	m.counter("entries_received_total", "Access-log entries that were received.", &e.Received)
	m.counter("entries_used_total", "Entries that made spans.", &e.Used)
	m.counter("entries_taught_total", "Start entries that told the caller's trace context.", &e.Taught)
	m.counter("entries_duplicate_total", "Entries that repeat another one.", &e.Duplicate)
	m.gauge("entries_waiting", "Entries that wait for the other half of their request.", e.Waiting.Load)
	for i := range ledger.NumEntryDrops {
		m.counter("entries_dropped_total", "Entries that made no span, by reason.", &e.Dropped[i], "reason", i.String())
	}
	m.counter("messages_received_total", "Access-log messages that were received.", &in.Messages)
	for i := range ledger.NumMessageRefusals {
		m.counter("messages_refused_total", "Access-log messages that could not be read, or only up to a point, by reason.", &in.Refused[i], "reason", i.String())
	}
	m.counter("messages_paced_total", "Access-log messages that waited for a moment because memory was filling up.", &p.Paced)
	m.gauge("connections", "Connections of clients that are open.", a.receiver.conns.Open)
	m.counter("connections_refused_total", "Connections above receive.limits.connections.", &a.receiver.conns.Refused)
	m.gauge("streams", "Access-log streams that are open.", in.Streams.Load)
	m.requests(a.receiver.spans)
	m.others(p.relay)

	m.counter("spans_in_total", "Spans that were received.", &s.In)
	m.counter("spans_made_total", "Spans that were made from entries.", &s.Made)
	m.counter("spans_exported_total", "Spans that the upstream has taken.", &s.Exported)
	m.gauge("spans_open", "Spans in batches that are being filled.", p.core.Open)
	m.gauge("spans_queued", "Spans in batches that wait for a sender.", p.core.Queued)
	m.gauge("spans_in_flight", "Spans in batches that are being sent.", p.core.InFlight)
	m.gauge("spans_spooled", "Spans on disk.", s.Spooled.Load)
	m.gauge("spans_waiting", "Spans that wait for the other half of their request.", s.Waiting.Load)
	for i := range ledger.NumSpanDrops {
		m.counter("spans_dropped_total", "Spans that were not exported, by reason.", &s.Dropped[i], "reason", i.String())
	}
	m.logs(&p.logged)

	for i := range spanbuilder.NumFates {
		m.counter("join_entries_total", "Entries that may have a span, by what became of them.", &p.entryFates[i], "fate", i.String())
		m.counter("join_spans_total", "Spans that went through the join, by what became of them.", &p.spanFates[i], "fate", i.String())
	}
	m.gauge("join_memory_bytes", "Memory of entries and spans that wait for each other.", p.cells.Used)
	m.gauge("join_oldest_milliseconds", "How long the oldest entry or span has waited: the wait that there is room for.", func() int64 {
		at := p.oldest.Load()
		if at == 0 {
			return 0
		}
		return (p.clock() - at) / 1e6
	})
	m.counter("join_no_room_total", "Entries and spans that could not wait because correlate.memory was full.", &p.noRoom)
	for name, table := range map[string]*recent.Table{"requests": p.requests.Table, "entries": p.prints.Table, "ids": p.ids.Table} {
		m.counter("memory_displaced_total", "What was seen and is forgotten before its time, by table.", &table.Displaced, "table", name)
	}

	for i, name := range spanbuilder.Rows() {
		m.counter("identity_total", "Requests by the evidence for their place in a trace.", &p.rows[i], "evidence", name)
	}
	for f := range propagation.NumFormats {
		for r := range propagation.NumReasons {
			if f.Gives(r) {
				m.counter("context_invalid_total", "Logged trace contexts that are invalid, by format and reason.", &p.contexts[f][r], "format", f.String(), "reason", r.String())
			}
		}
	}
	m.add(prometheus.CounterValue, "values_repaired_total", "Strings in which bytes that are not UTF-8 were replaced.", func() int64 {
		return p.repaired.Load() + p.origins.Repaired.Load() + a.receiver.spans.Repaired.Load()
	}, nil)
	m.counter("values_cut_total", "Strings that were longer than spans.max_value.", &p.cut)
	for by := range spanbuilder.NumBys {
		m.counter("senders_total", "Entries and spans, by what has told the pod of their sender.", &p.sentBy[by], "by", by.String())
	}
	m.pods(a.watcher)
	m.files(a.files)
	m.reloads(&a.reloads)
	m.counter("start_entries_evicted_total", "Start entries that were forgotten before their end came.", &p.settings.Load().builder.Starts.Evicted)
	m.gauge("core_chunks", "Chunks of the batching core that are in use.", p.core.Held)
	m.gauge("core_left_bytes", "Bytes that broken connections to the upstream still hold.", p.core.Left)
	return m
}

// reloads adds what is known of the configuration.
func (m *metrics) reloads(r *reloads) {
	const help = "Times that a configuration was read while the agent runs, by what became of it."
	m.counter("config_reloads_total", help, &r.good, "result", "taken")
	m.counter("config_reloads_total", help, &r.bad, "result", "refused")
	m.gauge("config_last_reload_successful", "Whether the configuration that was read last is the one in force: 1 or 0.", func() int64 {
		if r.failed.Load() {
			return 0
		}
		return 1
	})
	m.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was taken up.", r.loadedAt.Load)
	m.gauge("config_hash", "A number that tells configurations apart.", r.hash.Load)
}

// requests adds what the receiver of spans counts.
func (m *metrics) requests(in *traces.Server) {
	for i := range traces.NumTransports {
		m.counter("requests_received_total", "Requests with spans that were received, by transport.", &in.Requests[i], "transport", i.String())
		m.counter("request_bytes_total", "Bytes of requests with spans, after decompression, by transport.", &in.Bytes[i], "transport", i.String())
	}
	for i := range traces.NumRefusals {
		m.counter("requests_refused_total", "Requests of which nothing was used, by reason.", &in.Refused[i], "reason", i.String())
	}
	for i := range zipkin.NumReasons {
		m.counter("zipkin_spans_invalid_total", "Zipkin spans that were left out, by reason.", &in.Invalid[i], "reason", i.String())
	}
	m.counter("requests_truncated_total", "Requests that were malformed from some point on: what stood before was used.", &in.Truncated)
}

// pods adds what is known of pods.
func (m *metrics) pods(w *watch.Watcher) {
	if w == nil {
		return
	}
	m.gauge("pods_known", "Pods that are known, be it by name and address only, with those that were deleted in the last two minutes.", w.Index().Len)
	for _, s := range w.Sources {
		m.counter("pods_events_total", "Changes that the API server has told, by source.", &s.Events, "source", s.Name)
		m.counter("pods_lists_total", "Times that all objects of a source were read anew.", &s.Lists, "source", s.Name)
		m.counter("pods_failures_total", "Requests to the API server that failed, by source.", &s.Failed, "source", s.Name)
		m.add(prometheus.GaugeValue, "pods_synced", "Whether all objects of a source were read once.", func() int64 {
			if s.Synced() {
				return 1
			}
			return 0
		}, []string{"source", s.Name})
	}
}

// counter adds a counter; labels are pairs of name and value.
func (m *metrics) counter(name, help string, v *atomic.Int64, labels ...string) {
	m.add(prometheus.CounterValue, name, help, v.Load, labels)
}

func (m *metrics) gauge(name, help string, v func() int64) {
	m.add(prometheus.GaugeValue, name, help, v, nil)
}

func (m *metrics) add(kind prometheus.ValueType, name, help string, v func() int64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	m.series = append(m.series, series{prometheus.NewDesc("alspan_"+name, help, names, nil), kind, v, values})
}

// Describe gives the descriptions of all series.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, s := range m.series {
		out <- s.desc
	}
}

// Collect reads all series.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, s := range m.series {
		out <- prometheus.MustNewConstMetric(s.desc, s.kind, float64(s.value()), s.labels...)
	}
}

// dropped adds up the drops of all reasons.
func dropped(reasons []atomic.Int64) (n int64) {
	for i := range reasons {
		n += reasons[i].Load()
	}
	return n
}
