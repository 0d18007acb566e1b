package correlation

import (
	"slices"
	"time"
)

// head is an End, from the moment it comes: attempts look for theirs (rule 8).
type head struct {
	item     *item
	done     bool // it has left: the rest is known
	trace    string
	span     *item  // the proxy span that it was joined with, or that left before it
	claim    *claim // else what the entry proves
	injected proof
	sealed   bool // its SERVER is elsewhere, and so are the CLIENTs
}

func (m *model) head(x *item) {
	x.logger.shows(x.entry.RequestID)
	x.head = &head{item: x}
	k := headKey{x.node, x.rid}
	m.heads[k] = append(m.heads[k], x.head)
}

// done tells the attempts of an End what became of it.
func (m *model) done(x *item, trace string, s *item, p *claim, injected proof) {
	h := x.head
	h.done, h.trace, h.span, h.claim, h.injected = true, trace, s, p, injected
	m.tryAttempts(func(a *item) bool { return a.node == x.node && a.rid == x.rid })
}

// own gives the id of the SERVER.
func (m *model) own(h *head) string {
	switch {
	case h == nil || !h.done:
		return ""
	case h.span != nil:
		return m.final(h.span).id
	}
	return h.claim.own
}

// above gives the parent of the SERVER.
func (m *model) above(h *head) string {
	if h.span != nil {
		return m.final(h.span).parent
	}
	return h.claim.parent
}

func (m *model) attempt(x *item) {
	m.node(x.node).attempts = true
	x.wait = m.patience(x) // for a CLIENT span: by its own logger
	m.attempts = append(m.attempts, x)
	for _, d := range []time.Duration{SpanWait, Wait, Wait + SpanWait} {
		m.at(m.now+d, func() { m.try(x) })
	}
	m.try(x)
}

func (m *model) tryAttempts(which func(*item) bool) {
	for _, a := range slices.Clone(m.attempts) {
		if which(a) {
			m.try(a)
		}
	}
}

// headOf gives an attempt's End: the same request, in which it begins, the innermost; one with the logged id before the others.
// It may end later, above all a mirror, or an attempt that was given up.
func (m *model) headOf(a *item) *head {
	var best *head
	for _, h := range m.heads[headKey{a.node, a.rid}] {
		c, ok := m.context(h.item)
		if h.item.start > a.start+1000 || a.start > h.item.end+1000 || ok && a.trace != "" && c.Trace != a.trace {
			continue
		}
		r := m.rank(h, a)
		if !h.item.entry.Up {
			continue
		}
		// The innermost: a caller may have sent one request twice, with one id.
		if best == nil || r > m.rank(best, a) || r == m.rank(best, a) &&
			(h.item.start > best.item.start || h.item.start == best.item.start && h.item.end < best.item.end) {
			best = h
		}
	}
	return best
}

// sameAttempt tells whether a CLIENT span with an attempt's id is of that attempt, and not of the Envoy before, whose id it
// is where nothing was injected: they begin within microseconds.
func (m *model) sameAttempt(a, s *item) bool {
	nodes := m.nodesOf[s.span.Service]
	return (len(nodes) == 0 || nodes[a.node]) && s.code == a.code && max(a.start-s.start, s.start-a.start) <= 50_000 || m.broken == "attempts"
}

// try lets an attempt leave if it may.
func (m *model) try(a *item) {
	i := slices.Index(m.attempts, a)
	if i < 0 {
		return
	}
	age := m.now - a.at
	leave := func() {
		m.attempts = slices.DeleteFunc(m.attempts, func(x *item) bool { return x == a })
		m.leave(a)
	}
	c, _ := m.context(a) // anew: the tracer's format may have been learnt meanwhile
	if c.ID != a.logged {
		a.known = ""
	}
	a.trace, a.logged = c.Trace, c.ID
	k := idKey{a.trace, a.logged}
	if s := m.clients[k]; s != nil && m.sameAttempt(a, s) { // Envoy's own CLIENT span of it
		delete(m.clients, k)
		leave()
		a.logger.met()
		a.logger.relations[s.span.Format] = "child"
		m.send(s, Joined, a)
		return
	}
	h := m.headOf(a)
	done := h != nil && h.done
	if h != nil && !done && age < Wait+SpanWait { // it has met its End and leaves with it
		return
	}
	if a.known == "" {
		a.known = m.known(a.trace, a.logged) // at once: the table forgets sooner than a wait ends
	}
	patience := a.wait
	if a.known == "sent" {
		patience = 0
	}
	if !done || m.rank(h, a) < surely { // its own End may come behind that of another pass
		patience = max(patience, SpanWait)
	}
	if age < patience {
		return
	}
	leave()
	used := m.known(a.trace, a.logged)
	if used == "" {
		used = a.known
	}
	m.finish(a, h, done, used)
}

// rank tells how likely an End is an attempt's own: it has its id, and ends after it. The passes of a redirect follow each
// other, so that to be past the end is for want of a better one.
func (m *model) rank(h *head, a *item) (n int) {
	if c, _ := m.context(h.item); c.ID == a.logged {
		n += 2
	}
	if a.end <= h.item.end {
		n++
	}
	return n
}

const surely = 3

// finish makes the span of an attempt that met no CLIENT span.
func (m *model) finish(a *item, h *head, done bool, used string) {
	own, trace := m.own(h), a.trace
	if m.clients[idKey{a.trace, a.logged}] != nil {
		used = "sent" // in a moment
	}
	if trace == "" {
		trace = derive(16, a.rid)
	}
	if done { // below its SERVER, wherever that is
		trace = h.trace
	}
	id := derive(8, trace, a.logged, a.node, a.start, a.entry.Dur, a.rid, "attempt")
	switch {
	case used == "sent" && !(done && own == a.logged): // Envoy's span of it has left already
		m.emit(a, Unpaired, Result{Trace: a.trace, ID: id, Parent: a.logged, Kind: Internal, Derived: true})
		return
	case done && h.sealed: // the SERVER is elsewhere, so is the CLIENT
		below := a.logged
		if below == "" {
			below = own
		}
		m.emit(a, Unpaired, Result{Trace: trace, ID: id, Parent: below, Kind: Internal, Derived: true})
		return
	}
	if a.wait != 0 {
		a.logger.missed()
	}
	c, _ := m.context(a)
	proven := a.logger.relations[c.Format] != ""
	if done && h.injected != unsaid {
		proven = h.injected == yes
	}
	r := Result{Trace: trace, ID: id, Parent: own, Kind: Client, Derived: true}
	// Never the id that its SERVER hangs below: that would be a cycle.
	if proven && a.logged != "" && used == "" && trace == a.trace && a.logged != own && (!done || a.logged != m.above(h) || m.broken == "cycles") {
		r.ID, r.Derived = a.logged, false
	} else if !proven {
		for _, c := range Contexts(a.headers) {
			m.unproven[idKey{c.Trace, c.ID}] = true
		}
	}
	m.emit(a, Attempt, r)
}
