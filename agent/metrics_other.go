package agent

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alspan/alspan/internal/ledger"
)

// others adds the ledgers of metrics and logs.
func (m *metrics) others(r *relay) {
	for signal := range ledger.NumSignals {
		o, label := &r.Others[signal], []string{"signal", signal.String()}
		volume := func(kind prometheus.ValueType, name, total, what string, v *ledger.Volume, labels ...string) {
			m.add(kind, "other_"+name+total, "Requests with other signals than spans "+what, v.Requests.Load, append(label[:2:2], labels...))
			m.add(kind, "other_"+name+"_bytes"+total, "Bytes of requests with other signals than spans, as they were received, "+what, v.Bytes.Load, append(label[:2:2], labels...))
		}
		counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
		volume(counter, "received", "_total", "that were received, by signal.", &o.Received)
		volume(counter, "exported", "_total", "that the upstream has taken, by signal.", &o.Exported)
		volume(gauge, "queued", "", "that wait for a sender, by signal.", &o.Queued)
		volume(gauge, "in_flight", "", "that are being sent, by signal.", &o.InFlight)
		for why := range ledger.NumOtherDrops {
			volume(counter, "dropped", "_total", "that were not exported, by signal and reason.", &o.Dropped[why], "reason", why.String())
		}
		count := func(name, help string, v *atomic.Int64) { m.counter(name, help, v, label...) }
		count("other_refused_total", "Requests with other signals than spans for which there was no room, by signal: their senders were asked to try again.", &o.Refused)
		count("other_rejected_items_total", "Data points or log records that the upstream rejected of requests that it took, by signal.", &o.Partial)
	}
}
