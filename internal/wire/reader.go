// Package wire takes encoded protobuf messages and gives flat views of them: byte slices into the input and integers.
//
// Nothing is copied and nothing is allocated per message. Every view borrows the input: it is valid until the owner of
// those bytes lets them go, and keeping a part means copying it. The rules of the encoding are those of the official
// runtime: unknown fields are skipped, a known field number with another wire type is an unknown field, the last value
// of a scalar wins, the pieces of a repeated singular message merge. Only UTF-8 is not checked here: Envoy sends
// strings that are not UTF-8, and Text repairs them where they are written.
package wire

import "google.golang.org/protobuf/encoding/protowire"

// Wire types, as the low three bits of a Reader's Key.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// Reader walks the fields of one message:
//
//	for r := wire.Read(b); r.Next(); {
//		switch r.Key {
//		case 1<<3 | wire.Bytes: use(r.Bytes)
//		case 2<<3 | wire.Varint: use(r.Int)
//		}
//	}
//
// A field with another wire type than the schema's has another Key, so it falls through like any unknown field.
type Reader struct {
	// Key is the field number shifted left by three, or-ed with the wire type.
	Key uint32
	// Int is the value of a varint or fixed field.
	Int uint64
	// Bytes is the value of a length-delimited field, a part of the input.
	Bytes []byte

	rest   []byte
	broken bool
}

// Read gives a Reader of the fields of b.
func Read(b []byte) Reader { return Reader{rest: b} }

// Next reads one field, tag and value. It gives false at the end of the message and at the first malformed field;
// Broken tells which.
func (r *Reader) Next() bool {
	if len(r.rest) == 0 {
		return false
	}
	tag, ok := r.varint()
	num := tag >> 3
	if !ok || num == 0 || num > uint64(protowire.MaxValidNumber) {
		return r.fail()
	}
	r.Key = uint32(tag)
	switch tag & 7 {
	case Varint:
		if r.Int, ok = r.varint(); !ok {
			return r.fail()
		}
	case Fixed64:
		if len(r.rest) < 8 {
			return r.fail()
		}
		r.Int, _ = protowire.ConsumeFixed64(r.rest)
		r.rest = r.rest[8:]
	case Fixed32:
		if len(r.rest) < 4 {
			return r.fail()
		}
		v, _ := protowire.ConsumeFixed32(r.rest)
		r.Int, r.rest = uint64(v), r.rest[4:]
	case Bytes:
		n, ok := r.varint()
		if !ok || n > uint64(len(r.rest)) {
			return r.fail()
		}
		r.Bytes, r.rest = r.rest[:n:n], r.rest[n:]
	default:
		// Groups are never sent by Envoy; the official walker bounds their nesting.
		n := protowire.ConsumeFieldValue(protowire.Number(num), protowire.Type(tag&7), r.rest)
		if n < 0 {
			return r.fail()
		}
		r.rest = r.rest[n:]
	}
	return true
}

// Broken tells whether the walk ended at a malformed field instead of at the end of the message.
func (r *Reader) Broken() bool { return r.broken }

// Rest gives the number of bytes that were not read yet, none once a field was malformed.
func (r *Reader) Rest() int { return len(r.rest) }

func (r *Reader) fail() bool {
	r.broken, r.rest = true, nil
	return false
}

func (r *Reader) varint() (uint64, bool) {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v), true
	}
	if len(r.rest) > 1 && r.rest[1] < 0x80 {
		v := uint64(r.rest[0]&0x7f) | uint64(r.rest[1])<<7
		r.rest = r.rest[2:]
		return v, true
	}
	v, n := protowire.ConsumeVarint(r.rest)
	if n < 0 {
		return 0, false
	}
	r.rest = r.rest[n:]
	return v, true
}

// Sub walks the fields of the message in b with f and tells whether it was well-formed. The Reader comes by value: through
// a pointer it would be allocated.
func Sub(b []byte, f func(Reader)) bool {
	r := Read(b)
	for r.Next() {
		f(r)
	}
	return !r.broken
}

// EachField calls f for each field of the message b: its key, the value if that has a length, and the whole field. It ends
// where b is malformed.
func EachField(b []byte, f func(key uint32, value, field []byte)) {
	at := 0
	for r := Read(b); r.Next(); {
		var value []byte
		if r.Key&7 == Bytes {
			value = r.Bytes
		}
		next := len(b) - r.Rest()
		f(r.Key, value, b[at:next])
		at = next
	}
}
