package spanbuilder

import (
	"github.com/alspan/alspan/internal/propagation"
)

// timeUp lets an item go alone.
func (t *Table) timeUp(i *Item) {
	if i.What == ProxySpan {
		if logger, sealed, left := t.requests.entryOf(i, t.ticks); left { // there was no room for the entry
			t.lateSpan(i, logger, sealed)
			return
		}
		t.node(i.Node).alone.Add(1)
		t.gone.add(i, t.now)
		t.send(i)
		return
	}
	if i.Replaces { // its copy had left
		t.end(i, Duplicate)
		return
	}
	t.read(i)
	c := &t.claim
	t.id.Prove(c)
	sealed := t.id.Alone(t.id.Expected(), t.cause != NotWaited, t.now, t.o.Unpaired)
	if t.requests.Left(i, sealed, t.ticks) {
		t.belated(i)
		return
	}
	if sealed {
		t.unpaired(i, c)
		return
	}
	c.NoClient = i.Logger.node.attempts.Load() && (c.Up.IsZero() || !t.unproven.has(idKey(c.Trace, c.Up), t.now))
	t.ids.Settle(t.id, c, t.ticks)
	t.sink.Server(&t.entry, i.Logger, c)
	if id, ok := t.b.ClientSpan(t.id, &t.entry, i.Logger, c); ok {
		t.sink.Client(&t.entry, i.Logger, c, id)
	}
	t.headDone(i.head, head{trace: c.Trace, own: c.Own, parent: c.Parent, injected: c.Injected})
	t.end(i, t.cause)
}

// Alone is asked when the entry last read leaves without its span; expected is what Expected says, and waited
// whether the entry gave the span time to come. It tells whether that span is elsewhere, so that the
// entry makes no SERVER: its logger's entries have met theirs before, and this request was sampled.
func (i *Identity) Alone(expected, waited bool, now int64, o Unpaired) (sealed bool) {
	if !expected {
		return false
	}
	sealed = i.found.logger.seals(o)
	if waited {
		i.found.logger.missed(now)
	}
	return sealed
}

// Sealed makes c, which is what an entry proves, that of an INTERNAL span below the span of its request, or below whatever
// the logged id is.
func (i *Identity) Sealed(c *Claim) {
	below := c.Logged
	if v := &i.found; !v.tagSpan.IsZero() {
		below = c.Own
	}
	i.Below(c, c.Trace, below)
}

// Below makes c that of an INTERNAL span of the entry last read, below a span of somebody else.
func (i *Identity) Below(c *Claim, trace propagation.TraceID, parent propagation.SpanID) {
	c.Trace, c.Parent, c.Up, c.NoClient, c.Derived = trace, parent, propagation.SpanID{}, true, true
	c.Own = i.newSpan(roleInner, trace, c.Logged, i.found.entry, i.found.logger)
}

func (t *Table) unpaired(i *Item, c *Claim) {
	injected := c.Injected
	t.id.Sealed(c)
	own := c.Parent
	if own.IsZero() {
		own = c.Own
	}
	f := UnpairedGone
	if t.o.Unpaired != UnpairedDrop {
		f = UnpairedInner
		t.sink.Inner(&t.entry, i.Logger, c)
	}
	t.headDone(i.head, head{trace: c.Trace, own: own, injected: injected, sealed: true})
	t.end(i, f)
}

// lateEntry handles an entry whose span has left without it: it is told below that.
func (t *Table) lateEntry(i *Item, g *departed) {
	t.read(i)
	i.Logger.met(t.now)
	i.Logger.node.met()
	c := &t.claim
	t.id.Prove(c)
	h := g.head()
	t.id.Below(c, h.trace, h.ownID(t))
	t.sink.Inner(&t.entry, i.Logger, c)
	t.headDone(i.head, h)
	t.end(i, LateEntry)
}

// belated handles an entry whose span went out at once, since entries of its node did not come here or there was no room.
// From now on they are waited for; this one is told below its logged id.
func (t *Table) belated(i *Item) {
	t.read(i)
	i.Logger.met(t.now)
	i.Logger.node.met()
	c := &t.claim
	t.id.Prove(c)
	injected := c.Injected
	t.id.Sealed(c)
	t.sink.Inner(&t.entry, i.Logger, c)
	t.headDone(i.head, head{trace: c.Trace, own: c.Parent, injected: injected, sealed: true})
	t.end(i, LateEntry)
}

// lateSpan handles a span whose entry has left without it. There is a SERVER for the request, unless the entry made none.
func (t *Table) lateSpan(s *Item, logger uint16, sealed bool) {
	if l := t.loggers.At(logger); l != nil {
		l.met(t.now)
		l.node.met()
	}
	switch {
	case sealed:
		t.send(s)
	case t.ids.Known(s.Trace, s.ID, t.ticks) == Made && (s.half == nil || s.half.keeps()):
		t.end(s, AlreadyMade)
	default:
		t.finish(s, LateSpan)
	}
}

// send lets a span go, as soon as it is known whether it shares its id.
func (t *Table) send(s *Item) {
	if t.holdsBack(s) {
		t.holds.insert(s)
		return
	}
	t.finish(s, t.cause)
}

// gone remembers the spans that left without their entry. It forgets the oldest when there are too many.
type gone struct {
	byRequest   map[uint64]*departed
	first, last *departed
	n           int
	spare       *departed
}

// departed is one of them.
type departed struct {
	facts
	half  *half
	until int64
	taken bool
	next  *departed // with the same key
	newer *departed
}

const mostGone = 1 << 15

func (g *gone) init() { g.byRequest = map[uint64]*departed{} }

func (g *gone) add(s *Item, now int64) {
	g.forget(now)
	d := g.spare
	if d == nil {
		d = new(departed)
	} else {
		g.spare = d.newer
	}
	*d = departed{facts: s.facts, half: s.half, until: now + int64(remember), next: g.byRequest[s.Request]}
	g.byRequest[s.Request] = d
	if g.last != nil {
		g.last.newer = d
	} else {
		g.first = d
	}
	g.last = d
	g.n++
}

// forget lets go what is too old, or too much.
func (g *gone) forget(now int64) {
	for d := g.first; d != nil && (d.until < now || g.n > mostGone); d = g.first {
		if g.first = d.newer; g.first == nil {
			g.last = nil
		}
		g.n--
		g.unlink(d)
		*d = departed{newer: g.spare}
		g.spare = d
	}
}

func (g *gone) unlink(d *departed) {
	head := g.byRequest[d.Request]
	switch {
	case head == d && d.next == nil:
		delete(g.byRequest, d.Request)
	case head == d:
		g.byRequest[d.Request] = d.next
	default:
		for p := head; p != nil; p = p.next {
			if p.next == d {
				p.next = d.next
				return
			}
		}
	}
}

// find gives the best span that has left for the entry i, once.
func (g *gone) find(i *Item, t *Table) (best *departed) {
	g.forget(t.now)
	for d := g.byRequest[i.Request]; d != nil; d = d.next {
		if !d.taken && t.fits(i, &d.facts) && (best == nil || i.nearer(&d.facts, &best.facts)) {
			best = d
		}
	}
	if best != nil {
		best.taken = true
	}
	return best
}

func (d *departed) head() head {
	return head{trace: d.Trace, own: d.ID, half: d.half}
}
