package spanbuilder

import (
	"bytes"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/slab"
	"github.com/alspan/alspan/internal/wire"
)

// What says what an item is.
type What uint8

const (
	EntryItem   What = iota // the record of a finished request
	ProxySpan               // Envoy's span of one
	AttemptItem             // the router's record of one attempt
	AttemptSpan             // Envoy's CLIENT span, which may be that of an attempt
	ZipkinSpan              // any other span that came as Zipkin: it may share its id with another one
)

// facts are what candidates are told apart by.
type facts struct {
	What       What
	Code       uint32 // of the response
	HasID      bool   // there is an x-request-id
	Tracer     propagation.Format
	Coarse     bool      // of an entry: its start has whole milliseconds
	Mute       bool      // and it does not tell the code
	exact      exactness // of the entries of its node
	Arrived    int64     // nanoseconds of the join's clock
	Request    uint64    // hash of x-request-id and start, see requestKey
	Start, End uint64    // Unix nanoseconds
	Node       uint64    // hash of the node's id, 0 if it is not named
	Trace      propagation.TraceID
	ID         propagation.SpanID // of an entry: the logged one
}

// Item is an entry or a span that goes through the join.
type Item struct {
	facts
	Bytes []byte    // the encoded entry or span; the item's own
	Cell  slab.Ref  // where the bytes are
	Pod   *pods.Pod // its sender, nil if that is not known
	By    By        // of a span: how that was found

	// Of an entry.
	Logger     *Logger
	Started    Started
	Print      uint64
	Twin       uint64 // the fingerprint that it has in common with the entry in other forms, 0 if there are none
	Attempts   uint64 // what it has in common with attempts of the same request, see attemptKey
	HasContext bool
	Up         bool // a host was reached
	Replaces   bool // a copy with trace context of an entry without
	Waits      bool // its span may come
	Silent     bool // its tracer has surely not sampled the request, and it makes no span of its own: one that does come all the same goes its way

	// Of a span.
	Origin *Origin
	Parent propagation.SpanID
	Kind   int32
	Shared bool // it has its id from its caller, who reports a span with the same one
	Zipkin bool
	// Priority is what the attribute sampling.priority, or zipkin.debug, says: above 0 to keep it, below 0 to drop it.
	Priority int8

	table
}

// table is what an item is to the table that holds it.
type table struct {
	next       *Item // with the same key
	list       *list
	prev, foll *Item              // in the list
	pair       *Item              // the entry that was joined with this span
	parked     bool               // this entry does not meet its span yet: a better copy may come
	half       *half              // what is known of others with this span's id
	head       *head              // what attempts ask of this entry
	stage      int                // of an attempt: which of its waits
	counted    bool               // it counts as held by its logger
	spanLeft   bool               // the span of this attempt left without it
	above      propagation.SpanID // of the span of an attempt: the id with which the span of its request leaves, as far as that is known
	of         uint64             // of the same, joined with its record: what its request is remembered by, 0 if that is not known
	promised   bool               // a span that waits for its request counts as one that has left
}

// requestKey gives the key that the record and the span of a request have in common: the masked x-request-id, or without
// one the node, and the millisecond in which the request started.
func (d *derivation) requestKey(id []byte, node, start uint64) uint64 {
	in := d.begin(roleRequest).uint(start / 1e6)
	if len(id) > 0 {
		return d.sum(in.requestID(id))
	}
	return d.sum(in.uint(node))
}

// attemptKey gives what the attempts of a request and the request itself have in common.
func (d *derivation) attemptKey(id []byte, node uint64) uint64 {
	return d.sum(d.begin(roleAttempt).uint(node).requestID(id))
}

// seenKey gives a request's key in the memory of requests: what both signals know, and tells those with one request key
// apart. That is the microsecond, the node, the code.
// Where entries do not tell all of these, it is the rest.
func seenKey(request, start, node uint64, code uint32, x exactness) uint64 {
	if x.coarse {
		start -= start % 1e6
	}
	if x.mute {
		code = 0
	}
	h := (request ^ start/1e3*0x9e3779b97f4a7c15 ^ node ^ uint64(code)<<32) * 0xd6e8feb86659fd93
	return (h ^ h>>32) * 0xd6e8feb86659fd93
}

// Key gives the item's key in the memory of requests.
func (i *Item) Key() recent.Key {
	return recentKey(seenKey(i.Request, i.Start, i.Node, i.Code, i.exact))
}

// Keys are the fingerprints of an entry: what it has in common with its span, roughly and exactly, and with other reports
// of the same request, in the same form and in others.
type Keys struct{ Request, Seen, Print, Twin uint64 }

// requestKeys gives what e, which l has logged, has in common with its span.
func (d *derivation) requestKeys(e *wire.Entry, l *Logger) (request, seen uint64) {
	start, _ := e.Start.Unix()
	node := l.nodeName()
	request = d.requestKey(e.Text(wire.RequestID), node, start)
	return request, seenKey(request, start, node, e.Code, l.node.exactness())
}

// Keys gives those of e. A record that is told apart by the context that was sent with it has none until its headers were
// read, see Print.
func (id *Identity) Keys(e *wire.Entry, l *Logger) (k Keys) {
	l.omits(e)
	k.Request, k.Seen = id.requestKeys(e, l)
	k.Twin = id.twin(e, l)
	if !byContext(e) {
		k.Print = id.Print(e, l)
	}
	return k
}

func byContext(e *wire.Entry) bool {
	return e.Type == wire.DownstreamStart || e.Type == wire.UpstreamEnd
}

