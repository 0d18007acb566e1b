// Package zipkin takes the bodies of Zipkin v2 reports, JSON lists or protobuf ListOfSpans, and gives the same spans as one
// encoded OTLP request.
//
// Senders of Zipkin are many and old, so the reading is lenient: numbers may be strings, tags may be anything, and a span
// of no use is left out alone. Spans are grouped by their whole Resource, not by service: two pods of one service stay
// apart. What OTLP has no place for is in the marks.
package zipkin

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-faster/jx"
)

// Mark is what a Zipkin span says that an OTLP span cannot.
type Mark uint8

const (
	Zipkin Mark = 1 << iota // it came as Zipkin: its ids are those of B3
	Shared                  // it has its id from its caller, who reports a span with the same one
	Debug                   // it is to be kept whatever samplers say
)

// Reason says why a span was left out.
type Reason uint8

const (
	BadTraceID Reason = iota // none, zero, too long, or not lower-case hex
	BadSpanID
	Malformed // no object, or no protobuf message
	Version1  // a span of Zipkin v1 among those of v2
	NumReasons
)

var reasons = [NumReasons]string{"trace_id", "span_id", "malformed", "version_1"}

// String gives the label of r in metrics.
func (r Reason) String() string { return reasons[r] }

// Decoded is what was in one body. It is valid until the next call of the Decoder that gave it.
type Decoded struct {
	Request   []byte // an encoded ExportTraceServiceRequest, empty without spans
	Marks     []Mark // of each span, in the order in which they stand in Request
	Spans     int
	Invalid   [NumReasons]int // spans that were left out
	Repaired  int             // strings that were not UTF-8
	Truncated bool            // the body ends or breaks in the middle; the whole spans before that are in Request
}

// Decoder makes OTLP of Zipkin. The zero value is ready. It is reused from body to body, by one goroutine at a time.
type Decoder struct {
	// FirstHand tells that the sender made the spans itself, and is no relay. Envoy writes the ids of spans, not those of
	// traces, into protobuf in the byte order of its host, which is little-endian wherever Envoy is built
	// (zipkin_core_types.h, idAsByteString); they are turned round in spans that say component=proxy.
	FirstHand bool

	Decoded

	received int64 // nanoseconds since 1970
	isV2     bool  // a span has a field that Zipkin v1 has not
	span     span
	groups   groups
	json     reader
}

// Bodies that are no list of spans.
var (
	errV1 = errors.New("this is Zipkin v1: send v2 to /api/v2/spans, as a JSON list or as protobuf " +
		"(in most reporters that is one setting, the encoding)")
	errThrift     = fmt.Errorf("the body is Thrift; %w", errV1)
	errIsJSON     = errors.New("the body is JSON: send it with the header Content-Type: application/json")
	errIsProtobuf = errors.New("the body is no JSON but may be protobuf: send that with the header Content-Type: application/x-protobuf")
	errIsObject   = errors.New("the body is one JSON object: send a list of spans, [{...}]")
	errNoList     = errors.New("the body is no JSON list of spans, [{...}]")
	errNoSpans    = errors.New("the body is no protobuf ListOfSpans")
)

// thriftStruct is the first byte of a list of Thrift structs.
const thriftStruct = 0x0c

// keepRoom is how much room, in bytes or items, is kept for the next body.
const keepRoom = 1 << 20

func (d *Decoder) begin(received time.Time) {
	old := d.Decoded
	d.Decoded = Decoded{Request: old.Request[:0], Marks: old.Marks[:0]}
	if cap(old.Request) > keepRoom {
		d.Request = nil
	}
	if cap(old.Marks) > keepRoom {
		d.Marks = nil
	}
	d.received = max(received.UnixNano(), 0)
	d.isV2 = false
	d.groups.reset()
}

// finish puts the spans together and forgets the body.
func (d *Decoder) finish(err error) (*Decoded, error) {
	if err == nil && d.Invalid[Version1] > 0 && !d.isV2 {
		err = errV1
	}
	if err == nil {
		d.Request, d.Marks = d.groups.appendRequest(d.Request, d.Marks)
		d.Spans, d.Repaired = len(d.Marks), d.groups.repaired
	}
	d.span.forget()
	d.json.in.ResetBytes(nil)
	d.groups.forget()
	if err != nil {
		return nil, fmt.Errorf("cannot decode Zipkin spans: %w", err)
	}
	return &d.Decoded, nil
}

// add takes the span that was read.
func (d *Decoder) add() {
	s := &d.span
	d.isV2 = d.isV2 || s.isV2 && !s.isV1
	switch {
	case s.isV1:
		d.Invalid[Version1]++
	case s.traceID == [16]byte{}:
		d.Invalid[BadTraceID]++
	case s.id == [8]byte{}:
		d.Invalid[BadSpanID]++
	default:
		s.settle(d.received)
		d.groups.add(s)
	}
}

// trimLeft gives body without leading white space of JSON.
func trimLeft(body []byte) []byte { return bytes.TrimLeft(body, " \n\r\t") }

// looksLikeJSON tells whether a body that gave no spans as protobuf is JSON. That a line feed is also how protobuf begins
// makes it look twice.
func looksLikeJSON(body []byte) bool {
	rest := trimLeft(body)
	return len(rest) > 0 && (rest[0] == '[' || rest[0] == '{') && (body[0] != protobufList || jx.Valid(body))
}
