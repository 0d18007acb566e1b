package agent

import "github.com/alspan/alspan/spanbuilder"

// tally counts what one message brings. The shared counters are touched once a message: two streams that count every
// entry there would spend more time on that than on the entries.
type tally struct {
	received, used, taught int64
	made                   int64
	repaired, cut          int64
	rows                   [spanbuilder.NumRows]int64
}

// flush adds everything to the pipeline's counters.
func (t *tally) flush(p *Pipeline) {
	p.Entries.Received.Add(t.received)
	if t.used > 0 {
		p.Entries.Used.Add(t.used)
		p.Spans.Made.Add(t.made)
	}
	if t.taught > 0 {
		p.Entries.Taught.Add(t.taught)
	}
	if t.repaired+t.cut > 0 {
		p.repaired.Add(t.repaired)
		p.cut.Add(t.cut)
	}
	for i, n := range t.rows {
		if n > 0 {
			p.rows[i].Add(n)
		}
	}
	*t = tally{}
}
