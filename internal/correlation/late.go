package correlation

import "time"

// gone is an entry or a proxy span that left without its partner: known for ten seconds (rule 7).
type gone struct {
	item  *item
	until time.Duration
	taken bool
	how   How
	trace string
	id    string
}

func (m *model) remember(x *item, how How, trace, id string) {
	b := x.bucket()
	m.gone[b] = append(m.gone[b], &gone{x, m.now + Remember, false, how, trace, id})
}

// bestGone gives the partner of x that has left already.
func (m *model) bestGone(x *item) *gone {
	var candidates []*item
	all := m.gone[x.bucket()]
	for _, g := range all {
		if !g.taken && g.until >= m.now {
			candidates = append(candidates, g.item)
		}
	}
	y := m.best(x, candidates)
	for _, g := range all {
		if y != nil && g.item == y {
			return g
		}
	}
	return nil
}

// timeUp lets x leave without its partner.
func (m *model) timeUp(x *item) {
	if x.span != nil {
		if m.alreadyMade(x) {
			return
		}
		m.node(x.node).alone++
		m.remember(x, Alone, x.span.Trace, x.span.ID)
		m.send(x, Alone, nil)
		return
	}
	p, l := m.prove(x), x.logger
	could := m.sampled(x)
	// Its span is lost or elsewhere: no SERVER of ours.
	lost := could && (l.state == tracing || l.state == elsewhere) && m.broken != "unpaired"
	if could && !x.poor {
		l.missed()
	}
	if lost {
		m.unpaired(x, &p)
		return
	}
	m.leave(x)
	if m.known(p.trace, p.own) != "" { // another half of a shared id, or Envoy's own span, has it
		p.parent, p.own, p.derived = p.own, m.derived(x, &p), true
	}
	m.emit(x, OfEntry, Result{Trace: p.trace, ID: p.own, Parent: p.parent, Kind: x.entry.kind(), Derived: p.derived})
	if p.up != "" && p.up != p.own && (!m.node(x.node).attempts || m.unproven[idKey{p.trace, p.up}]) && m.known(p.trace, p.up) == "" {
		m.emit(x, OfEntry, Result{Trace: p.trace, ID: p.up, Parent: p.own, Kind: Client, Below: true})
	}
	m.remember(x, OfEntry, p.trace, p.own)
	m.done(x, p.trace, nil, &p, p.injected)
}

// unpaired makes an INTERNAL span of an entry, below the id that is logged.
func (m *model) unpaired(x *item, p *claim) {
	m.leave(x)
	below := p.logged
	if tag := x.entry.Tags["sid"]; tag != "" && !p.derived {
		below = p.own
	}
	id := derive(8, p.trace, p.logged, x.node, x.start, x.entry.Dur, x.rid, "internal")
	m.emit(x, Unpaired, Result{Trace: p.trace, ID: id, Parent: below, Kind: Internal, Derived: true})
	m.remember(x, Unpaired, p.trace, id)
	own := below
	if own == "" {
		own = id
	}
	x.head.sealed = true
	m.done(x, p.trace, nil, &claim{own: own}, p.injected)
}

// late takes x, whose partner g has left without it.
func (m *model) late(x *item, g *gone) {
	if x.entry != nil { // below its proxy span
		x.logger.met()
		m.node(x.node).alone = 0
		m.leave(x)
		s := m.final(g.item)
		m.emit(x, Unpaired, Result{Trace: s.trace, ID: derive(8, s.trace, s.id, x.node, x.start, x.entry.Dur, x.rid, "internal"), Parent: s.id, Kind: Internal, Derived: true})
		m.done(x, s.trace, g.item, nil, unsaid)
		return
	}
	l := g.item.logger
	l.met()
	l.relate(g.item, x.span)
	switch {
	case g.how == Unpaired && m.broken != "late kinds": // no SERVER was made: this is the only one
		m.send(x, Alone, nil)
	case g.how == OfEntry && m.known(x.span.Trace, x.span.ID) == "made":
		m.count(x, "already made")
	case m.broken == "late kinds":
		m.send(x, Alone, nil)
	case m.broken == "late parents":
		x.identity = &identity{x.span.Trace, x.span.ID, g.id}
		m.send(x, Late, nil)
	default:
		m.send(x, Late, nil)
	}
}
