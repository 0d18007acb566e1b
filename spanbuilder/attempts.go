package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/propagation"
)

// The router's record of an attempt (UpstreamEnd) has a start of its own, but the x-request-id and the logged id of the
// attempt. It waits for Envoy's CLIENT span with that id and for its request, and becomes the CLIENT span of the attempt.

// addAttempt takes the record of an attempt.
func (t *Table) addAttempt(a *Item) {
	t.firstAttempt(a.Logger.node)
	a.Waits = a.Waits && a.Logger.expects()
	t.attempts[a.Attempts] = append(t.attempts[a.Attempts], a)
	t.byID[a.ID] = append(t.byID[a.ID], a)
	t.tries[0].push(a)
	t.try(a)
}

// firstAttempt learns that a node logs attempts: from now on requests are remembered for them, and so are those that wait.
func (t *Table) firstAttempt(n *Node) {
	if n.attempts.Load() {
		return
	}
	n.attempts.Store(true)
	for _, l := range []*list{&t.entries, &t.twins, &t.parks} {
		for e := l.first; e != nil; e = e.foll {
			if e.Logger.node == n {
				t.head(e)
			}
		}
	}
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

// try lets an attempt go if it is clear what it becomes, or if it has waited long enough.
func (t *Table) try(a *Item) {
	t.read(a)
	if v := &t.id.found; v.logged != nil && v.logged.Span != a.ID { // the tracer's format has been learned meanwhile
		without(t.byID, a.ID, a)
		a.Trace, a.ID, a.spanLeft = v.logged.Trace, v.logged.Span, false
		t.byID[a.ID] = append(t.byID[a.ID], a)
	}
	if s := t.clients[a.ID]; s != nil && t.sameAttempt(a, s) {
		t.meetSpan(a, s)
		return
	}
	age := t.now - a.Arrived
	hurried := t.cause == Drained || t.cause == Evicted
	h := t.headOf(a)
	done := h != nil && h.done
	if (h != nil && !done || t.followers.byID[a.ID] > 0) && age < t.stage(2) && !hurried {
		return // it leaves with its request
	}
	known := t.ids.Known(a.Trace, a.ID, t.ticks)
	a.spanLeft = a.spanLeft || known == Sent
	wait := int64(0)
	if a.Waits && !a.spanLeft {
		wait = int64(t.o.Wait)
	}
	if !done || h.rank(a) < surely { // its own request may come behind that of another pass
		wait = max(wait, int64(t.o.SpanWait))
	}
	if age < wait && !hurried {
		return
	}
	t.forgetAttempt(a)
	if !done {
		h = nil
	}
	t.attemptAlone(a, h, known)
}

// attemptAlone makes a span of an attempt that met none of Envoy's: t.read has read it, and h is its request, which has left.
func (t *Table) attemptAlone(a *Item, h *head, known How) {
	c := &t.tried
	t.id.Prove(c)
	logged, trace := a.ID, a.Trace
	if !logged.IsZero() {
		c.Trace = trace
	}
	if a.HasID {
		c.Request = a.Attempts
	}
	var own propagation.SpanID
	if h != nil {
		own, c.Trace, c.Contextless, c.TimedOut, c.Request = h.ownID(t), h.trace, h.contextless, h.timedOut, h.request
	}
	proven := a.Logger.relationOf(t.id.found.format) != Unsaid
	if h != nil && h.injected != InjectedUnknown {
		proven = h.injected == WasInjected
	}
	if c.Injected = NotInjected; proven {
		c.Injected = WasInjected
	}
	left := a.spanLeft || t.clients[logged] != nil // in a moment
	switch {
	case left && own != logged:
		c.Trace = trace
		t.inner(a, c, logged)
		return
	case h != nil && h.sealed: // the SERVER is elsewhere, and so is the CLIENT
		if logged.IsZero() {
			logged = own
		}
		t.inner(a, c, logged)
		return
	}
	if a.Waits {
		a.Logger.missed(t.now)
	}
	if !proven {
		seen := t.id.Set.Seen()
		for f, ok := seen.Next(); ok; f, ok = seen.Next() {
			if ctx, ok := t.id.Set.Get(f); ok {
				t.unproven.add(idKey(ctx.Trace, ctx.Span), t.now)
			}
		}
	}
	// Never the id that its SERVER hangs below.
	c.Parent, c.Own = own, logged
	if logged.IsZero() || !proven || left || known != NotSeen || c.Trace != trace || logged == own || h != nil && (h.parent == logged || h.own == logged) ||
		t.ids.Leave(trace, logged, Made, t.ticks) != NotSeen {
		c.Own = t.id.newSpan(roleClient, c.Trace, logged, &t.entry, a.Logger)
	}
	t.sink.Attempt(&t.entry, a.Logger, c)
	t.end(a, t.cause)
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
	s.sentBy(a)
	t.send(s, Joined)
}

// sameAttempt tells whether the CLIENT span s, which has a's id, is that of the attempt a, and not of the Envoy before it,
// whose id it is where nothing was injected: both begin within microseconds.
func (t *Table) sameAttempt(a, s *Item) bool {
	const near, atMost = 50e3, 5e6 // the second one on a busy machine, where only one Envoy calls itself so
	nodes := t.services[s.Origin.Service]
	if s.Trace != a.Trace || s.Code != a.Code {
		return false
	}
	if len(nodes) == 1 {
		return apart(a.Start, s.Start) <= atMost && nodes[0] == a.Logger.node
	}
	return apart(a.Start, s.Start) <= near && (len(nodes) == 0 || slices.Contains(nodes, a.Logger.node))
}

// addAttemptSpan takes a CLIENT span of Envoy. It waits if a node of its service logs attempts.
func (t *Table) addAttemptSpan(s *Item) {
	if t.ids.Known(s.Trace, s.ID, t.ticks) == Made {
		t.end(s, AlreadyMade)
		return
	}
	waiting := t.byID[s.ID]
	logs := slices.ContainsFunc(t.services[s.Origin.Service], func(n *Node) bool { return n.attempts.Load() })
	if t.clients[s.ID] != nil || !logs && len(waiting) == 0 {
		t.send(s, t.cause)
		return
	}
	t.clients[s.ID] = s
	t.callers.push(s)
	for _, a := range waiting {
		if t.sameAttempt(a, s) {
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
