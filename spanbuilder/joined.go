package spanbuilder

import (
	"bytes"
	"math"

	"github.com/alspan/alspan/internal/wire"
)

const kindInternal = 1

// Extender writes spans that came: as they are, or with what an entry says added. It belongs to one goroutine.
type Extender struct {
	span came
	room []byte
}

// SpanBound gives the most bytes that a span that came can take, with what e says added unless it is nil.
func (b *Builder) SpanBound(s *Item, e *wire.Entry) int {
	n := len(s.Bytes) + changeBound
	if e != nil {
		n += b.Bound(e)
	}
	return n
}

// changeBound is the room for all fields of a Change, and the tag and length of the span.
const changeBound = 64

// Span appends a span that came, as a field of ScopeSpans. Protobuf lets fields be appended to an encoded message: of an id
// or a kind the last one counts, a list goes on. So the span's own bytes are copied as they are.
func (x *Extender) Span(b *Builder, dst []byte, s *Item, ch Change, e *wire.Entry, l *Logger, c *Claim) ([]byte, Repairs) {
	var r request
	r.dst = append(dst, scopeSpans<<3|wire.Bytes, 0, 0)
	at := len(r.dst)
	r.dst = append(r.dst, s.Bytes...)
	if !ch.ID.IsZero() {
		r.dst = wire.AppendBytes(r.dst, spanID, ch.ID[:])
	}
	if !ch.Parent.IsZero() {
		r.dst = wire.AppendBytes(r.dst, spanParentID, ch.Parent[:])
	}
	if ch.Inner {
		r.dst = wire.AppendUint(r.dst, spanKind, kindInternal)
	}
	if e != nil {
		x.span.scan(s.Bytes)
		r.extend(b, &x.span, s, e, l, c)
	}
	r.closeSpan(at)
	return r.dst, r.fixed
}

// extend appends what the entry e says to the span that came.
func (r *request) extend(b *Builder, span *came, s *Item, e *wire.Entry, l *Logger, c *Claim) {
	dst := r.dst
	path := sentPath(e)
	if s.What == AttemptSpan {
		path = e.At(wire.Path)
	}
	r.init(b, dst, e, l, c, path)
	if r.kind = int(span.Kind); r.kind != kindClient {
		r.kind = kindServer
	}
	r.addTo(span)
	r.common()
	if s.What == AttemptSpan {
		r.upstreamAttributes()
		r.attemptAttributes()
	} else {
		for i := range c.NumLinks {
			r.link(&c.Links[i])
		}
		r.requestAttributes()
		r.envoyAttributes()
	}
	r.customTags()
	if b.opts.Events && s.What != AttemptSpan {
		r.events()
	}
	if r.dropped > 0 {
		r.dst = wire.AppendUint(r.dst, spanDroppedAttributes, min(uint64(span.Dropped)+uint64(r.dropped), math.MaxUint32))
	}
}

// Inner appends an INTERNAL span with all that e says, below a span of somebody else. dst needs room for Bound(e) bytes.
func (b *Builder) Inner(dst []byte, e *wire.Entry, l *Logger, c *Claim) ([]byte, Repairs) {
	return b.request(dst, e, l, c, kindInternal)
}

// Attempt appends the CLIENT span of one attempt, of which e is the router's record. dst needs room for Bound(e) bytes.
func (b *Builder) Attempt(dst []byte, e *wire.Entry, l *Logger, c *Claim) ([]byte, Repairs) {
	var r request
	r.init(b, dst, e, l, c, e.At(wire.Path))
	r.kind = kindClient
	at := r.open(c.Own, c.Parent, uint32(c.Flags)|flagRemoteKnown)
	r.common()
	r.upstreamAttributes()
	r.attemptAttributes()
	r.customTags()
	return r.close(at)
}

// attemptAttributes writes Envoy's facts of one attempt.
func (r *request) attemptAttributes() {
	e := r.e
	if e.Flags != 0 {
		var room [96]byte
		r.bytes(envoyResponseFlagsKey, e.Flags.AppendNames(room[:0]))
	}
	r.text(envoyResponseCodeDetailsKey, e.At(wire.CodeDetails))
	r.upstreamAddress()
	r.text(envoyRequestIDKey, e.At(wire.RequestID))
	r.logName()
}

// Clean gives the bytes of s as they may go out: with its strings repaired if it is poisoned, and without known credentials
// in its http.url, whose values stand at urls. What it gives is a part of s or of x, valid until the next call.
func (x *Extender) Clean(b *Builder, s *wire.Span, poisoned bool, urls []wire.Place) (span []byte, repaired int) {
	span = s.Input()
	secret := false
	for _, url := range urls {
		secret = secret || b.holdsSecret(queryOf(s.Bytes(url)))
	}
	if !poisoned && !secret {
		return span, 0
	}
	x.room = x.room[:0]
	if poisoned {
		x.room, repaired = s.AppendRepaired(x.room)
		span = x.room
	}
	if secret {
		x.span.Scan(span)
		span = b.redactURL(&x.span.Span)
	}
	return span, repaired
}

const urlAttribute = "http.url"

func queryOf(url []byte) []byte {
	_, query, _ := bytes.Cut(url, []byte{'?'})
	return query
}

// redactURL gives the span with the credentials in its http.url replaced. Of one that is there twice the last value is left.
func (b *Builder) redactURL(s *wire.Span) []byte {
	var url []byte
	for i := range s.Len() {
		if key, value, ok := s.Attribute(i); ok && string(key) == urlAttribute {
			url = s.Bytes(value)
		}
	}
	before, query, _ := bytes.Cut(url, []byte{'?'})
	clean := b.appendQuery(append(bytes.Clone(before), '?'), query)
	out := s.AppendWithout(make([]byte, 0, len(s.Input())+len(clean)), urlAttribute)
	value := wire.AppendBytes(nil, valueString, clean)
	return wire.AppendBytes(out, spanAttributes, wire.AppendBytes(wire.AppendBytes(nil, 1, urlAttribute), 2, value))
}
