package spanbuilder

import (
	"encoding/binary"

	"github.com/alspan/alspan/internal/propagation"
)

// Zipkin lets a server take its caller's span id, so that two spans come with one id. OpenTelemetry wants one of them to have
// another. Where both are seen here within a short time, the caller keeps the id; the other one gets a derived id below it,
// and the spans below it that come from the same endpoint follow. Halves that do not meet keep their id.
type halves struct {
	lately[half]
	endpoints map[uint64]int64 // services that share ids, and when one last did
}

// half is what is remembered of a span whose id may be shared.
type half struct {
	key        uint64
	service    uint64
	node       uint64
	trace      propagation.TraceID
	id, final  propagation.SpanID
	start, end uint64
	kind       int32
	arrived    int64
	settled    bool
	held       bool // it does not leave at once: its endpoint shares ids, or another span has its id
}

const (
	mostHalves    = 1 << 15
	mostEndpoints = 4096
)

func (h *halves) init(wait int64) {
	h.lately, h.endpoints = newLately[half](mostHalves, wait+int64(remember), false), map[uint64]int64{}
}

// add remembers a span, once anybody shares ids.
func (h *halves) add(s *Item, now int64) {
	if !s.Zipkin {
		return
	}
	if len(h.endpoints) == 0 {
		return
	}
	service, key := s.endpoint(), idKey(s.Trace, s.ID)
	_, shares := h.endpoints[service]
	held := shares || h.of(key) != nil
	s.half = h.lately.add(key, now)
	*s.half = half{key: key, held: held, service: service, node: s.Node, trace: s.Trace, id: s.ID, start: s.Start, end: s.End, kind: s.Kind, arrived: now}
}

// Shares learns that the endpoint of s shares ids: to be called before the spans that come with s are added.
func (t *Table) Shares(s *Item) {
	h := &t.halves
	if len(h.endpoints) >= mostEndpoints {
		clear(h.endpoints)
	}
	h.endpoints[s.endpoint()] = s.Arrived
}

// endpoint tells spans of different processes apart, as far as they say who they are.
func (i *Item) endpoint() uint64 { return i.Origin.Service }

// holdsBack tells whether s may not leave yet: another half may come.
func (t *Table) holdsBack(s *Item) bool {
	return s.half != nil && s.half.held && t.cause != Drained && t.cause != Evicted && t.now < s.Arrived+int64(t.o.SpanWait)
}

// settle decides the id of a half, for good.
func (t *Table) settle(x *half) {
	if x.settled {
		return
	}
	x.settled = true
	var keeper *half
	taken := x.kind == kindServer && t.ids.Known(x.trace, x.id, t.ticks) != NotSeen // ours, or that of an endpoint that never shares
	for k := t.halves.of(x.key); k != nil; k = k.next {
		y := &k.value
		if y != x && y.settled && y.final == x.id {
			taken = true
		}
		if !y.settled || y == x {
			if keeper == nil || y.before(keeper) {
				keeper = y
			}
		}
	}
	if x.final = x.id; taken || keeper != nil && keeper != x {
		x.final = t.id.halfID(x.trace, x.id, max(x.node, x.service), x.start, x.end)
	}
	t.ids.Leave(x.trace, x.final, Sent, t.ticks) // it will
}

// keeps decides that x has the id that it came with, false if it was decided otherwise.
func (x *half) keeps() bool {
	if !x.settled {
		x.settled, x.final = true, x.id
	}
	return x.final == x.id
}

// before tells whether x rather than y keeps the id: the caller, else the first.
func (x *half) before(y *half) bool {
	if c, d := x.kind == kindClient, y.kind == kindClient; c != d {
		return c
	}
	if x.start != y.start {
		return x.start < y.start
	}
	if x.end != y.end {
		return x.end < y.end
	}
	return x.arrived < y.arrived
}

// halfID gives the id of the half that does not keep the shared one.
func (d *derivation) halfID(trace propagation.TraceID, id propagation.SpanID, who, start, end uint64) (s propagation.SpanID) {
	in := append(append(d.begin(roleHalf), trace[:]...), id[:]...)
	binary.BigEndian.PutUint64(s[:], max(d.sum(in.uint(who).uint(start).uint(end-start)), 1))
	return s
}

// nearer tells whether x rather than y is around s. Envoy's spans do not reach to their end: they begin with the request, but
// their length is counted from when the tracer heard of it.
func (x *half) nearer(y *half, s *Item) bool {
	beyond := func(at, end uint64) uint64 { return max(at, end) - end }
	if a, b := beyond(s.Start, x.end), beyond(s.Start, y.end); a != b {
		return a < b
	}
	if a, b := beyond(s.End, x.end), beyond(s.End, y.end); a != b {
		return a < b
	}
	return x.end < y.end
}

// follow gives the new parent of a span whose parent has got another id, zero if it has not.
func (t *Table) follow(s *Item) (parent propagation.SpanID) {
	// A SERVER is below another process, though that may call itself the same.
	if !s.Zipkin || s.Kind == kindServer || len(t.halves.endpoints) == 0 || s.Parent.IsZero() {
		return parent
	}
	var best *half
	for k := t.halves.of(idKey(s.Trace, s.Parent)); k != nil; k = k.next {
		x := &k.value
		if x != s.half && x.kind != kindClient && x.service == s.endpoint() && x.start <= s.Start && (best == nil || x.nearer(best, s)) {
			best = x
		}
	}
	if best != nil {
		if t.settle(best); best.final != best.id {
			return best.final
		}
	}
	return parent
}
