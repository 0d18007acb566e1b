package agent

import (
	"time"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// A burst that is faster than the upstream takes it is slowed down before anything is shed: a stream is read more slowly,
// for a moment, and only while the upstream does take batches. One that is stuck never holds up an Envoy.
const (
	paceAbove = 60 // percent of the core's memory
	paceMost  = 100 * time.Millisecond
	paceWhile = time.Second // since the upstream moved
)

func (p *Pipeline) pace() {
	if p.core.Percent() > paceAbove && !p.waits && time.Since(time.Unix(0, p.moved.Load())) < paceWhile {
		if p.core.Pace(paceAbove, paceMost) {
			p.Paced.Add(1)
		}
	}
}

// refuseAbove is how much of the core's memory may be in use, in percent, when a request with spans is taken.
const refuseAbove = 95

// full tells whether a request with spans is refused: its sender can try again, which a stream of access logs cannot.
func (p *Pipeline) full() bool { return !p.waits && p.core.Percent() > refuseAbove }

// headRoom is how many bytes of resources and scopes a message may bring beside twice its size. What all scopes of a resource
// have in common is kept and sent with each of them, so that a small message could become a very large one.
const headRoom = 64 << 10

// The core's memory in use, in percent, above which entries are shed by value. Errors go last: when nothing is left.
const (
	shedUnsampled = 75
	shedHealthy   = 90
)

// shed tells whether the entry makes no span because the core fills up, as it does when the upstream is slow or gone.
func (s *source) shed(e *wire.Entry) (ledger.EntryDrop, bool) {
	switch {
	case s.percent <= shedUnsampled || s.p.waits || spanbuilder.Failed(e):
		return 0, false
	case s.identity.Unsampled():
		return ledger.EntryShedUnsampled, true
	case s.percent > shedHealthy:
		return ledger.EntryShedHealthy, true
	}
	return 0, false
}

// alone makes the claim of an entry that does not wait, or for which there was no room, and tells whether it makes a SERVER.
// One whose span goes to another agent, or has come here, becomes an INTERNAL span below it at once.
func (s *source) alone(i *item, noRoom bool) bool {
	p, id, w := s.p, s.identity, &s.waiting
	if w.Replaces { // what it was to replace is as good as it can be
		s.tally.duplicate++
		return false
	}
	fate := spanbuilder.NotWaited
	if noRoom {
		fate = spanbuilder.Evicted
	}
	id.Prove(&i.claim)
	if w.What == spanbuilder.AttemptItem {
		s.used(fate)
		id.LoneAttempt(&i.claim)
		s.Attempt(&i.entry, s.logger, &i.claim)
		return false
	}
	sealed := id.Alone(w.Waits, false, s.now, s.joining.Unpaired)
	came := noRoom && p.requests.Left(w, sealed, recent.Ticks(s.now))
	switch {
	case came:
		s.used(spanbuilder.LateEntry)
		id.Sealed(&i.claim)
		s.Inner(&i.entry, s.logger, &i.claim)
	case !sealed:
		s.used(fate)
		if !w.Silent {
			p.ids.Settle(id, &i.claim, recent.Ticks(s.now))
		}
		return true
	case s.joining.Unpaired == spanbuilder.UnpairedDrop:
		p.Entries.Dropped[ledger.EntryUnpaired].Add(1)
		s.tally.entryFates[spanbuilder.UnpairedGone]++
	default:
		s.used(spanbuilder.UnpairedInner)
		id.Sealed(&i.claim)
		s.Inner(&i.entry, s.logger, &i.claim)
	}
	return false
}

func (s *source) used(f spanbuilder.Fate) {
	s.tally.used++
	s.tally.entryFates[f]++
}

// seen counts what the entry's headers were.
func (s *source) seen() {
	seen := s.identity.Set.Seen()
	for f, ok := seen.Next(); ok; f, ok = seen.Next() {
		if why := s.identity.Set.Reason(f); why.Invalid() {
			s.p.contexts[f][why].Add(1)
		}
	}
}
