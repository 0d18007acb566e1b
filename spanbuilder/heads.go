package spanbuilder

import (
	"slices"
	"time"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// head is what attempts ask of their request.
type head struct {
	start, end  uint64
	loggedTrace propagation.TraceID
	logged      propagation.SpanID
	up          bool // a host was reached
	done        bool // the request has left: the rest is known
	sealed      bool // as an INTERNAL span: its SERVER is elsewhere
	timedOut    bool
	injected    Injected
	trace       propagation.TraceID
	own         propagation.SpanID
	parent      propagation.SpanID // of a span that was made
	half        *half              // the own id may change with this
	key         uint64
	contextless bool   // no context tells the trace
	request     uint64 // what its verdict is remembered by
}

// ownID gives the id of the request's span, for good.
func (h *head) ownID(t *Table) propagation.SpanID {
	if h.half != nil {
		t.settle(h.half)
		return h.half.final
	}
	return h.own
}

// mostHeads is how many requests of nodes that log attempts are remembered.
const mostHeads = 1 << 15

// head remembers the request e, for attempts that come.
func (t *Table) head(e *Item) {
	if !e.Logger.node.attempts.Load() {
		return
	}
	if e.Attempts == 0 { // it was taken before the first attempt was seen, perhaps in the same message
		t.read(e)
		e.Attempts = t.id.attemptKey(t.entry.Text(wire.RequestID), e.Node)
	}
	e.head = t.heads.add(e.Attempts, t.now)
	*e.head = head{start: e.Start, end: e.End, loggedTrace: e.Trace, logged: e.ID, up: e.Up, key: e.Attempts, request: e.verdictKey(Verdict{})}
}

// spanHead is what attempts ask of the span s of their request.
func (t *Table) spanHead(s *Item) head {
	h := head{trace: s.Trace, own: s.ID, half: s.half, injected: NotInjected}
	if _, c := t.id.inFormat(s.Tracer); c != nil && t.entry.HasUpstream() && c.Span != s.Parent {
		h.injected = WasInjected
	}
	return h
}

// headDone tells the attempts of the request h, which t.read has read last, what it became. Nothing that was read is there
// afterwards.
func (t *Table) headDone(h *head, is head) {
	if h == nil {
		return
	}
	h.done, h.sealed, h.injected, h.trace, h.own, h.parent, h.half, h.contextless = true, is.sealed, is.injected, is.trace, is.own, is.parent, is.half, is.contextless
	h.timedOut = t.entry.Flags&requestTimeout != 0
	if v := &t.id.found; v.logged != nil { // by what is known now
		h.loggedTrace, h.logged = v.logged.Trace, v.logged.Span
	}
	for _, a := range slices.Clone(t.attempts[h.key]) {
		t.try(a)
	}
}

// rank tells how likely h is the request of the attempt a: it has the same id, and ends after it. To end before is for want
// of a better one: the passes of a redirect follow each other.
func (h *head) rank(a *Item) (n int) {
	if h.logged == a.ID {
		n += 2
	}
	if a.End <= h.end {
		n++
	}
	return n
}

// surely is the rank that leaves no doubt.
const surely = 3

// headOf gives the request of the attempt a: the one in which a begins, for its end may be later, above all that of a mirror
// or of an attempt that was given up; with the same id rather than without; and the innermost, since a caller may have sent
// one request twice, and the passes of a redirect begin together.
func (t *Table) headOf(a *Item) (best *head) {
	for k := t.heads.of(a.Attempts); k != nil; k = k.next {
		h := &k.value
		const rounded = 1e3 // are the record's times
		if !h.up || h.start > a.Start+rounded || a.Start > h.end+rounded {
			continue
		}
		if !h.loggedTrace.IsZero() && !a.Trace.IsZero() && h.loggedTrace != a.Trace {
			continue
		}
		if best == nil || h.rank(a) > best.rank(a) || h.rank(a) == best.rank(a) && (h.start > best.start || h.start == best.start && h.end < best.end) {
			best = h
		}
	}
	return best
}

// unproven are the logged ids of attempts that left with another id, because nothing proved theirs: their request, which may
// know better, makes the span of that id itself.
type unproven map[uint64]int64

const (
	mostUnproven = 4096
	unprovenLife = int64(30 * time.Second)
)

func (u unproven) add(id uint64, now int64) {
	if len(u) >= mostUnproven {
		clear(u)
	}
	u[id] = now
}

func (u unproven) has(id uint64, now int64) bool {
	at, ok := u[id]
	return ok && now-at <= unprovenLife
}
