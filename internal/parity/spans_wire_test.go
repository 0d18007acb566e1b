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
	fieldTraceID, fieldSpanID, fieldState, fieldParent, fieldName, fieldKind, fieldStart, fieldEnd, fieldAttribute = 1, 2, 3, 4, 5, 6, 7, 8, 9
	fieldStatus                                                                                                    = 15
)

// wireSpans gives the ResourceSpans of spans that are encoded in unusual but valid ways.
func wireSpans() []byte {
	at := uint64(began.UnixNano())
	none := message(nil)
	head := func(n byte, name string) message {
		m := none.bytes(fieldTraceID, id(orderTrace)).bytes(fieldSpanID, append(id("a1b2c3d4e5f607"), n)).bytes(fieldParent, id(orderSpan))
		return m.fixed(fieldStart, at).fixed(fieldEnd, at+uint64(ms)).text(fieldName, name)
	}
	pair := func(key, value string) message { return none.text(1, key).bytes(2, none.text(1, value)) }
	spans := []message{
		// The last of several counts, and an attribute comes between.
		head(1, "first name").varint(fieldKind, 2).bytes(fieldAttribute, pair("enc", "last wins")).varint(fieldKind, 3).text(fieldName, "last name"),
		// A value before its key.
		head(2, "value first").bytes(fieldAttribute, none.bytes(2, none.text(1, "v")).text(1, "enc")),
		// A key twice, and numbers that are written too long.
		head(3, "overlong").long(fieldKind, 2).bytes(fieldAttribute, none.text(1, "not this").text(1, "enc").bytes(2, none.long(3, 200))),
		// Of the members of a value, the last counts.
		head(4, "two members").bytes(fieldAttribute, none.text(1, "enc").bytes(2, none.varint(3, 5).text(1, "text wins"))),
		// Attributes at both ends, the ids last.
		none.bytes(fieldAttribute, pair("enc", "ids last")).text(fieldName, "ids last").fixed(fieldEnd, at+7).fixed(fieldStart, at).
			bytes(fieldStatus, none.varint(3, 2)).bytes(fieldSpanID, id("a1b2c3d4e5f60705")).bytes(fieldTraceID, id(orderTrace)).
			bytes(fieldAttribute, pair("http.method", "GET")),
		// A key without a value, a value of nothing, no key at all.
		head(6, "no values").bytes(fieldAttribute, none.text(1, "enc")).bytes(fieldAttribute, none.text(1, "void").bytes(2, nil)).
			bytes(fieldAttribute, none.bytes(2, none.text(1, "keyless"))),
		// Defaults that are written out.
		head(7, "defaults").varint(fieldKind, 0).text(fieldState, "").bytes(fieldStatus, none.varint(3, 0).text(2, "")).
			bytes(fieldAttribute, pair("enc", "")),
		// Fields that nobody knows.
		head(8, "unknown fields").varint(200, 1).text(201, "future").bytes(fieldAttribute, pair("enc", "unknown").varint(99, 7)),
	}
	scope := none.bytes(1, none.text(2, "9.9").text(1, "wire"))
	for _, s := range spans {
		scope = scope.bytes(2, s)
	}
	// The resource comes after its spans.
	return none.bytes(2, scope).bytes(1, none.bytes(1, pair("service.name", "wire")))
}
