package agent

import (
	"time"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/spanbuilder"
)

// joiner is the goroutine in which entries and spans of one request meet.
type joiner struct {
	writer
	table   *spanbuilder.Table
	touched uint64 // keeps the compiler from leaving out what Touch reads
}

// The slab's use, in sixteenths, above which the oldest items are let go: what comes must find room.
const evictAbove = 14

// join takes what was handed over until stop is closed, and then lets everything go.
func (p *Pipeline) join(stop <-chan struct{}) {
	j := &joiner{writer: p.writer()}
	j.table = spanbuilder.NewTable(j.joining, j.builder, p.loggers, p.requests, p.ids, p.cells, j)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		j.renew()
		j.takeAll()
		next := j.table.Advance(p.clock())
		j.flush()
		p.oldest.Store(j.table.Oldest())
		if next != spanbuilder.Never {
			timer.Reset(time.Duration(next - p.clock()))
		}
		select {
		case <-p.inbox.wake:
		case <-timer.C:
		case <-stop:
			j.takeAll()
			j.table.Drain(p.clock())
			j.flush()
			return
		}
	}
}

// takeAll takes the parcels that are there.
func (j *joiner) takeAll() {
	for q := j.p.inbox.take(); q != nil; {
		for i := range q.left {
			j.table.Departed(&q.left[i])
		}
		for i := range q.items {
			if q.items[i].Shared {
				j.table.Shares(&q.items[i])
			}
		}
		const ahead = 8
		for i := range q.items {
			if i%ahead == 0 {
				for k := i; k < min(i+ahead, len(q.items)); k++ {
					j.touched ^= j.table.Touch(&q.items[k])
				}
			}
			j.table.Add(&q.items[i])
		}
		for j.p.cells.Used()*16 > j.p.cells.Size()*evictAbove && j.table.Evict() {
		}
		next := q.next
		j.p.inbox.empty(q)
		q = next
	}
}

// Ended counts what became of an item.
func (j *joiner) Ended(i *spanbuilder.Item, f spanbuilder.Fate) {
	t := &j.tally
	if i.What == spanbuilder.EntryItem || i.What == spanbuilder.AttemptItem {
		t.entryFates[f]++
		t.entriesWaiting--
		switch f {
		case spanbuilder.UnpairedGone:
			j.p.Entries.Dropped[ledger.EntryUnpaired].Add(1)
		case spanbuilder.Duplicate:
			t.duplicate++
		default:
			t.used++
		}
		return
	}
	t.spanFates[f]++
	t.spansWaiting--
	switch f {
	case spanbuilder.AlreadyMade:
		j.p.Spans.Dropped[ledger.SpanAlreadyMade].Add(1)
	case spanbuilder.Duplicate:
		j.p.Spans.Dropped[ledger.SpanDuplicate].Add(1)
	}
}
