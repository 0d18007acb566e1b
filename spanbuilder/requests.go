package spanbuilder

import (
	"github.com/alspan/alspan/internal/recent"
)

// Requests remembers which requests were seen lately, by which signal, so that an entry that has nothing to wait for need
// not ask the join, and a span that comes after its entry has left is known to be late. It is used by all goroutines at once.
type Requests struct{ *recent.Table }

// NewRequests makes a memory of that many bytes: of what has waited, and has left since.
func NewRequests(bytes int) *Requests { return &Requests{recent.New(bytes, 2*remember)} }

// What is remembered of a request: one of these, and the index of the logger.
const (
	spanCame    = iota << loggerBits // its span is in the join, or was
	entryWaits                       // its entry is in the join, or was
	entryMade                        // its entry has left as a SERVER
	entrySealed                      // its entry has left as an INTERNAL span: the SERVER is elsewhere
	loggerBits  = 14
	loggerMask  = 1<<loggerBits - 1
)

// Entry remembers the entry i, and tells whether it has to go to the join: because it waits, or because its span is there.
// An entry that does not have to is remembered as one that has left, with a SERVER or without.
func (t *Requests) Entry(i *Item, waits, sealed bool, now uint64) (join bool) {
	k := i.Key()
	var f recent.Found
	for {
		t.Look(k.ID, now, &f)
		join = waits
		for _, s := range f.All() {
			join = join || s.Sub == k.Sub && s.Mark&^loggerMask == spanCame
		}
		if t.Enter(k, mark(i.Logger, join, sealed), &f) {
			return join
		}
	}
}

func mark(l *Logger, joins, sealed bool) uint16 {
	switch {
	case joins:
		return entryWaits | l.index
	case sealed:
		return entrySealed | l.index
	}
	return entryMade | l.index
}

// Left remembers that the entry i, for which there was no room or which has waited in vain, leaves, and tells whether its span
// has come all the same: it found no room itself, or is on its way. Then that is the SERVER. Of an entry and a span that leave
// at the same time, exactly one is told of the other.
func (t *Requests) Left(i *Item, sealed bool, now uint64) (came bool) {
	k := i.Key()
	var f recent.Found
	for {
		came = false
		t.Look(k.ID, now, &f)
		for _, s := range f.All() {
			came = came || s.Sub == k.Sub && s.Mark&^loggerMask == spanCame
		}
		if t.Enter(k, mark(i.Logger, false, sealed || came || i.Silent), &f) {
			return came
		}
	}
}

// Span remembers the span i of the node n, and tells whether it has to go to the join. It does not where the entries of its
// node do not come here, and this one has not come either.
func (t *Requests) Span(i *Item, n *Node, joins bool, now uint64) bool {
	k := i.Key()
	alone := n == nil || n.alone.Load() >= mostAlone
	var f recent.Found
	for {
		t.Look(k.ID, now, &f)
		join, known := joins || !alone, false
		for _, s := range f.All() {
			switch {
			case s.Sub != k.Sub:
			case s.Mark&^loggerMask == spanCame:
				known = true
			default:
				join = true
			}
		}
		m := uint16(spanCame)
		if !join {
			m |= spanPassed
		}
		if known || t.Enter(k, m, &f) {
			return join
		}
	}
}

// spanPassed is in place of the logger for a span that did not go to the join.
const spanPassed = 1

// passed tells whether the span of the entry i did not go to the join.
func (t *Requests) passed(i *Item, now uint64) bool {
	k := i.Key()
	var f recent.Found
	t.Look(k.ID, now, &f)
	for _, s := range f.All() {
		if s.Sub == k.Sub && s.Mark == spanCame|spanPassed {
			return true
		}
	}
	return false
}

// Known tells whether the entry of the span i has come: it waits, or has left.
func (t *Requests) Known(i *Item, now uint64) bool {
	k := i.Key()
	var f recent.Found
	t.Look(k.ID, now, &f)
	for _, s := range f.All() {
		if s.Sub == k.Sub && s.Mark&^loggerMask != spanCame {
			return true
		}
	}
	return false
}

// Late tells whether a SERVER was made for the request of the span i, because its entry has left without it.
func (t *Requests) Late(i *Item, now uint64) bool {
	_, sealed, left := t.entryOf(i, now)
	return left && !sealed
}

// entryOf tells whether the entry of the span i has left, which logger it was of, and whether it made no SERVER.
func (t *Requests) entryOf(i *Item, now uint64) (logger uint16, sealed, left bool) {
	k := i.Key()
	var f recent.Found
	t.Look(k.ID, now, &f)
	for _, s := range f.All() {
		if s.Sub == k.Sub && s.Mark&^loggerMask >= entryMade {
			return s.Mark & loggerMask, s.Mark&^loggerMask == entrySealed, true
		}
	}
	return 0, false, false
}

// Prints remembers the entries that were seen, so that what several loggers report counts once.
type Prints struct{ *recent.Table }

// NewPrints makes a memory of that many bytes. A copy may come when the first one has waited, and has left since.
func NewPrints(bytes int) *Prints { return &Prints{recent.New(bytes, 3*remember)} }

const withContext = 1 << 15

// printMark gives what is remembered of an entry of l.
func (l *Logger) printMark(context bool) uint16 {
	if context {
		return l.index | withContext
	}
	return l.index
}

// Enter remembers an entry of l with that fingerprint, and tells of which logger a copy came before, and whether that had
// a trace context.
func (t *Prints) Enter(print uint64, l *Logger, context bool, now uint64) (other uint16, had, repeated bool) {
	k := recentKey(print)
	own := l.printMark(context)
	var f recent.Found
	for {
		t.Look(k.ID, now, &f)
		other, had, repeated = 0, false, false
		for _, s := range f.All() {
			if s.Sub == k.Sub {
				other, had, repeated = s.Mark&loggerMask, had || s.Mark&withContext != 0, true
			}
		}
		if repeated && (had || !context) || t.Table.Enter(k, own, &f) {
			return other, had, repeated
		}
	}
}
