package agent

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
)

// logs adds the ledger of log records, all of it 0 where none are made.
func (m *metrics) logs(l *entryLogs) {
	core := func(count func(*ring.Core) int64) func() int64 {
		return func() int64 {
			if !l.on() {
				return 0
			}
			return count(l.core)
		}
	}
	m.counter("logs_made_total", "Log records that were made of access-log entries.", &l.Made)
	m.counter("logs_exported_total", "Log records that the upstream has taken.", &l.Exported)
	m.gauge("logs_open", "Log records in batches that are being filled.", core((*ring.Core).Open))
	m.gauge("logs_queued", "Log records in batches that wait for the sender.", core((*ring.Core).Queued))
	m.gauge("logs_in_flight", "Log records in the batch that is being sent.", core((*ring.Core).InFlight))
	for i := range ledger.NumLogDrops {
		m.counter("logs_dropped_total", "Log records that were not exported, by reason.", &l.Dropped[i], "reason", i.String())
	}
}
