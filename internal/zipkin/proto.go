package zipkin

import (
	"net/netip"
	"slices"
	"time"

	"github.com/alspan/alspan/internal/wire"
)

// Proto decodes a protobuf ListOfSpans, received at that time. An error means that the body is something else.
//
//	message ListOfSpans { repeated Span spans = 1; }
func (d *Decoder) Proto(body []byte, received time.Time) (*Decoded, error) {
	d.begin(received)
	if len(body) > 0 && body[0] == thriftStruct {
		return d.finish(errThrift)
	}
	spans, added := 0, 0
	r := wire.Read(body)
	for r.Next() {
		if r.Key != 1<<3|wire.Bytes {
			continue
		}
		spans++
		d.span.reset()
		if !d.protoSpan(r.Bytes) {
			d.Invalid[Malformed]++
			continue
		}
		added++
		d.add()
	}
	d.Truncated = r.Broken()
	switch {
	case len(body) == 0:
	case added == 0 && looksLikeJSON(body):
		return d.finish(errIsJSON)
	case spans == 0 && body[0] != protobufList:
		return d.finish(errNoSpans)
	}
	return d.finish(nil)
}

//	message Span {
//	  bytes trace_id = 1; bytes parent_id = 2; bytes id = 3; Kind kind = 4; string name = 5;
//	  fixed64 timestamp = 6; uint64 duration = 7; Endpoint local_endpoint = 8; Endpoint remote_endpoint = 9;
//	  repeated Annotation annotations = 10; map<string, string> tags = 11; bool debug = 12; bool shared = 13;
//	}
func (d *Decoder) protoSpan(b []byte) bool {
	s, ok := &d.span, true
	r := wire.Read(b)
	for ok && r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			copyID(s.traceID[:], r.Bytes)
		case 2<<3 | wire.Bytes:
			copyID(s.parent[:], r.Bytes)
		case 3<<3 | wire.Bytes:
			copyID(s.id[:], r.Bytes)
		case 4<<3 | wire.Varint:
			s.kind = protoKind(r.Int)
		case 5<<3 | wire.Bytes:
			s.name = r.Bytes
		case 6<<3 | wire.Fixed64:
			s.timestamp = atMost(r.Int)
		case 7<<3 | wire.Varint:
			s.duration = atMost(r.Int)
		case 8<<3 | wire.Bytes:
			ok = s.local.walk(r.Bytes)
		case 9<<3 | wire.Bytes:
			ok = s.remote.walk(r.Bytes)
		case 10<<3 | wire.Bytes:
			var a annotation
			ok = a.walk(r.Bytes)
			s.annotate(a)
		case 11<<3 | wire.Bytes:
			ok = s.tags.walk(r.Bytes)
		case 12<<3 | wire.Varint:
			s.debug = r.Int != 0
		case 13<<3 | wire.Varint:
			s.shared = r.Int != 0
		}
	}
	if d.FirstHand && s.tags.isEnvoy() {
		slices.Reverse(s.id[:])
		slices.Reverse(s.parent[:])
	}
	return ok && !r.Broken()
}

// protoKind: enum Kind { SPAN_KIND_UNSPECIFIED = 0; CLIENT = 1; SERVER = 2; PRODUCER = 3; CONSUMER = 4; }
func protoKind(v uint64) uint8 {
	switch uint32(v) {
	case 1:
		return kindClient
	case 2:
		return kindServer
	case 3:
		return kindProducer
	case 4:
		return kindConsumer
	}
	return kindInternal
}

// message Endpoint { string service_name = 1; bytes ipv4 = 2; bytes ipv6 = 3; int32 port = 4; }
func (e *endpoint) walk(b []byte) bool {
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			e.service = r.Bytes
		case 2<<3 | wire.Bytes:
			e.ipv4 = addressOf(r.Bytes)
		case 3<<3 | wire.Bytes:
			e.ipv6 = addressOf(r.Bytes)
		case 4<<3 | wire.Varint:
			e.setPort(uint64(uint32(r.Int)))
		}
	}
	return !r.Broken()
}

// addressOf gives the address of 4 or 16 bytes; of any other number it is absent.
func addressOf(b []byte) netip.Addr {
	address, _ := netip.AddrFromSlice(b)
	return address.Unmap()
}

// message Annotation { fixed64 timestamp = 1; string value = 2; }
func (a *annotation) walk(b []byte) bool {
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Fixed64:
			a.timestamp = atMost(r.Int)
		case 2<<3 | wire.Bytes:
			a.value = r.Bytes
		}
	}
	return !r.Broken()
}

// walk sets the tag of one entry of the map.
func (t *tags) walk(b []byte) bool {
	var key, value []byte
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			key = r.Bytes
		case 2<<3 | wire.Bytes:
			value = r.Bytes
		}
	}
	t.set(key, value, false)
	return !r.Broken()
}
