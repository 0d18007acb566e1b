package spanbuilder

import "slices"

// followers are Envoy's spans of attempts that wait for what is decided of their request: Envoy sends them before its SERVER, often in
// a request of their own.
type followers struct {
	lists    [2]list            // by how long they have waited
	byParent map[uint64][]*Item // by the id of the request's span
	decided  []uint64           // ids of spans that have just left
}

// follows lets s wait if it is not known yet what is decided of its request.
func (t *Table) follows(s *Item) bool {
	if s.What != AttemptSpan || t.cause == Drained || t.cause == Evicted || t.now >= s.Arrived+t.followFor(1) || !t.sink.Undecided(s) {
		return false
	}
	stage := 0
	if t.now >= s.Arrived+t.followFor(0) {
		stage = 1
	}
	f := &t.followers
	f.lists[stage].insert(s)
	key := idKey(s.Trace, s.Parent)
	f.byParent[key] = append(f.byParent[key], s)
	return true
}

// followFor gives how long items of a list wait: as long as a span waits for its entry, and then as long as it may take until that
// span has come.
func (t *Table) followFor(stage int) int64 {
	if stage == 0 {
		return int64(t.o.SpanWait)
	}
	return int64(t.o.Wait + t.o.SpanWait)
}

// unfollow takes s out of all in which it waits for its request.
func (t *Table) unfollow(s *Item) {
	s.list.remove(s)
	without(t.followers.byParent, idKey(s.Trace, s.Parent), s)
}

// decides notes that s leaves: what waits for it can be let go, as soon as nothing that was read is needed any more.
func (t *Table) decides(s *Item) {
	if len(t.followers.byParent) > 0 && s.What == ProxySpan {
		t.followers.decided = append(t.followers.decided, idKey(s.Trace, s.ID))
	}
}

// release lets those go whose request has left.
func (t *Table) release() {
	f := &t.followers
	for _, key := range f.decided {
		for _, s := range slices.Clone(f.byParent[key]) {
			t.unfollow(s)
			t.letGo(s)
		}
	}
	f.decided = f.decided[:0]
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
