package spanbuilder

import (
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Sink takes what the table has decided. What it is given is valid during the call; it frees nothing.
type Sink interface {
	// Undecided tells whether s, the span of an attempt, has to wait for what is decided of its request.
	Undecided(s *Item) bool
	// Foresee is told of a span that Span will be given later, with what e says: what is decided of it holds for its attempts now.
	Foresee(s *Item, e *wire.Entry, l *Logger, claim *Claim)
	// Span takes a span that came, with what e says added to it unless e is nil.
	Span(s *Item, c Change, e *wire.Entry, l *Logger, claim *Claim)
	// Server and Client take the spans that an entry proves.
	Server(e *wire.Entry, l *Logger, c *Claim)
	Client(e *wire.Entry, l *Logger, c *Claim, id propagation.SpanID)
	// Inner takes an entry whose SERVER or CLIENT is a span of somebody else: an INTERNAL span below it.
	Inner(e *wire.Entry, l *Logger, c *Claim)
	// Attempt takes the record of an attempt that no span of Envoy tells of.
	Attempt(e *wire.Entry, l *Logger, c *Claim)
	// Ended tells what became of an item. The table does not look at it again.
	Ended(i *Item, f Fate)
}

// Change is what is not as it came in a span that goes out. A zero ID changes nothing.
type Change struct {
	ID, Parent propagation.SpanID
	Inner      bool // its kind becomes INTERNAL: the request has a SERVER already
}

// Of gives the id with which a span leaves that came with id.
func (c *Change) Of(id propagation.SpanID) propagation.SpanID {
	if c.ID.IsZero() {
		return id
	}
	return c.ID
}

// Fate says what became of an item.
type Fate uint8

const (
	Joined        Fate = iota // an entry and a span are one span
	TimedOut                  // nothing came: it went out alone
	NotWaited                 // it went out alone at once
	Evicted                   // it went out alone because memory was needed
	Drained                   // it went out alone because the agent stops
	UnpairedInner             // an entry whose span is elsewhere: an INTERNAL span
	UnpairedGone              // the same, and it is dropped
	LateEntry                 // its span had left: an INTERNAL span below that
	LateSpan                  // its entry had left: it went out as INTERNAL
	AlreadyMade               // its entry had left with the very id of this span, which is dropped
	Duplicate                 // a better copy of an entry took its place, or it came too late for that; a span that was sent twice
	NumFates
)

var fates = [NumFates]string{"joined", "timed_out", "not_waited", "evicted", "drained", "unpaired", "unpaired_dropped", "late_entry", "late_span", "already_made", "duplicate"}

func (f Fate) String() string { return fates[f] }
