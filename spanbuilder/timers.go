package spanbuilder

import "math"

// Never is the time of a timer that does not run.
const Never = math.MaxInt64

// due gives the list whose first item is due first, and when.
func (t *Table) due() (l *list, at int64) {
	at = Never
	look := func(x *list, wait int64) {
		if x.first != nil && x.first.Arrived+wait < at {
			l, at = x, x.first.Arrived+wait
		}
	}
	look(&t.entries, int64(t.o.Wait))
	look(&t.spans, int64(t.o.SpanWait))
	look(&t.twins, int64(t.o.SpanWait))
	look(&t.parks, int64(t.o.SpanWait))
	look(&t.spansLate, int64(max(t.o.FileWait, t.o.SpanWait)))
	look(&t.callers, int64(t.o.SpanWait))
	for n := range t.tries {
		look(&t.tries[n], t.stage(n))
	}
	look(&t.holds, int64(t.o.SpanWait))
	for n := range t.followers.lists {
		look(&t.followers.lists[n], t.followFor(n))
	}
	return l, at
}

// Advance lets go what has waited long enough at the time now, and gives when to call it again.
func (t *Table) Advance(now int64) (next int64) {
	t.cause = TimedOut
	for {
		l, at := t.due()
		if at > now {
			t.at(now)
			return at
		}
		t.at(max(at, t.now))
		t.expire(l)
	}
}

// expire lets the first item of l go.
func (t *Table) expire(l *list) {
	i := l.first
	switch l {
	case &t.holds:
		l.remove(i)
		t.letGo(i)
	case &t.parks:
		t.unpark(i)
	case &t.followers.lists[0], &t.followers.lists[1]:
		t.goesOn(i)
	case &t.callers:
		l.remove(i)
		delete(t.clients, i.ID)
		t.send(i, t.cause)
	case &t.tries[0], &t.tries[1], &t.tries[2]:
		if i.stage < len(t.tries)-1 {
			l.remove(i)
			i.stage++
			t.tries[i.stage].push(i)
		}
		t.try(i)
	default:
		t.unwait(i)
		t.timeUp(i)
	}
	t.release()
}

// fateOf gives the fate of a span that was held.
func (t *Table) fateOf(s *Item) Fate {
	if s.pair != nil {
		return Joined
	}
	return t.cause
}

// Evict lets an item go, and gives false when there is none: the one that has waited for longest beyond what items of its
// kind wait for when they do meet their partner.
func (t *Table) Evict() bool {
	var oldest *list
	var at int64
	for _, l := range t.lists() {
		if l.first == nil {
			continue
		}
		came := l.first.Arrived
		switch l {
		case &t.entries:
			came += t.entryWait.usual
		case &t.spans, &t.spansLate:
			came += t.spanWait.usual
		}
		if oldest == nil || came < at {
			oldest, at = l, came
		}
	}
	if oldest == nil {
		return false
	}
	t.cause = Evicted
	t.expire(oldest)
	return true
}

// Drain lets everything go.
func (t *Table) Drain(now int64) {
	t.at(now)
	t.cause = Drained
	for _, l := range t.lists() {
		for l.first != nil {
			t.expire(l)
		}
	}
}

// lists gives every list in which items wait: requests before their attempts, which go by what becomes of them.
func (t *Table) lists() [12]*list {
	return [...]*list{&t.parks, &t.entries, &t.spans, &t.spansLate, &t.twins, &t.holds, &t.callers, &t.tries[0], &t.tries[1], &t.tries[2], &t.followers.lists[0], &t.followers.lists[1]}
}

// Oldest gives when the item came that has waited for longest, 0 if none waits.
func (t *Table) Oldest() (at int64) {
	for _, l := range t.lists() {
		if l.first != nil && (at == 0 || l.first.Arrived < at) {
			at = l.first.Arrived
		}
	}
	return at
}

// patience is how long items wait that meet their partner: the longest of late.
type patience struct{ usual int64 }

// met learns from one that has waited that long.
func (p *patience) met(waited int64) {
	const fade = 1024 // in so many meetings
	p.usual = max(waited, p.usual-p.usual/fade)
}
