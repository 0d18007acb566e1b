package attributes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/alspan/alspan/internal/wire"
)

// converted gives v as a value of that kind, false if it is one already or cannot be made one.
func (e *Editor) converted(v value, to kind) (value, bool) {
	switch {
	case v.kind == to:
		return v, false
	case to == stringKind:
		return e.asString(v)
	case to == intKind:
		return e.asInt(v)
	}
	return e.asDouble(v)
}

func (e *Editor) asInt(v value) (value, bool) {
	switch v.kind {
	case boolKind:
		if v.num != 0 {
			return e.int(1), true
		}
		return e.int(0), true
	case doubleKind:
		return e.int(int64(math.Float64frombits(v.num))), true
	case stringKind:
		if n, err := strconv.ParseInt(string(v.bytes), 10, 64); err == nil {
			return e.int(n), true
		}
	}
	return v, false
}

func (e *Editor) asDouble(v value) (value, bool) {
	switch v.kind {
	case boolKind:
		if v.num != 0 {
			return e.double(1), true
		}
		return e.double(0), true
	case intKind:
		return e.double(float64(int64(v.num))), true
	case stringKind:
		if f, err := strconv.ParseFloat(string(v.bytes), 64); err == nil {
			return e.double(f), true
		}
	}
	return v, false
}

func (e *Editor) asString(v value) (value, bool) {
	var room [64]byte
	switch v.kind {
	case boolKind:
		return e.text(strconv.AppendBool(room[:0], v.num != 0)), true
	case intKind:
		return e.text(strconv.AppendInt(room[:0], int64(v.num), 10)), true
	case doubleKind:
		return e.text(appendDouble(room[:0], math.Float64frombits(v.num))), true
	case bytesKind:
		return e.text(base64.StdEncoding.AppendEncode(nil, v.bytes)), true
	case listKind, mapKind:
		x, ok := decoded(v.raw, 0)
		if !ok {
			return v, false
		}
		var b bytes.Buffer
		j := json.NewEncoder(&b)
		j.SetEscapeHTML(false)
		_ = j.Encode(x) // it writes nothing if there is a NaN or an infinity: then the text is empty, as the collector's is
		return e.text(bytes.TrimRight(b.Bytes(), "\n")), true
	}
	return e.text(nil), true
}

// appendDouble appends f as JSON and JavaScript write it, and what they have no number for as protobuf's JSON does.
func appendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	b, _ := json.Marshal(f)
	return append(dst, b...)
}

// maxNesting is how deep lists and maps may be nested, as in package wire.
const maxNesting = 100

// decoded gives the AnyValue raw as encoding/json takes it, false if it is malformed.
func decoded(raw []byte, depth int) (any, bool) {
	var v value
	if !v.parse(raw) {
		return nil, false
	}
	switch v.kind {
	case stringKind:
		return string(v.bytes), true
	case boolKind:
		return v.num != 0, true
	case intKind:
		return int64(v.num), true
	case doubleKind:
		return math.Float64frombits(v.num), true
	case bytesKind:
		return append([]byte(nil), v.bytes...), true // none are null in JSON, as the collector has it
	case listKind, mapKind:
		if depth == maxNesting {
			return nil, false
		}
		if v.kind == listKind {
			return decodedList(v.bytes, depth+1)
		}
		return decodedMap(v.bytes, depth+1)
	}
	return nil, true
}

func decodedList(b []byte, depth int) (any, bool) {
	list := []any{}
	r := wire.Read(b)
	for r.Next() {
		if r.Key != 1<<3|wire.Bytes {
			continue
		}
		x, ok := decoded(r.Bytes, depth)
		if !ok {
			return nil, false
		}
		list = append(list, x)
	}
	return list, !r.Broken()
}

func decodedMap(b []byte, depth int) (any, bool) {
	all := map[string]any{}
	r := wire.Read(b)
	for r.Next() {
		if r.Key != 1<<3|wire.Bytes {
			continue
		}
		var f field
		raw, ok := f.parse(r.Bytes, 0, len(r.Bytes))
		if !ok {
			return nil, false
		}
		x, ok := decoded(raw, depth)
		if !ok {
			return nil, false
		}
		all[string(f.key)] = x
	}
	return all, !r.Broken()
}
