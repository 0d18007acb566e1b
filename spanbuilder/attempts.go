package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/propagation"
)

// The router's record of an attempt (UpstreamEnd) has a start of its own, but the x-request-id and the logged id of the
// attempt. It waits for Envoy's CLIENT span with that id and for its request, and becomes the CLIENT span of the attempt.

// head is what attempts ask of their request.
type head struct {
	start, end  uint64
	logged      propagation.SpanID
	done        bool // the request has left: the rest is known
	sealed      bool // as an INTERNAL span: its SERVER is elsewhere
	injected    Injected
	trace       propagation.TraceID
	own         propagation.SpanID
	half        *half // the own id may change with this
	key         uint64
	at          int64
	newer, next *head
}

// ownID gives the id of the request's span, for good.
func (h *head) ownID(t *Table) propagation.SpanID {
	if h.half != nil {
		t.settle(h.half)
		return h.half.final
	}
	return h.own
}

// heads are the requests of nodes that log attempts.
type heads struct {
	byKey       map[uint64]*head
	first, last *head
	n           int
	life        int64
}

const mostHeads = 1 << 15

func (h *heads) init(life int64) { h.byKey, h.life = map[uint64]*head{}, life }

func (h *heads) add(x *head) {
	h.forget(x.at)
	x.next = h.byKey[x.key]
	h.byKey[x.key] = x
	if h.last != nil {
		h.last.newer = x
	} else {
		h.first = x
	}
	h.last = x
	h.n++
}

func (h *heads) forget(now int64) {
	for x := h.first; x != nil && (x.at+h.life < now || h.n > mostHeads); x = h.first {
		if h.first = x.newer; h.first == nil {
			h.last = nil
		}
		h.n--
		if y := h.byKey[x.key]; y == x && y.next == nil {
			delete(h.byKey, x.key)
		} else if y == x {
			h.byKey[x.key] = x.next
		} else {
			for ; y != nil; y = y.next {
				if y.next == x {
					y.next = x.next
					break
				}
			}
		}
	}
}

// head remembers the request e, for attempts that come.
func (t *Table) head(e *Item) {
	if !e.Logger.node.attempts.Load() {
		return
	}
	e.head = &head{start: e.Start, end: e.End, logged: e.ID, key: e.Attempts, at: t.now}
	t.heads.add(e.head)
}

// spanHead is what attempts ask of the span s of their request.
func (t *Table) spanHead(s *Item) head {
	h := head{trace: s.Trace, own: s.ID, half: s.half, injected: NotInjected}
	if v := &t.id.found; v.logged != nil && v.entry.HasUpstream() && v.logged.Span != s.Parent {
		h.injected = WasInjected
	}
	return h
}

// headDone tells the attempts of e what it became.
func (t *Table) headDone(e *Item, is head) {
	h := e.head
	if h == nil {
		return
	}
	h.done, h.sealed, h.injected, h.trace, h.own, h.half = true, is.sealed, is.injected, is.trace, is.own, is.half
	list := t.attempts[h.key]
	if len(list) == 0 {
		return
	}
	for _, a := range slices.Clone(list) {
		t.try(a)
	}
	t.read(e) // again: they were read meanwhile
}

// addAttempt takes the record of an attempt.
func (t *Table) addAttempt(a *Item) {
	if n := a.Logger.node; !n.attempts.Load() {
		n.attempts.Store(true)
	}
	a.Waits = a.Waits && a.Logger.expects()
	t.attempts[a.Attempts] = append(t.attempts[a.Attempts], a)
	t.byID[a.ID] = append(t.byID[a.ID], a)
	t.tries[0].push(a)
	t.try(a)
}

// forgetAttempt takes a out of all in which it waits.
func (t *Table) forgetAttempt(a *Item) {
	a.list.remove(a)
	without(t.attempts, a.Attempts, a)
	without(t.byID, a.ID, a)
}

func without[K comparable](m map[K][]*Item, key K, i *Item) {
	list := slices.DeleteFunc(m[key], func(x *Item) bool { return x == i })
	if len(list) == 0 {
		delete(m, key)
	} else {
		m[key] = list
	}
}

// stages are how long an attempt waits: for its request; for Envoy's span; for a request that itself waits.
func (t *Table) stage(n int) int64 {
	switch n {
	case 0:
		return int64(t.o.SpanWait)
	case 1:
		return int64(max(t.o.Wait, t.o.SpanWait))
	}
	return int64(t.o.Wait + t.o.SpanWait)
}

