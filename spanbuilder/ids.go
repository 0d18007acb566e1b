package spanbuilder

import (
	"time"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
)

// remember is how long what has left is remembered.
const remember = 10 * time.Second

// How says how a span left.
type How uint8

const (
	NotSeen How = iota
	Made        // made from an entry
	Sent        // it came as a span
)

// IDs remembers the spans that have left: no id may leave twice. It is used by all goroutines at once.
type IDs struct{ *recent.Table }

// NewIDs makes a memory of that many bytes.
func NewIDs(bytes int) *IDs { return &IDs{recent.New(bytes, remember)} }

func (t *IDs) key(trace propagation.TraceID, id propagation.SpanID) recent.Key {
	return recentKey(idKey(trace, id))
}

// recentKey gives the key of a hash in a memory of what was seen.
func recentKey(h uint64) recent.Key { return recent.Key{ID: h, Sub: uint16(h >> 24)} }

// Known tells whether a span has left; now is in ticks.
func (t *IDs) Known(trace propagation.TraceID, id propagation.SpanID, now uint64) (how How) {
	k := t.key(trace, id)
	var f recent.Found
	t.Look(k.ID, now, &f)
	return howOf(k, &f)
}

// Leave remembers a span that leaves, and tells how one with its id left before. Of two that leave at the same time,
// exactly one is told of the other.
func (t *IDs) Leave(trace propagation.TraceID, id propagation.SpanID, how How, now uint64) (before How) {
	k := t.key(trace, id)
	var f recent.Found
	for {
		t.Look(k.ID, now, &f)
		if before = howOf(k, &f); before != NotSeen || t.Enter(k, uint16(how), &f) {
			return before
		}
	}
}

func howOf(k recent.Key, f *recent.Found) How { return How(markOf(k, f)) }

// markOf gives the highest mark that is remembered of k, 0 if none is.
func markOf(k recent.Key, f *recent.Found) (most uint16) {
	for _, s := range f.All() {
		if s.Sub == k.Sub {
			most = max(most, s.Mark)
		}
	}
	return most
}

// Settle makes the ids of a span that is made unlike those that have left. A SERVER whose id is taken, because Envoy's span
// has left or because another half has it, gets a derived one below it; a CLIENT whose id is taken is not made.
func (t *IDs) Settle(i *Identity, c *Claim, now uint64) {
	if !c.Derived && t.Leave(c.Trace, c.Own, Made, now) != NotSeen {
		c.Parent, c.Own, c.Derived = c.Own, i.newSpan(roleServer, c.Trace, c.Logged, i.found.entry, i.found.logger), true
	}
	if !c.Up.IsZero() && (c.NoClient || t.Leave(c.Trace, c.Up, Made, now) != NotSeen) {
		c.Up, c.NoClient = propagation.SpanID{}, true
	}
}

// collide decides what becomes of a span with the id of one that was made here and has left. Envoy's own span of the same
// thing is not needed any more, and collide gives false. Another one is the other half of a shared id: it goes below.
func (d *derivation) collide(c *Change, s *Item) bool {
	switch {
	case s.What == AttemptSpan || s.What == ProxySpan && s.pair == nil:
		return false
	case s.What == ProxySpan || s.Kind == kindServer:
		c.ID, c.Parent = d.halfID(s.Trace, s.ID, max(s.Node, s.Origin.Service), s.Start, s.End), s.ID
	}
	return true
}

// Pass is asked when a span goes out that has nothing to do with any entry. It gives false if it has left already.
func (t *IDs) Pass(d *Spans, s *Item, now uint64) (c Change, ok bool) {
	if t.Leave(s.Trace, s.ID, Sent, now) == Made {
		return c, d.collide(&c, s)
	}
	return c, true
}
