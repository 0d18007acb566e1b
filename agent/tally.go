package agent

import (
	"sync/atomic"

	"github.com/alspan/alspan/spanbuilder"
)

// tally counts what one message brings. The shared counters are touched once a message: two streams that count every
// entry there would spend more time on that than on the entries.
type tally struct {
	received, used, taught, duplicate int64
	made, spans, logs                 int64
	entriesWaiting, spansWaiting      int64
	repaired, cut                     int64
	rows                              [spanbuilder.NumRows]int64
	entryFates, spanFates             [spanbuilder.NumFates]int64
	senders                           [spanbuilder.NumBys]int64
}

// flush adds everything to the pipeline's counters.
func (t *tally) flush(p *Pipeline) {
	add(&p.Entries.Received, t.received)
	add(&p.Entries.Used, t.used)
	add(&p.Entries.Taught, t.taught)
	add(&p.Entries.Duplicate, t.duplicate)
	add(&p.Entries.Waiting, t.entriesWaiting)
	add(&p.Spans.In, t.spans)
	add(&p.Spans.Made, t.made)
	add(&p.Spans.Waiting, t.spansWaiting)
	add(&p.logged.Made, t.logs)
	add(&p.repaired, t.repaired)
	add(&p.cut, t.cut)
	for i, n := range t.rows {
		add(&p.rows[i], n)
	}
	for f := range t.entryFates {
		add(&p.entryFates[f], t.entryFates[f])
		add(&p.spanFates[f], t.spanFates[f])
	}
	for by, n := range t.senders {
		add(&p.sentBy[by], n)
	}
	*t = tally{}
}

func add(to *atomic.Int64, n int64) {
	if n != 0 {
		to.Add(n)
	}
}
