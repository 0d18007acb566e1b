package spanbuilder

import (
	"sync/atomic"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/wire"
)

// Filtered remembers the requests that a filter has dropped, so that nothing of them goes out alone: the other half that comes
// late, and what would hang below a span that is not there. It is used by all goroutines at once.
type Filtered struct {
	*recent.Table
	any, entries atomic.Bool // there is one; there is one that had an entry
}

// NewFiltered makes a memory of that many bytes.
func NewFiltered(bytes int) *Filtered { return &Filtered{Table: recent.New(bytes, remember)} }

// What is remembered of an id.
const (
	bySpan  = 1 + iota // a span that came
	byEntry            // one that an entry has a part in: its attempts are known to be of the same request
)

// Entry remembers that the span with the claim c, made from e, was dropped; now is in ticks.
func (f *Filtered) Entry(d *Deriver, e *wire.Entry, l *Logger, c *Claim, now uint64) {
	if hasRequestID(e) {
		f.enter(d.request(e, l), byEntry, now)
	}
	f.enter(idKey(c.Trace, c.Own), byEntry, now)
}

// Span remembers that a span that came was dropped, joined with an entry or not. Other spans that came have nothing to do with one
// that had no entry: they are dropped one by one, as in a collector. Nor has what entries make to do with a span that no Envoy made,
// be it the caller's, with whose id Envoy's own may go on.
func (f *Filtered) Span(s *Item, joined bool, now uint64) {
	if !joined && s.What == ZipkinSpan {
		return
	}
	mark := uint16(byEntry)
	if !joined {
		if mark = bySpan; s.What == ProxySpan && s.HasID {
			f.enter(s.Key().ID, mark, now)
		}
	}
	f.enter(idKey(s.Trace, s.ID), mark, now)
}

func (f *Filtered) enter(id uint64, mark uint16, now uint64) {
	if f.any.Store(true); mark == byEntry {
		f.entries.Store(true)
	}
	k := recentKey(id)
	var found recent.Found
	for {
		f.Look(k.ID, now, &found)
		if markOf(k, &found) >= mark || f.Enter(k, mark, &found) {
			return
		}
	}
}

func (f *Filtered) mark(id, now uint64) uint16 {
	var found recent.Found
	f.Look(id, now, &found)
	return markOf(recentKey(id), &found)
}

// Any tells whether there is any, Entries whether there is one that an entry has a part in. Until then there is nothing to ask.
func (f *Filtered) Any() bool { return f.any.Load() }

// Entries is explained at Any.
func (f *Filtered) Entries() bool { return f.entries.Load() }

// Below tells whether the span of that id was dropped, below which one of the same request is made.
func (f *Filtered) Below(trace propagation.TraceID, parent propagation.SpanID, now uint64) bool {
	return f.mark(idKey(trace, parent), now) != 0
}

// Request tells whether the request of e was dropped.
func (f *Filtered) Request(d *Deriver, e *wire.Entry, l *Logger, now uint64) bool {
	return hasRequestID(e) && f.mark(d.request(e, l), now) != 0
}

// Came tells whether a span that came is of a request that was dropped: it is the late half, or the span of an attempt, which is
// known to be of the same request only if there was an entry.
func (f *Filtered) Came(s *Item, now uint64) bool {
	switch s.What {
	case ProxySpan:
		return s.HasID && f.mark(s.Key().ID, now) == byEntry
	case AttemptSpan:
		return f.mark(idKey(s.Trace, s.Parent), now) == byEntry
	}
	return false
}

// Deriver gives the keys of requests to one goroutine.
type Deriver struct{ derivation }

// hasRequestID tells whether e has what tells its request from others for sure.
func hasRequestID(e *wire.Entry) bool { return len(e.Text(wire.RequestID)) > 0 }

func (d *Deriver) request(e *wire.Entry, l *Logger) uint64 {
	_, seen := d.requestKeys(e, l)
	return seen
}
