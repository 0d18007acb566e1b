package spanbuilder

// partner gives the best of the items that wait for i, nil if there is none that fits: with the same node, where both name
// one, the same microsecond and the same code; among several the one with the nearest end, then the first to come.
func (t *Table) partner(i *Item) *Item { return t.best(i, false) }

// best is that among those that wait for a better copy, with parked, or among all others.
func (t *Table) best(i *Item, parked bool) (best *Item) {
	for p := t.waiting[i.Request]; p != nil; p = p.next {
		e, s := i, p
		if i.What != EntryItem {
			e, s = p, i
		}
		if i.What != p.What && !p.Replaces && p.parked == parked && t.fits(e, &s.facts) && (best == nil || i.nearer(&p.facts, &best.facts)) {
			best = p
		}
	}
	return best
}

// fits tells whether the entry e and the span s may be of one request.
func (t *Table) fits(e *Item, s *facts) bool {
	if !e.beganWith(s) || e.Code != s.Code && !e.Mute || e.Node != s.Node && e.Node != 0 && s.Node != 0 {
		return false
	}
	if (e.HasID || s.HasID) && !e.Coarse {
		return true
	}
	// Without a request id or an exact start the traces must be equal, where the entry knows its own.
	t.read(e)
	trace, known := t.id.traceOf(s.Tracer)
	return !known || trace == s.Trace
}

// beganWith tells whether the entry e and the span s began at the same time, as far as e tells its own.
func (e *Item) beganWith(s *facts) bool {
	if e.Coarse {
		return e.Start/1e6 == s.Start/1e6
	}
	return e.Start/1e3 == s.Start/1e3
}

// nearer tells whether a ends nearer to f than b does, or came earlier.
func (f *facts) nearer(a, b *facts) bool {
	da, db := apart(f.End, a.End), apart(f.End, b.End)
	return da < db || da == db && a.Arrived < b.Arrived
}

func apart(a, b uint64) uint64 { return max(a, b) - min(a, b) }
