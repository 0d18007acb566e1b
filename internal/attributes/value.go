package attributes

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/alspan/alspan/internal/wire"
)

// kind is a field of AnyValue, as the key of a wire.Reader.
//
//	message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
//	                   ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; int32 string_value_strindex = 8; } }
//	message ArrayValue { repeated AnyValue values = 1; }
//	message KeyValueList { repeated KeyValue values = 1; }
//	message KeyValue { string key = 1; AnyValue value = 2; }
type kind uint32

const (
	noKind     kind = 0
	stringKind kind = 1<<3 | wire.Bytes
	boolKind   kind = 2<<3 | wire.Varint
	intKind    kind = 3<<3 | wire.Varint
	doubleKind kind = 4<<3 | wire.Fixed64
	listKind   kind = 5<<3 | wire.Bytes
	mapKind    kind = 6<<3 | wire.Bytes
	bytesKind  kind = 7<<3 | wire.Bytes
	indexKind  kind = 8<<3 | wire.Varint // not in spans: to us it is none

	keyField   = 1<<3 | wire.Bytes
	valueField = 2<<3 | wire.Bytes
)

// value is a view of an encoded AnyValue.
type value struct {
	kind  kind
	num   uint64 // of a bool, an int or, as its bits, a double
	bytes []byte // of the others
	raw   []byte // the AnyValue
}

// parse makes v, which is empty, the view of raw. It gives false if raw is malformed. It does not look into lists and maps.
func (v *value) parse(raw []byte) bool {
	v.raw = raw
	if n := len(raw); n >= 2 && raw[0] == byte(stringKind) && raw[1] < 0x80 && 2+int(raw[1]) == n { // as nearly all are
		v.kind, v.bytes = stringKind, raw[2:]
		return true
	}
	r := wire.Read(raw)
	for r.Next() {
		switch k := kind(r.Key); k {
		case stringKind, bytesKind:
			v.kind, v.bytes = k, r.Bytes
		case boolKind, intKind, doubleKind:
			v.kind, v.num = k, r.Int
		case listKind, mapKind:
			if v.kind == k { // pieces of a message are one
				v.bytes = slices.Concat(v.bytes, r.Bytes)
			} else {
				v.kind, v.bytes = k, r.Bytes
			}
		case indexKind:
			v.kind = noKind
		}
	}
	return !r.Broken()
}

func appendKey(dst []byte, key string) []byte { return wire.AppendBytes(dst, 1, key) }

// appendValue appends x, one of the types of Action.Value, as an AnyValue.
func appendValue(dst []byte, x any) ([]byte, error) {
	switch x := x.(type) {
	case nil:
		return dst, nil
	case string:
		if !utf8.ValidString(x) {
			return nil, fmt.Errorf("value %q is not UTF-8", x)
		}
		return wire.AppendBytes(dst, 1, x), nil
	case bool:
		if x {
			return wire.AppendUint(dst, 2, 1), nil
		}
		return wire.AppendUint(dst, 2, 0), nil
	case int64:
		return wire.AppendUint(dst, 3, uint64(x)), nil
	case float64:
		return wire.AppendFixed64(dst, 4, math.Float64bits(x)), nil
	case []any:
		var list []byte
		for _, x := range x {
			element, err := appendValue(nil, x)
			if err != nil {
				return nil, err
			}
			list = wire.AppendBytes(list, 1, element)
		}
		return wire.AppendBytes(dst, 5, list), nil
	}
	return nil, fmt.Errorf("value %v is a %T, not a string, bool, int64, float64 or a list of these", x, x)
}

// text gives s as a value. The bytes are copied into e.
func (e *Editor) text(s []byte) value {
	from := len(e.texts)
	e.texts = wire.AppendBytes(e.texts, 1, s)
	raw := e.texts[from:len(e.texts):len(e.texts)]
	return value{kind: stringKind, bytes: raw[len(raw)-len(s):], raw: raw}
}

func (e *Editor) int(n int64) value {
	from := len(e.texts)
	e.texts = wire.AppendUint(e.texts, 3, uint64(n))
	return value{kind: intKind, num: uint64(n), raw: e.texts[from:len(e.texts):len(e.texts)]}
}

func (e *Editor) double(f float64) value {
	from := len(e.texts)
	e.texts = wire.AppendFixed64(e.texts, 4, math.Float64bits(f))
	return value{kind: doubleKind, num: math.Float64bits(f), raw: e.texts[from:len(e.texts):len(e.texts)]}
}

// hashed gives the SHA-256 of v in hexadecimal: of a string's bytes, of a number's eight, least first, of a bool's one. Of
// anything else it is the empty string.
func (e *Editor) hashed(v value) value {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], v.num)
	var sum [sha256.Size]byte
	switch v.kind {
	case stringKind:
		sum = sha256.Sum256(v.bytes)
	case boolKind:
		b := [1]byte{}
		if v.num != 0 {
			b[0] = 1
		}
		sum = sha256.Sum256(b[:])
	case intKind, doubleKind:
		sum = sha256.Sum256(number[:])
	default:
		return e.text(nil)
	}
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return e.text(text[:])
}