// SetEntry makes i the item of e, which id has just read. The bytes are the caller's to copy.
func (i *Item) SetEntry(e *wire.Entry, l *Logger, id *Identity, k Keys, now int64) {
	start, _ := e.Start.Unix()
	rid := e.Text(wire.RequestID)
	*i = Item{Logger: l, Pod: id.Pod, Started: id.taken, Print: k.Print, Twin: k.Twin}
	i.facts = facts{What: EntryItem, Arrived: now, Request: k.Request, Start: start, End: start + length(e), Node: l.nodeName(), Code: e.Code, HasID: len(rid) > 0}
	i.Coarse, i.Mute, i.exact = e.Coarse, l.mute(e), l.node.exactness()
	if e.Type == wire.UpstreamEnd {
		i.What = AttemptItem
	}
	if i.What == AttemptItem || l.node.attempts.Load() {
		i.Attempts = id.attemptKey(rid, i.Node)
	}
	i.HasContext, i.Up = id.HasTrace(e, l), e.HasUpstream()
	if v := &id.found; v.logged != nil {
		i.Trace, i.ID = v.logged.Trace, v.logged.Span
	}
}

// nodeName gives the key of the node, 0 when it is not known.
func (l *Logger) nodeName() uint64 {
	if !l.named {
		return 0
	}
	return l.key
}

// Print gives the fingerprint of e, whose headers id has just read: all reports of one request have it in common, whoever logged
// them. What is told apart by the context that was sent with it has that in its fingerprint.
func (id *Identity) Print(e *wire.Entry, l *Logger) uint64 {
	in := append(id.begin(rolePrint).entry(e, l), byte(e.Type))
	if !byContext(e) {
		return id.sum(in)
	}
	if e.Type == wire.DownstreamStart { // each log has its own
		in = in.bytes(l.logName)
	}
	seen := id.Set.Seen()
	for f, ok := seen.Next(); ok; f, ok = seen.Next() {
		if c, ok := id.Set.Get(f); ok {
			in = append(in, c.Span[:]...)
		}
	}
	return id.sum(in)
}

// Spans looks at spans that come in. It belongs to one goroutine.
type Spans struct {
	derivation
	URLs []wire.Place // of the span last looked at: its http.url, which may be there twice

	// Of the span last looked at, if Envoy made it: what it says of its pod, borrowed.
	node, podName, podNamespace []byte
}

// Look fills i with what s, from that origin, says: whether Envoy made it, and for which request. It gives false for a span
// that has nothing to do with any entry.
func (p *Spans) Look(i *Item, s *wire.Span, o *Origin, tracer propagation.Format, now int64) bool {
	var component, node, rid []byte
	*i = Item{}
	p.URLs = p.URLs[:0]
	p.node, p.podName, p.podNamespace = nil, nil, nil
	code := uint32(0)
	for n := range s.Len() {
		key, value, ok := s.Attribute(n)
		if !ok {
			i.priority(key, s, n)
			continue
		}
		switch string(key) {
		case "component":
			component = s.Bytes(value)
		case "node_id":
			node = s.Bytes(value)
		case "guid:x-request-id":
			rid = s.Bytes(value)
		case "http.status_code":
			c, _ := strconv.ParseUint(string(s.Bytes(value)), 10, 32)
			code = uint32(c)
		case "http.url":
			p.URLs = append(p.URLs, value)
		case "podName":
			p.podName = s.Bytes(value)
		case "podNamespace":
			p.podNamespace = s.Bytes(value)
		case samplingPriority:
			if n, err := strconv.ParseFloat(string(s.Bytes(value)), 64); err == nil {
				i.prefer(n)
			}
		}
	}
	i.Origin, i.Kind = o, s.Kind
	i.facts = facts{What: ZipkinSpan, Arrived: now, Start: s.Start, End: s.End, Code: code, HasID: len(rid) > 0, Tracer: tracer}
	copy(i.Trace[:], s.Bytes(s.TraceID))
	copy(i.ID[:], s.Bytes(s.SpanID))
	copy(i.Parent[:], s.Bytes(s.ParentID))
	if !bytes.Equal(component, []byte("proxy")) {
		p.URLs, p.podName = p.URLs[:0], nil
		return false
	}
	if p.node = node; len(node) > 0 {
		i.Node = p.nodeKey(node)
	}
	switch {
	case len(rid) > 0 || len(node) > 0 || s.Kind == kindServer: // the span of an attempt names no node
		i.What, i.Request = ProxySpan, p.requestKey(rid, i.Node, i.Start)
	case s.Kind == kindClient:
		i.What = AttemptSpan
	default:
		return false
	}
	return true
}

const samplingPriority = "sampling.priority"

// priority takes an attribute that is no text.
func (i *Item) priority(key []byte, s *wire.Span, n int) {
	if string(key) == samplingPriority {
		if v, ok := s.Number(n); ok {
			i.prefer(v)
		}
	} else if string(key) == "zipkin.debug" {
		if v, ok := s.Number(n); ok && v != 0 {
			i.Priority = 1
		}
	}
}

// prefer takes a priority; a collector's sampler drops 0. What is not a number says nothing.
func (i *Item) prefer(priority float64) {
	if i.Priority == 0 {
		if priority > 0 {
			i.Priority = 1
		} else if priority <= 0 {
			i.Priority = -1
		}
	}
}

// idKey gives the hash of a span's identity.
func idKey(t propagation.TraceID, s propagation.SpanID) uint64 {
	var b [24]byte
	copy(b[:], t[:])
	copy(b[16:], s[:])
	return xxh3.HashSeed(b[:], deriveSeed)
}
