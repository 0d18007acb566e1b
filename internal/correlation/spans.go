package correlation

import "slices"

// span takes a span that an Envoy sent.
func (m *model) span(s *Span) {
	m.waits++
	x := &item{span: s, node: s.Node, rid: Masked(s.RequestID), start: s.Start, end: s.End, code: s.Code, at: m.now}
	if s.Shared {
		m.shares[s.Service] = true
	}
	if k := (idKey{s.Trace, s.ID}); s.Format == B3 {
		m.halves[k] = append(slices.DeleteFunc(m.halves[k], func(y *item) bool { return y.at+Remember < m.now }), x)
	}
	if s.Proxy {
		n := m.node(s.Node)
		n.tracer, n.spans = s.Format, true
		if m.nodesOf[s.Service] == nil {
			m.nodesOf[s.Service] = map[string]bool{}
		}
		if !m.nodesOf[s.Service][s.Node] {
			m.nodesOf[s.Service][s.Node] = true
			m.tryAttempts(func(*item) bool { return true })
		}
		for k, l := range m.loggers {
			if k.node == s.Node && l.state == unknown {
				l.state = tracing
			}
		}
		m.meet(x)
		return
	}
	if m.known(s.Trace, s.ID) == "made" {
		m.count(x, "already made")
		return
	}
	wanted := slices.ContainsFunc(m.attempts, func(a *item) bool { return a.trace == s.Trace && a.logged == s.ID })
	for node := range m.nodesOf[s.Service] {
		wanted = wanted || m.node(node).attempts
	}
	if s.Kind != Client || !wanted {
		m.send(x, Alone, nil)
		return
	}
	k := idKey{s.Trace, s.ID}
	if old := m.clients[k]; old != nil {
		m.send(old, Alone, nil)
	}
	m.clients[k] = x
	m.tryAttempts(func(*item) bool { return true })
	m.at(m.now+SpanWait, func() {
		if m.clients[k] == x {
			delete(m.clients, k)
			if !m.alreadyMade(x) {
				m.send(x, Alone, nil)
			}
		}
	})
}

// final gives a span's identity (rule 9), which is final when its hold is over or when somebody needs it: of two halves
// with one id the CLIENT keeps it, else the earliest; the other gets a derived id below it.
func (m *model) final(x *item) *identity {
	if x.identity != nil {
		return x.identity
	}
	s := x.span
	x.identity = &identity{s.Trace, s.ID, s.Parent}
	halves := m.halves[idKey{s.Trace, s.ID}]
	if s.Format != B3 || m.broken == "shared ids" {
		m.ids[idKey{s.Trace, s.ID}] = idState{m.now, "sent"}
		return x.identity
	}
	keeps := m.known(s.Trace, s.ID) == "" // else another half has left with it, or a span that we made
	for _, y := range halves {
		if y != x && y.identity != nil && y.identity.id == s.ID || y != x && y.identity == nil && earlier(y, x) {
			keeps = false
		}
	}
	if !keeps {
		who := s.Node
		if who == "" {
			who = s.Service
		}
		x.identity = &identity{s.Trace, derive(8, s.Trace, s.ID, who, s.Start, s.End-s.Start), s.ID}
	}
	m.ids[idKey{s.Trace, x.identity.id}] = idState{m.now, "sent"} // it may be held yet
	return x.identity
}

// earlier tells whether of two halves with no identity yet a is the one that keeps the id.
func earlier(a, b *item) bool {
	if ac, bc := a.span.Kind == Client, b.span.Kind == Client; ac != bc {
		return ac
	}
	switch {
	case a.start != b.start:
		return a.start < b.start
	case a.end != b.end:
		return a.end < b.end
	}
	return a.at < b.at
}

// follow gives the parent of a span, whose parent may be a half with another id now: same endpoint, the
// nearest that began before: Envoy's spans do not reach to their end.
func (m *model) follow(x *item, parent string) string {
	if x.span.Proxy { // another hop's, be its endpoint's name the same
		return parent
	}
	var best *item
	beyond := func(y *item) []int64 { return []int64{max(x.start-y.end, 0), max(x.end-y.end, 0), y.end} }
	for _, y := range m.halves[idKey{x.span.Trace, x.span.Parent}] {
		if y == x || y.span.Kind == Client || y.span.Service != x.span.Service || y.start > x.start {
			continue
		}
		if best == nil || slices.Compare(beyond(y), beyond(best)) < 0 {
			best = y
		}
	}
	if best != nil && m.final(best).id != best.span.ID && m.broken != "followers" {
		return best.identity.id
	}
	return parent
}

// send lets a span leave, after its hold when its endpoint shares ids.
func (m *model) send(x *item, how How, e *item) {
	s := x.span
	if hold := x.at + SpanWait; m.shares[s.Service] && m.now < hold {
		m.at(hold, func() { m.send(x, how, e) })
		return
	}
	id := *m.final(x)
	if id.id == s.ID {
		id.parent = m.follow(x, id.parent)
	}
	if how == Joined {
		m.node(x.node).alone = 0
	}
	m.leave(x)
	r := Result{Trace: id.trace, ID: id.id, Parent: id.parent, Kind: s.Kind, Name: s.Name, Start: s.Start, End: s.End, Error: s.Error, How: how, Span: s, Derived: id.id != s.ID}
	if how == Late {
		r.Kind = Internal
	}
	if e != nil {
		r.Entry = e.entry
		if m.broken == "identity of pairs" {
			r.Parent = ""
		}
	}
	m.put(r)
	m.ids[idKey{id.trace, id.id}] = idState{m.now, "sent"}
}
