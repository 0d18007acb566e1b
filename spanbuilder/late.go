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
		if e := t.best(i, true); e != nil {
			t.unwait(e)
			e.parked = false
			t.joined(e, i)
			return
		}
		t.node(i.Node).alone.Add(1)
		t.departs(i)
		t.send(i, t.cause)
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
	if !i.Silent {
		t.ids.Settle(t.id, c, t.ticks)
	}
	t.sink.Server(&t.entry, i.Logger, c)
	if id, ok := t.b.ClientSpan(t.id, &t.entry, i.Logger, c); ok {
		t.sink.Client(&t.entry, i.Logger, c, id)
	}
	t.headDone(i.head, head{trace: c.Trace, own: c.Own, parent: c.Parent, injected: c.Injected, contextless: c.Contextless})
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

// above gives the span below which the attempts of a sealed request hang: that of the request, or the one made of its entry
// where that is not known.
func (c *Claim) above() propagation.SpanID {
	if c.Parent.IsZero() {
		return c.Own
	}
	return c.Parent
}

func (t *Table) unpaired(i *Item, c *Claim) {
	injected := c.Injected
	t.id.Sealed(c)
	own := c.above()
	f := UnpairedGone
	if t.o.Unpaired != UnpairedDrop {
		f = UnpairedInner
		t.sink.Inner(&t.entry, i.Logger, c)
	}
	t.headDone(i.head, head{trace: c.Trace, own: own, injected: injected, sealed: true, contextless: c.Contextless})
	t.end(i, f)
}

// lateEntry handles an entry whose span has left without it: it is told below that.
func (t *Table) lateEntry(i *Item, g *departed) {
	t.read(i)
	t.met(i.Logger)
	t.loggers.adopt(i.Logger, g.Node)
	c := &t.claim
	t.id.Prove(c)
	h := g.head()
	t.id.Below(c, h.trace, h.ownID(t))
	c.Contextless = false // its span tells the trace
	t.sink.Inner(&t.entry, i.Logger, c)
	t.headDone(i.head, h)
	t.end(i, LateEntry)
}

// belated handles an entry whose span went out at once, since entries of its node did not come here or there was no room.
// From now on they are waited for; this one is told below its logged id.
func (t *Table) belated(i *Item) {
	t.read(i)
	t.met(i.Logger)
	c := &t.claim
	t.id.Prove(c)
	injected := c.Injected
	t.id.Sealed(c)
	t.sink.Inner(&t.entry, i.Logger, c)
	t.headDone(i.head, head{trace: c.Trace, own: c.above(), injected: injected, sealed: true, contextless: c.Contextless})
	t.end(i, LateEntry)
}

// lateSpan handles a span whose entry has left without it. There is a SERVER for the request, unless the entry made none.
func (t *Table) lateSpan(s *Item, logger uint16, sealed bool) {
	if l := t.loggers.At(logger); l != nil {
		t.met(l)
	}
	switch {
	case sealed:
		t.send(s, t.cause)
	case t.ids.Known(s.Trace, s.ID, t.ticks) == Made && (s.half == nil || s.half.keeps()):
		t.end(s, AlreadyMade)
	default:
		t.finish(s, LateSpan)
	}
}

// send lets a span go, as soon as it is known whether it shares its id.
func (t *Table) send(s *Item, f Fate) {
	if t.holdsBack(s) {
		t.holds.insert(s)
		return
	}
	if t.follows(s) {
		return
	}
	t.finish(s, f)
}

// departed is a span that left without its entry.
type departed struct {
	facts
	half  *half
	taken bool
}

const mostGone = 1 << 15

// departs remembers that s leaves without its entry.
func (t *Table) departs(s *Item) {
	*t.gone.add(s.Request, t.now) = departed{facts: s.facts, half: s.half}
}

// departedOf gives the best span that has left for the entry i, once.
func (t *Table) departedOf(i *Item) (best *departed) {
	t.gone.forget(t.now)
	for k := t.gone.of(i.Request); k != nil; k = k.next {
		d := &k.value
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
