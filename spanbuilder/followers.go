package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/propagation"
)

// followers are Envoy's spans of attempts that wait for what is decided of their request: Envoy sends them before its SERVER, often in
// a request of their own.
type followers struct {
	lists    [2]list                    // by how long they have waited
	byParent map[uint64][]*Item         // by the id of the request's span
	byID     map[propagation.SpanID]int // how many there are; the records of their attempts wait with them
	decided  []uint64                   // ids of spans that have just left
}

// follows lets s wait if it is not known yet what is decided of its request.
func (t *Table) follows(s *Item) bool {
	if s.What != AttemptSpan {
		return false
	}
	if s.above = t.follow(s); s.above.IsZero() {
		s.above = s.Parent
	}
	if s.pair != nil {
		if h := t.headOf(s.pair); h != nil {
			s.of = h.request
		}
	}
	if t.cause == Drained || t.cause == Evicted || t.now >= s.Arrived+t.followFor(1) || !t.sink.Undecided(s) {
		return false
	}
	if s.half != nil {
		t.settle(s.half)
	} else if !s.promised {
		s.promised = t.ids.Leave(s.Trace, s.ID, Sent, t.ticks) == NotSeen
	}
	stage := 0
	if t.now >= s.Arrived+t.followFor(0) {
		stage = 1
	}
	f := &t.followers
	f.lists[stage].insert(s)
	key := idKey(s.Trace, s.above)
	f.byParent[key] = append(f.byParent[key], s)
	f.byID[s.ID]++
	return true
}

// followFor gives how long items of a list wait: as long as a span waits for its entry, and then as long as it may take until that
// span has come.
func (t *Table) followFor(stage int) int64 {
	if stage == 0 {
		return int64(t.o.SpanWait)
	}
	return int64(t.o.Wait + max(t.o.SpanWait, t.o.FileWait))
}

// unfollow takes s out of all in which it waits for its request.
func (t *Table) unfollow(s *Item) {
	s.list.remove(s)
	f := &t.followers
	without(f.byParent, idKey(s.Trace, s.above), s)
	if f.byID[s.ID]--; f.byID[s.ID] == 0 {
		delete(f.byID, s.ID)
	}
}

// decides notes that s leaves with that id: what waits for it can be let go, as soon as nothing that was read is needed any more.
func (t *Table) decides(s *Item, id propagation.SpanID) {
	if len(t.followers.byParent) > 0 && s.What == ProxySpan {
		t.followers.decided = append(t.followers.decided, idKey(s.Trace, id))
	}
}

// release lets those go whose request has left.
func (t *Table) release() {
	f := &t.followers
	for _, key := range f.decided {
		for _, s := range slices.Clone(f.byParent[key]) {
			t.goesOn(s)
		}
	}
	f.decided = f.decided[:0]
}

// foresee has the pair s decided on that is held back, if attempts ask for its request h: they do not wait for its id.
func (t *Table) foresee(h *head, s *Item) {
	if h != nil {
		t.id.proveJoined(&t.claim, s)
		t.sink.Foresee(s, &t.entry, s.pair.Logger, &t.claim)
	}
}

// goesOn lets s go, and the records that have waited with it.
func (t *Table) goesOn(s *Item) {
	id := s.ID
	t.unfollow(s)
	t.letGo(s)
	for _, a := range slices.Clone(t.byID[id]) {
		t.try(a)
	}
}

// letGo lets a span go that was held, unless it has to wait for its request.
func (t *Table) letGo(s *Item) {
	if t.follows(s) {
		return
	}
	if s.pair != nil {
		t.read(s.pair)
	}
	t.finish(s, t.fateOf(s))
}
