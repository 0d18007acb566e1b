package filter

import (
	"bytes"
	"cmp"
	"math"

	"github.com/alspan/alspan/internal/wire"
)

// value is an attribute's, or a constant. The zero value is nil: there is none.
type value struct {
	kind  valueKind
	bytes []byte // of a text; borrowed
	bits  uint64 // of the others
}

type valueKind uint8

const (
	isNil valueKind = iota
	isText
	isInt
	isFloat
	isBool
	isOther // bytes, a list, a map, one that is not set: left to pkg/ottl
)

func textValue(b []byte) value   { return value{kind: isText, bytes: b} }
func intValue(n int64) value     { return value{kind: isInt, bits: uint64(n)} }
func floatValue(f float64) value { return value{kind: isFloat, bits: math.Float64bits(f)} }
func (v *value) float() float64  { return math.Float64frombits(v.bits) }
func boolValue(yes bool) (v value) {
	v.kind = isBool
	if yes {
		v.bits = 1
	}
	return v
}

// compare compares as OTTL does (LANGUAGE.md, "Comparison Rules"): what cannot be compared is only unequal.
func (v *value) compare(op op, w *value) bool {
	var order int
	switch {
	case v.kind == isText && w.kind == isText:
		if op == equal || op == notEqual {
			return bytes.Equal(v.bytes, w.bytes) == (op == equal)
		}
		order = bytes.Compare(v.bytes, w.bytes)
	case v.kind == isInt && w.kind == isInt:
		order = cmp.Compare(int64(v.bits), int64(w.bits))
	case v.kind == isFloat && w.kind == isFloat:
		return compareFloats(v.float(), op, w.float())
	case v.kind == isInt && w.kind == isFloat:
		return compareFloats(float64(int64(v.bits)), op, w.float())
	case v.kind == isFloat && w.kind == isInt:
		return compareFloats(v.float(), op, float64(int64(w.bits)))
	case v.kind == isBool && w.kind == isBool:
		order = cmp.Compare(v.bits, w.bits)
	case v.kind == isNil && w.kind == isNil:
		return op == equal || op == lessEqual || op == greaterEqual
	default:
		return op == notEqual
	}
	switch op {
	case equal:
		return order == 0
	case notEqual:
		return order != 0
	case less:
		return order < 0
	case lessEqual:
		return order <= 0
	case greater:
		return order > 0
	}
	return order >= 0
}

// compareFloats is by itself because of NaN, which cmp.Compare has an order for.
func compareFloats(a float64, op op, b float64) bool {
	switch op {
	case equal:
		return a == b
	case notEqual:
		return a != b
	case less:
		return a < b
	case lessEqual:
		return a <= b
	case greater:
		return a > b
	}
	return a >= b
}

// attribute takes an encoded KeyValue apart: message KeyValue { string key = 1; AnyValue value = 2; }
func attribute(b []byte) (key []byte, v value) {
	// Nearly always it is exactly a key and a text, of less than 126 bytes each.
	if len(b) >= 6 && b[0] == 1<<3|wire.Bytes && b[1] < 0x80 {
		k := 2 + int(b[1])
		if k+4 <= len(b) && b[k] == 2<<3|wire.Bytes && k+2+int(b[k+1]) == len(b) && b[k+2] == 1<<3|wire.Bytes && k+4+int(b[k+3]) == len(b) {
			return b[2:k:k], textValue(b[k+4 : len(b) : len(b)])
		}
	}
	for r := wire.Read(b); r.Next(); {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			key = r.Bytes
		case 2<<3 | wire.Bytes:
			v = anyValue(r.Bytes, v)
		}
	}
	if v.kind == isNil {
		v.kind = isOther // it is there, without a value
	}
	return key, v
}

// plainValue takes an encoded AnyValue, which is nearly always a text of less than 128 bytes.
func plainValue(b []byte) value {
	if len(b) >= 2 && b[0] == 1<<3|wire.Bytes && b[1] < 0x80 && 2+int(b[1]) == len(b) {
		return textValue(b[2:len(b):len(b)])
	}
	if v := anyValue(b, value{}); v.kind != isNil {
		return v
	}
	return value{kind: isOther} // it is there, without a value
}

// anyValue takes an encoded AnyValue: of its fields the last one counts, and v if it has none.
//
//	message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ... } }
func anyValue(b []byte, v value) value {
	for r := wire.Read(b); r.Next(); {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			v = textValue(r.Bytes)
		case 2<<3 | wire.Varint:
			v = boolValue(r.Int != 0)
		case 3<<3 | wire.Varint:
			v = intValue(int64(r.Int))
		case 4<<3 | wire.Fixed64:
			v = value{kind: isFloat, bits: r.Int}
		default:
			v = value{kind: isOther}
		}
	}
	return v
}