// headOf gives the innermost request that a can be an attempt of, the one with the same logged id first.
func (t *Table) headOf(a *Item) (best *head) {
	for h := t.heads.byKey[a.Attempts]; h != nil; h = h.next {
		const early, late = 1e3, 1e6 // the record's times are rounded, and an attempt may end after its request
		if h.start > a.Start+early || a.End > h.end+late {
			continue
		}
		if best == nil {
			best = h
			continue
		}
		if same, bestSame := h.logged == a.ID, best.logged == a.ID; same != bestSame {
			if same {
				best = h
			}
			continue
		}
		if h.end < best.end || h.end == best.end && h.at < best.at {
			best = h
		}
	}
	return best
}

// try lets an attempt go if it is clear what it becomes, or if it has waited long enough.
func (t *Table) try(a *Item) {
	if s := t.clients[a.ID]; s != nil && s.Trace == a.Trace {
		t.meetSpan(a, s)
		return
	}
	age := t.now - a.Arrived
	hurried := t.cause == Drained || t.cause == Evicted
	h := t.headOf(a)
	done := h != nil && h.done
	if h != nil && !done && age < t.stage(2) && !hurried {
		return
	}
	known := t.ids.Known(a.Trace, a.ID, t.ticks)
	a.spanLeft = a.spanLeft || known == Sent
	wait := int64(0)
	if a.Waits && !a.spanLeft {
		wait = int64(t.o.Wait)
	}
	if !done {
		wait = max(wait, int64(t.o.SpanWait))
	}
	if age < wait && !hurried {
		return
	}
	t.forgetAttempt(a)
	t.attemptAlone(a, h, known)
}

// attemptAlone makes a span of an attempt that met none of Envoy's.
func (t *Table) attemptAlone(a *Item, h *head, known How) {
	t.read(a)
	c := &t.tried
	t.id.Prove(c)
	logged := c.Logged
	var own propagation.SpanID
	if h != nil && h.done {
		if own = h.ownID(t); logged.IsZero() {
			c.Trace = h.trace
		}
	} else {
		h = nil
	}
	switch {
	case a.spanLeft && own != logged:
		t.inner(a, c, logged)
	case h != nil && h.sealed && t.id.Expected(): // the SERVER is elsewhere, and so is the CLIENT
		if logged.IsZero() {
			logged = own
		}
		t.inner(a, c, logged)
	default:
		if a.Waits {
			a.Logger.missed(t.now)
		}
		proven := a.Logger.relation.Load() != 0
		if h != nil && h.injected != InjectedUnknown {
			proven = h.injected == WasInjected
		}
		c.Parent = own
		if c.Own = logged; logged.IsZero() || !proven || known != NotSeen || a.spanLeft || logged == own || t.ids.Leave(c.Trace, logged, Made, t.ticks) != NotSeen {
			c.Own = t.id.newSpan(roleClient, c.Trace, logged, &t.entry, a.Logger)
		}
		t.sink.Attempt(&t.entry, a.Logger, c)
		t.end(a, t.cause)
	}
}

func (t *Table) inner(a *Item, c *Claim, below propagation.SpanID) {
	t.id.Below(c, c.Trace, below)
	t.sink.Inner(&t.entry, a.Logger, c)
	t.end(a, UnpairedInner)
}

// meetSpan makes one span of an attempt and Envoy's own CLIENT span of it, which waits.
func (t *Table) meetSpan(a, s *Item) {
	t.forgetAttempt(a)
	delete(t.clients, s.ID)
	s.list.remove(s)
	t.read(a)
	a.Logger.met(t.now)
	a.Logger.learn(s.Tracer, UpstreamID)
	s.pair = a
	if t.holdsBack(s) {
		t.holds.insert(s)
		return
	}
	t.finish(s, Joined)
}

// addAttemptSpan takes a CLIENT span of Envoy. It waits if the node logs attempts.
func (t *Table) addAttemptSpan(s *Item) {
	if t.ids.Known(s.Trace, s.ID, t.ticks) == Made {
		t.end(s, AlreadyMade)
		return
	}
	n := t.services[s.Origin.Service]
	waiting := t.byID[s.ID]
	if n == nil && s.Node != 0 {
		n = t.node(s.Node)
	}
	if t.clients[s.ID] != nil || (n == nil || !n.attempts.Load()) && len(waiting) == 0 {
		t.send(s)
		return
	}
	t.clients[s.ID] = s
	t.callers.push(s)
	for _, a := range waiting {
		if a.Trace == s.Trace {
			t.meetSpan(a, s)
			return
		}
	}
}

// LoneAttempt makes c the claim of an attempt that meets neither its request nor Envoy's span.
func (i *Identity) LoneAttempt(c *Claim) {
	c.Parent, c.Up = propagation.SpanID{}, propagation.SpanID{}
	c.Own = i.newSpan(roleClient, c.Trace, c.Logged, i.found.entry, i.found.logger)
}
