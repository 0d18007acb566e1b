package spanbuilder

import (
	"sync/atomic"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/wire"
)

// Verdicts remembers what was decided of requests, so that nothing of them goes another way: the other half that comes late, what
// would hang below a span that is not there, Envoy's spans of attempts. It is used by all goroutines at once.
type Verdicts struct {
	*recent.Table
	any, entries atomic.Bool // there is one; a filter has dropped one that had an entry
}

// NewVerdicts makes a memory of that many bytes.
func NewVerdicts(bytes int) *Verdicts { return &Verdicts{Table: recent.New(bytes, 2*remember)} }

// Verdict is what was decided of a request, and why.
type Verdict struct {
	What   Decided
	Reason uint16 // below mostReasons; its meaning is the caller's
}

// Decided is what can be decided. Of several the highest counts.
type Decided uint8

const (
	Undecided  Decided = iota
	Kept               // it was sampled
	SampledOut         // it was not sampled
	Filtered           // a filter dropped it
)

// Drops tells whether the request was dropped.
func (v Verdict) Drops() bool { return v.What >= SampledOut }

// The marks of the table: what was decided, and whether it was of a span that an entry has a part in, so that its attempts are known
// to be of the same request.
const (
	mostReasons = 1 << 12
	entryMark   = 1 << 12
	decidedAt   = 13
)

func (v Verdict) mark(entry bool) uint16 {
	m := uint16(v.What)<<decidedAt | v.Reason%mostReasons
	if entry {
		m |= entryMark
	}
	return m
}

func verdictOf(mark uint16) (v Verdict, entry bool) {
	return Verdict{Decided(mark >> decidedAt), mark % mostReasons}, mark&entryMark != 0
}

// Entry remembers what was decided of the span with the claim c, made from e, the record of a request or of an attempt; now is in ticks.
func (f *Verdicts) Entry(d *Deriver, e *wire.Entry, l *Logger, c *Claim, v Verdict, now uint64) {
	if e.Type != wire.UpstreamEnd {
		f.enter(d.request(e, l, v), v.mark(true), now)
		f.enter(idKey(c.Trace, c.Own), v.mark(true), now)
	}
	f.enter(clientOf(c), v.mark(true), now)
}

// Span remembers what was decided of a span that came and leaves with the change ch, joined with an entry or not. Other spans that came
// have nothing to do with one that had no entry: they are decided on one by one, as in a collector. Nor has what entries make to do with
// a span that no Envoy made, be it the caller's, with whose id Envoy's own may go on.
func (f *Verdicts) Span(s *Item, ch Change, joined bool, v Verdict, now uint64) {
	switch s.What {
	case ProxySpan:
		f.enter(s.verdictKey(v), v.mark(joined), now)
		f.enter(idKey(s.Trace, ch.Of(s.ID)), v.mark(joined), now)
	case AttemptSpan:
		f.enter(clientKey(s.Trace, s.ID), v.mark(joined), now)
	}
}

// Foreseen remembers what was decided of the request of Envoy's span s before that leaves.
func (f *Verdicts) Foreseen(s *Item, v Verdict, now uint64) {
	if s.What == ProxySpan {
		f.enter(s.verdictKey(v), v.mark(true), now)
	}
}

// Attempts lets the attempts of the request of e know what was decided, if there are any and it does not come to meet them.
func (f *Verdicts) Attempts(d *Deriver, e *wire.Entry, l *Logger, v Verdict, now uint64) {
	if id := e.Text(wire.RequestID); len(id) > 0 && l.node.attempts.Load() {
		f.enter(d.attemptKey(id, l.nodeName()), v.mark(true), now)
	}
}

// Unheard remembers for attempts alone what was decided of the request of e, which makes no span: one of it that does come is not
// concerned.
func (f *Verdicts) Unheard(d *Deriver, e *wire.Entry, l *Logger, v Verdict, now uint64) {
	if e.Type != wire.UpstreamEnd && l.node.attempts.Load() {
		f.enter(unheard(d.request(e, l, v)), v.mark(true), now)
	}
}

// unheard gives the key of a request by which only its attempts ask.
func unheard(request uint64) uint64 {
	if request == 0 {
		return 0
	}
	return ^request
}

// key gives the key of a request for the verdict v, 0 if it has none. By their start requests without an x-request-id are
// told apart well enough to be sampled together, but not to be filtered.
func (v Verdict) key(seen uint64, hasID bool, node uint64) uint64 {
	if hasID || node != 0 && v.What != Filtered {
		return seen
	}
	return 0
}

