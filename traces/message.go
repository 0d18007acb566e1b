// Package traces takes spans, as OTLP over gRPC and HTTP and as Zipkin v2, and gives messages whose spans are borrowed views
// of the received bytes.
package traces

import (
	"net/netip"

	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/internal/zipkin"
)

// Message is one ExportTraceServiceRequest. It borrows the received bytes. Scopes are walked by NextScope, the spans of
// each by NextSpan:
//
//	message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
//	message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
//	message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
type Message struct {
	From netip.Addr // the sender, invalid when it is not known
	// Marks has what OTLP has no place for, one for each span in order; it is nil for spans that came as OTLP.
	Marks []Mark

	request, resource, scope wire.Reader
	resourceHead, scopeHead  head
	next                     int // of Marks
	mark                     Mark
	broken                   bool
	scopes                   int // that NextScope has found
	size                     int
}

// Mark is what a Zipkin span says that an OTLP span cannot.
type Mark = zipkin.Mark

// The marks, see there.
const (
	Zipkin = zipkin.Zipkin
	Shared = zipkin.Shared
	Debug  = zipkin.Debug
)

// Consumer takes one message, on the goroutine of its request. The message and all that it gives are valid during the call.
type Consumer func(*Message) Outcome

// Outcome says what became of a message.
type Outcome struct {
	// Full: nothing was taken, because there is no room; the sender is asked to try again.
	Full bool
	// TooLarge: nothing was taken, and there never is room for as much.
	TooLarge bool
	// Rejected is the number of spans that are no spans: malformed, or with an invalid id. All others were taken.
	Rejected int
}

// Field numbers, see Message.
const (
	requestResourceSpans = 1
	resourceScopeSpans   = 2
	scopeSpans           = 2
)

// NewMessage makes a message of an encoded ExportTraceServiceRequest.
func NewMessage(body []byte, from netip.Addr) Message {
	return Message{From: from, request: wire.Read(body), size: len(body)}
}

// begin makes m a message like NewMessage, in the room that it has.
func (m *Message) begin(body []byte, marks []Mark, from netip.Addr) {
	resource, scope := m.resourceHead.room, m.scopeHead.room
	*m = NewMessage(body, from)
	m.Marks, m.resourceHead.room, m.scopeHead.room = marks, kept(resource), kept(scope)
}

// kept gives room that is worth to be kept from one request to the next.
func kept(room []byte) []byte {
	if cap(room) > keepRoom {
		return nil
	}
	return room[:0]
}

const keepRoom = 64 << 10

// NextScope moves to the next ScopeSpans, false at the end.
func (m *Message) NextScope() bool {
	for {
		for m.resource.Next() {
			if m.resource.Key == resourceScopeSpans<<3|wire.Bytes {
				m.scopeHead.read(m.resource.Bytes, scopeSpans)
				m.scope = wire.Read(m.resource.Bytes)
				m.scopes++
				return true
			}
		}
		m.broken = m.broken || m.resource.Broken()
		if !m.nextResource() {
			return false
		}
	}
}

func (m *Message) nextResource() bool {
	for m.request.Next() {
		if m.request.Key == requestResourceSpans<<3|wire.Bytes {
			m.resourceHead.read(m.request.Bytes, resourceScopeSpans)
			m.resource = wire.Read(m.request.Bytes)
			return true
		}
	}
	m.broken = m.broken || m.request.Broken()
	return false
}

// Size gives the number of bytes of the message.
func (m *Message) Size() int { return m.size }

// Resource gives all of the ResourceSpans but its scopes, and Scope all of the ScopeSpans but its spans: encoded fields, as
// they were received. Both are valid until the next NextScope.
func (m *Message) Resource() []byte { return m.resourceHead.bytes }

// Scope is explained at Resource.
func (m *Message) Scope() []byte { return m.scopeHead.bytes }

// Read says what NextSpan has found.
type Read uint8

const (
	End      Read = iota // no further span in this scope
	Sound                // s is the next span
	Poisoned             // s is the next span; some of its strings are not UTF-8
	Broken               // the next span is malformed; those after it are not
)

// NextSpan makes s a view of the scope's next span.
func (m *Message) NextSpan(s *wire.Span) Read {
	for m.scope.Next() {
		if m.scope.Key != scopeSpans<<3|wire.Bytes {
			continue
		}
		m.mark = 0
		if m.next < len(m.Marks) {
			m.mark = m.Marks[m.next]
			m.next++
		}
		switch s.Walk(m.scope.Bytes) {
		case wire.Broken:
			return Broken
		case wire.Poisoned:
			return Poisoned
		}
		return Sound
	}
	m.broken = m.broken || m.scope.Broken()
	return End
}

// Mark gives what the span that NextSpan has found is marked with.
func (m *Message) Mark() Mark { return m.mark }

// Truncated tells, after the last scope, whether a part of the message could not be read.
func (m *Message) Truncated() bool { return m.broken }

// head is a message without one of its fields.
type head struct {
	bytes []byte
	room  []byte // for one that is not in one piece
}

// read takes the fields of the message b except all that have number skip and a length.
func (h *head) read(b []byte, skip uint32) {
	h.bytes, h.room = nil, h.room[:0]
	from := 0
	for r := wire.Read(b); ; {
		before := len(b) - r.Rest()
		more := r.Next()
		if more && r.Key != skip<<3|wire.Bytes {
			continue
		}
		h.add(b[from:before:before])
		if from = len(b) - r.Rest(); !more {
			return
		}
	}
}

func (h *head) add(piece []byte) {
	switch {
	case len(piece) == 0:
	case len(h.bytes) == 0:
		h.bytes = piece
	default:
		if len(h.room) == 0 { // the first piece is not there yet
			h.room = append(h.room, h.bytes...)
		}
		h.room = append(h.room, piece...)
		h.bytes = h.room
	}
}
