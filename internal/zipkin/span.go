package zipkin

import (
	"math"
	"net/netip"
)

// Kinds of an OTLP span.
const (
	kindInternal, kindServer, kindClient, kindProducer, kindConsumer = 1, 2, 3, 4, 5
)

// span is one Zipkin span. Its texts are parts of the body.
type span struct {
	traceID             [16]byte
	id, parent          [8]byte
	kind                uint8
	name                []byte
	timestamp, duration uint64 // microseconds
	local, remote       endpoint
	annotations         []annotation
	tags                tags
	debug, shared       bool
	isV1, isV2          bool // it has a field that only that version has

	start, end uint64 // nanoseconds, when settled
}

type endpoint struct {
	service    []byte
	ipv4, ipv6 netip.Addr
	port       uint16
}

type annotation struct {
	timestamp uint64 // microseconds, 0 if absent
	value     []byte
}

func (s *span) reset() {
	s.tags.reset()
	*s = span{kind: kindInternal, annotations: s.annotations[:0], tags: s.tags}
}

// forget lets the body go.
func (s *span) forget() {
	clear(s.annotations[:cap(s.annotations)])
	if cap(s.annotations) > keepRoom {
		s.annotations = nil
	}
	s.tags.forget()
	*s = span{annotations: s.annotations, tags: s.tags}
}

// annotate adds an annotation, unless there is nothing in it.
func (s *span) annotate(a annotation) {
	if len(a.value) > 0 {
		s.annotations = append(s.annotations, a)
	}
}

// settle finds what Zipkin leaves open.
func (s *span) settle(received int64) {
	if s.parent == s.id { // a span is not its own parent; Zipkin reads this as none, too
		s.parent = [8]byte{}
	}
	if s.kind == kindClient { // only who was called can have the id from somebody else
		s.shared = false
	}
	if len(s.name) == 0 {
		s.name = s.tags.method()
	}
	if len(s.name) == 0 {
		s.name = []byte("unknown")
	}
	duration := s.duration * 1000
	switch {
	case s.timestamp > 0:
		s.start = s.timestamp * 1000
	case s.earliest() > 0:
		s.start = s.earliest() * 1000
	default:
		s.start = uint64(received)
		if duration <= s.start {
			s.start -= duration
		}
	}
	if s.end = s.start + duration; s.end > math.MaxInt64 {
		s.end = s.start
	}
}

// earliest gives the time of the earliest annotation, 0 if there is none.
func (s *span) earliest() (first uint64) {
	for i := range s.annotations {
		if at := s.annotations[i].timestamp; at > 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// mark gives the mark of the span.
func (s *span) mark() Mark {
	m := Zipkin
	if s.shared {
		m |= Shared
	}
	if s.debug {
		m |= Debug
	}
	return m
}

func (e *endpoint) setPort(port uint64) {
	if e.port = 0; port <= math.MaxUint16 {
		e.port = uint16(port)
	}
}

// address gives the endpoint's address, false when there is none.
func (e *endpoint) address() (netip.Addr, bool) {
	if e.ipv4.IsValid() {
		return e.ipv4, true
	}
	return e.ipv6, e.ipv6.IsValid()
}

// kindOf gives the kind with that name; one that is not known is as none.
func kindOf(name []byte) uint8 {
	switch string(name) {
	case "CLIENT", "client":
		return kindClient
	case "SERVER", "server":
		return kindServer
	case "PRODUCER", "producer":
		return kindProducer
	case "CONSUMER", "consumer":
		return kindConsumer
	}
	return kindInternal
}
