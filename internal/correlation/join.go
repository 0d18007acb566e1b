package correlation

import (
	"cmp"
	"slices"
)

// bucket is where an entry and its proxy span meet (rule 5).
func (x *item) bucket() bucket {
	return bucket{cmp.Or(x.rid, x.node), x.start / 1e6}
}

// fits tells whether an entry and a span may be of one request.
func (m *model) fits(a, b *item) bool {
	if (a.entry == nil) == (b.entry == nil) || a.node != "" && b.node != "" && a.node != b.node || a.start/1000 != b.start/1000 {
		return false
	}
	if a.rid != "" || b.rid != "" {
		return true
	}
	e, sp := a, b.span
	if a.entry == nil {
		e, sp = b, a.span
	}
	// Without a request id the traces must be equal, where the entry knows its own.
	if t := e.entry.Tags["tid"]; isID(t, 32) {
		return t == sp.Trace
	}
	c, ok := Choose(e.headers, sp.Format)
	return !ok || !c.of(sp.Format) || c.Trace == sp.Trace
}

// best gives the candidate that is x's partner: the same status code, then the nearest end, then the first that came.
func (m *model) best(x *item, candidates []*item) *item {
	var best *item
	for _, y := range candidates {
		if !m.fits(x, y) || y.code != x.code && m.broken != "status codes" {
			continue
		}
		if best == nil || far(x, y) < far(x, best) || far(x, y) == far(x, best) && y.at < best.at {
			best = y
		}
	}
	return best
}

func far(x, y *item) int64 { return max(x.end-y.end, y.end-x.end) }

// meet takes an entry or a proxy span that has come.
func (m *model) meet(x *item) {
	b := x.bucket()
	if y := m.best(x, m.waiting[b]); y != nil {
		m.waiting[b] = slices.DeleteFunc(m.waiting[b], func(z *item) bool { return z == y })
		if x.entry != nil {
			m.join(x, y)
		} else {
			m.join(y, x)
		}
		return
	}
	if g := m.bestGone(x); g != nil {
		g.taken = true
		m.late(x, g)
		return
	}
	if m.alreadyMade(x) {
		return
	}
	m.settle(x)
}

// alreadyMade drops a proxy span whose id a span has that we made; where ids are shared that may be the other half.
func (m *model) alreadyMade(x *item) bool {
	if x.span == nil || m.shares[x.span.Service] || m.known(x.span.Trace, x.span.ID) != "made" {
		return false
	}
	m.count(x, "already made")
	return true
}

// settle lets x wait, as long as it may.
func (m *model) settle(x *item) {
	b := x.bucket()
	if x.wait == 0 {
		x.wait = m.patience(x)
	}
	// An entry that would not wait does for its twin with the headers.
	if x.entry != nil && x.wait == 0 && m.poorer[loggerKey{x.node, x.entry.Log}] && x.at+SpanWait > m.now {
		x.wait, x.poor = SpanWait, true
	}
	until := x.at + x.wait
	if until <= m.now || len(m.waiting[b]) >= mostPerKey {
		m.timeUp(x)
		return
	}
	m.waiting[b] = append(m.waiting[b], x)
	m.at(until, func() {
		if i := slices.Index(m.waiting[b], x); i >= 0 && x.at+x.wait <= m.now {
			m.waiting[b] = slices.Delete(m.waiting[b], i, i+1)
			m.timeUp(x)
		}
	})
}

// join makes one span of an entry and its proxy span.
func (m *model) join(e, s *item) {
	l := e.logger
	l.met()
	l.relate(e, s.span)
	if !IsUUID(e.entry.RequestID) {
		l.oddIDs = true
	}
	c, ok := Choose(e.headers, s.span.Format)
	m.leave(e)
	m.send(s, Joined, e)
	m.done(e, s.span.Trace, s, nil, tri(ok && e.entry.Up && c.of(s.span.Format) && c.ID != s.span.Parent))
}
