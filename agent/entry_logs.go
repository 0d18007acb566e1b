package agent

import (
	"context"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/spanbuilder"
)

// entryLogs are the log records of entries on their way: each entry that is used has one, with the ids of its span. They have a core, a
// sender and a connection of their own, so that spans never wait for them.
//
// A record is made of the span's bytes as they leave. Filters and changes of attributes hold for it; sampling does not: while there are
// records nothing is dropped for that before its span was encoded and looked at.
type entryLogs struct {
	core     *ring.Core // nil: none are made
	exporter exporter
	ledger.LogRecords
}

// logTo makes the pipeline give log records of entries to an exporter.
func (p *Pipeline) logTo(c *config.Config, e exporter) {
	p.logged.core, p.logged.exporter = ring.New(logCoreOptions(c)), e
}

// on tells whether records are made.
func (l *entryLogs) on() bool { return l.core != nil }

// deliver sends batches until the core is closed and empty. When ctx is over, what is left is counted as lost.
func (l *entryLogs) deliver(ctx context.Context) {
	if !l.on() {
		return
	}
	var b ring.Batch
	for l.core.Gather(context.Background(), &b) {
		r := l.exporter.Export(ctx, &b)
		l.Exported.Add(int64(r.Exported))
		l.Dropped[r.Reason].Add(int64(r.Dropped))
		b.Release()
	}
}

// close lets deliver come to its end.
func (l *entryLogs) close() {
	if l.on() {
		l.core.Close()
	}
}

// recorder is how one goroutine writes log records.
type recorder struct {
	records ring.Producer
	logs    bool // the span at hand has one
	silent  bool // the entry at hand has one, and makes no span
}

// goes tells whether a span is written of whose request v was decided: it leaves, or it is logged.
func (w *writer) goes(v spanbuilder.Verdict) bool {
	return !v.Drops() || w.logs && v.What == spanbuilder.SampledOut
}

// record writes the log record of the span in field, which is one of ScopeSpans, as it leaves or as it would. A record that does not fit
// into a chunk is not made: those who take logs want short ones.
func (w *writer) record(field []byte, kept bool) {
	l := &w.p.logged
	w.tally.logs++
	w.records.Begin(l.core, w.resourceOf(w.from))
	dst, ok := w.records.Reserve(min(len(field)+spanbuilder.LogRecordRoom, chunkSize))
	if !ok {
		l.Dropped[ledger.SpanFull].Add(1)
		return
	}
	if !w.records.Commit(spanbuilder.LogRecord(dst, body(field), kept)) {
		l.Dropped[ledger.SpanOversize].Add(1)
	}
}
