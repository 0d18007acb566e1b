package parity

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// message is an encoded message that is written field by field, so that it may be written as no encoder would.
type message []byte

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m message) text(field protowire.Number, s string) message { return m.bytes(field, []byte(s)) }

func (m message) fixed(field protowire.Number, n uint64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), n)
}

func (m message) varint(field protowire.Number, n uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), n)
}

// long is varint in ten bytes, of which most say nothing.
func (m message) long(field protowire.Number, n uint64) message {
	m = protowire.AppendTag(m, field, protowire.VarintType)
	for range 9 {
		m = append(m, byte(n)|0x80)
		n >>= 7
	}
	return append(m, byte(n))
}

// Fields of OTLP's messages, as trace.proto and common.proto number them.
const (
	traceID, spanID, traceState, parentID, name, kind, started, ended, attribute = 1, 2, 3, 4, 5, 6, 7, 8, 9
	status                                                                       = 15
)

// wireSpans gives the ResourceSpans of spans that are encoded in unusual but valid ways.
func wireSpans() []byte {
	at := uint64(began.UnixNano())
	head := func(n byte) message {
		return message(nil).bytes(traceID, id(orderTrace)).bytes(spanID, append(id("a1b2c3d4e5f607"), n)).bytes(parentID, id(orderSpan)).fixed(started, at).fixed(ended, at+uint64(ms))
	}
	pair := func(key, value string) message {
		return message(nil).text(1, key).bytes(2, message(nil).text(1, value))
	}
	spans := []message{
		// The last of several counts, and an attribute comes between.
		head(1).text(name, "first name").varint(kind, 2).bytes(attribute, pair("enc", "last wins")).varint(kind, 3).text(name, "last name"),
		// A value before its key.
		head(2).text(name, "value first").bytes(attribute, message(nil).bytes(2, message(nil).text(1, "v")).text(1, "enc")),
		// A key twice, and a number that is written too long.
		head(3).text(name, "overlong").long(kind, 2).bytes(attribute, message(nil).text(1, "not this").text(1, "enc").bytes(2, message(nil).long(3, 200))),
		// Of the members of a value, the last counts.
		head(4).text(name, "two members").bytes(attribute, message(nil).text(1, "enc").bytes(2, message(nil).varint(3, 5).text(1, "text wins"))),
		// Attributes at both ends, the ids last.
		message(nil).bytes(attribute, pair("enc", "ids last")).text(name, "ids last").fixed(ended, at+7).fixed(started, at).bytes(status, message(nil).varint(3, 2)).
			bytes(spanID, id("a1b2c3d4e5f60705")).bytes(traceID, id(orderTrace)).bytes(attribute, pair("http.method", "GET")),
		// A key without a value, a value of nothing, no key at all.
		head(6).text(name, "no values").bytes(attribute, message(nil).text(1, "enc")).bytes(attribute, message(nil).text(1, "void").bytes(2, nil)).bytes(attribute, message(nil).bytes(2, message(nil).text(1, "keyless"))),
		// Defaults that are written out.
		head(7).text(name, "defaults").varint(kind, 0).text(traceState, "").bytes(status, message(nil).varint(3, 0).text(2, "")).bytes(attribute, pair("enc", "")),
		// Fields that nobody knows.
		head(8).text(name, "unknown fields").varint(200, 1).text(201, "future").bytes(attribute, append(pair("enc", "unknown"), message(nil).varint(99, 7)...)),
	}
	scope := message(nil).bytes(1, message(nil).text(2, "9.9").text(1, "wire"))
	for _, s := range spans {
		scope = scope.bytes(2, s)
	}
	// The resource comes after its spans.
	return message(nil).bytes(2, scope).bytes(1, message(nil).bytes(1, pair("service.name", "wire")))
}