func (i *Item) verdictKey(v Verdict) uint64 { return v.key(i.Key().ID, i.HasID, i.Node) }

// parent gives the id of the span below which s is, as far as that is known.
func (s *Item) parent() propagation.SpanID {
	if s.above.IsZero() {
		return s.Parent
	}
	return s.above
}

// clientKey gives the key of the span of an attempt. Its id may be that of the next Envoy's span, too.
func clientKey(t propagation.TraceID, s propagation.SpanID) uint64 { return ^idKey(t, s) }

// clientOf gives the key of Envoy's span of the attempt whose id went upstream, 0 if that is not known.
func clientOf(c *Claim) uint64 {
	if c.Logged.IsZero() || c.Logged == c.Own || c.Injected != WasInjected {
		return 0
	}
	return clientKey(c.Trace, c.Logged)
}

// enter remembers a mark. Of a request there is one verdict, the first one; but a filter may drop its second half when the first one
// was kept.
func (f *Verdicts) enter(id uint64, mark uint16, now uint64) {
	if id == 0 {
		return
	}
	is, entry := verdictOf(mark)
	if f.any.Store(true); is.What == Filtered && entry {
		f.entries.Store(true)
	}
	k := recentKey(id)
	var found recent.Found
	for {
		f.Look(k.ID, now, &found)
		was, hadEntry := verdictOf(markOf(k, &found))
		if was.What != Undecided && (is.What != Filtered || was.What == Filtered && (hadEntry || !entry)) || f.Enter(k, mark, &found) {
			return
		}
	}
}

func (f *Verdicts) of(id, now uint64) (v Verdict, entry bool) {
	if id == 0 || !f.any.Load() {
		return Verdict{}, false
	}
	var found recent.Found
	f.Look(id, now, &found)
	return verdictOf(markOf(recentKey(id), &found))
}

// Entries tells whether a filter has dropped a span that an entry has a part in. Until then there is nothing to ask about spans that
// come.
func (f *Verdicts) Entries() bool { return f.entries.Load() }

// Below gives the verdict on the span of that id, below which one of the same request is made.
func (f *Verdicts) Below(trace propagation.TraceID, parent propagation.SpanID, now uint64) Verdict {
	v, _ := f.of(idKey(trace, parent), now)
	return v
}

// Request gives the verdict on the request that e is the record of.
func (f *Verdicts) Request(d *Deriver, e *wire.Entry, l *Logger, now uint64) (v Verdict) {
	if f.any.Load() && e.Type != wire.UpstreamEnd {
		v, _ = f.of(d.request(e, l, Verdict{}), now)
	}
	return v
}

// Late gives the verdict on the request of e, the record of a request or of an attempt, if something of it has left: c is the claim.
func (f *Verdicts) Late(d *Deriver, e *wire.Entry, l *Logger, c *Claim, now uint64) (v Verdict) {
	keys := [...]uint64{c.Request, unheard(c.Request), idKey(c.Trace, c.Parent), clientOf(c)}
	if e.Type != wire.UpstreamEnd {
		keys[0], keys[1], keys[2] = d.request(e, l, Verdict{}), 0, 0
	}
	for _, key := range keys {
		if v, _ = f.of(key, now); v.What != Undecided {
			break
		}
	}
	return v
}

// Came gives the verdict on the request of a span that came: it is the late half, or the span of an attempt. A filter decides on spans
// one by one, unless there was an entry.
func (f *Verdicts) Came(s *Item, now uint64) Verdict {
	var v Verdict
	var entry bool
	switch s.What {
	case ProxySpan:
		v, entry = f.of(s.verdictKey(Verdict{}), now)
	case AttemptSpan:
		for _, key := range [...]uint64{s.of, idKey(s.Trace, s.parent()), clientKey(s.Trace, s.ID)} {
			if v, entry = f.of(key, now); v.What != Undecided {
				break
			}
		}
	}
	if v.What == Filtered && !entry {
		return Verdict{}
	}
	return v
}

// Deriver gives the keys of requests to one goroutine.
type Deriver struct{ derivation }

func (d *Deriver) request(e *wire.Entry, l *Logger, v Verdict) uint64 {
	_, seen := d.requestKeys(e, l)
	return v.key(seen, len(e.Text(wire.RequestID)) > 0, l.nodeName())
}
