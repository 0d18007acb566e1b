package traces

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/alspan/alspan/internal/wire"
)

// transcoder makes an encoded ExportTraceServiceRequest of one in the JSON of OTLP. It goes through the text once and builds
// no objects, so that what comes out is hardly ever longer than what went in.
//
// The JSON of OTLP is that of protobuf, but ids are hexadecimal, enums are numbers and unknown fields are ignored. What JSON
// allows and the schema does not makes its span malformed, which is then rejected like any other such span, and no more.
type transcoder struct {
	scanner
	out    []byte
	depth  int
	strict bool // a span that does not fit is an error
}

// shapeError is JSON that does not fit the schema.
type shapeError struct {
	at   int
	want string
}

func (e *shapeError) Error() string {
	return fmt.Sprintf("cannot read the JSON as OTLP at byte %d: %s is expected", e.at, e.want)
}

func (t *transcoder) misshapen(want string) error { return &shapeError{t.i, want} }

// nesting is how deep messages may be nested. Spans that are nested about as deeply are refused later on.
const nesting = 128

// transcode gives the encoded request, valid until the next one.
func (t *transcoder) transcode(in []byte) ([]byte, error) {
	t.scanner, t.out, t.depth = scanner{in: in, room: t.room}, t.out[:0], 0
	if t.peek() == 0 && t.i == len(in) {
		return nil, nil // nothing at all
	}
	if err := t.message(requestShape); err != nil {
		return nil, err
	}
	if t.peek(); t.i < len(in) {
		return nil, t.fail("nothing after the closing brace")
	}
	return t.out, nil
}

// rest lets go of what one request needed and the next one may not.
func (t *transcoder) rest() { t.in, t.out, t.room = nil, kept(t.out), kept(t.room) }

// message reads an object and appends its fields.
func (t *transcoder) message(m shape) error {
	if t.peek() != '{' {
		return t.misshapen("an object")
	}
	if t.depth == nesting {
		return t.misshapen("less nesting")
	}
	t.i++
	t.depth++
	for first := true; ; {
		more, err := t.more('}', &first)
		if err != nil || !more {
			t.depth--
			return err
		}
		key, err := t.key()
		if err != nil {
			return err
		}
		if f := m[string(key)]; f == nil {
			err = t.skip(0)
		} else if t.peek() == 'n' {
			err = t.word("null")
		} else if f.repeated {
			err = t.list(f)
		} else {
			err = t.value(f)
		}
		if err != nil {
			return err
		}
	}
}

func (t *transcoder) list(f *jsonField) error {
	if t.peek() != '[' {
		return t.misshapen("an array")
	}
	t.i++
	for first := true; ; {
		more, err := t.more(']', &first)
		if err != nil || !more {
			return err
		}
		if t.peek() != 'n' {
			err = t.value(f)
		} else if err = t.word("null"); f.present {
			t.out = wire.AppendBytes(t.out, f.num, "")
		}
		if err != nil {
			return err
		}
	}
}

func (t *transcoder) value(f *jsonField) error {
	switch f.kind {
	case messageKind:
		return t.nested(f)
	case spanKind:
		return t.span(f)
	case textKind, hexKind, base64Kind:
		return t.bytes(f)
	case boolKind:
		return t.bool(f)
	}
	return t.numeric(f)
}

// span reads a span. One that does not fit becomes bytes that are no message.
func (t *transcoder) span(f *jsonField) error {
	from, to, depth := t.i, len(t.out), t.depth
	err := t.nested(f)
	if _, misshapen := errors.AsType[*shapeError](err); misshapen && !t.strict {
		t.i, t.out, t.depth = from, t.out[:to], depth
		t.out = wire.AppendBytes(t.out, f.num, "\x07")
		return t.skip(0)
	}
	return err
}

// nested reads a message in a message. Its length is only known at its end, so that a long one is moved then.
func (t *transcoder) nested(f *jsonField) error {
	t.out = append(wire.AppendVarint(t.out, uint64(f.num)<<3|wire.Bytes), 0)
	from := len(t.out)
	if err := t.message(f.message); err != nil {
		return err
	}
	n := len(t.out) - from
	if more := wire.SizeVarint(uint64(n)) - 1; more > 0 {
		t.out = append(t.out, make([]byte, more)...)
		copy(t.out[from+more:], t.out[from:from+n])
	}
	wire.AppendVarint(t.out[:from-1], uint64(n))
	return nil
}

// bytes reads what is a string in JSON and has a length in protobuf.
func (t *transcoder) bytes(f *jsonField) error {
	if t.peek() != '"' {
		return t.misshapen("a string")
	}
	s, err := t.text()
	if err != nil {
		return err
	}
	if len(s) == 0 && !f.present && !f.repeated {
		return nil
	}
	switch f.kind {
	case hexKind:
		// Of any length: which are ids is decided where those of other requests are.
		t.out = wire.AppendVarint(wire.AppendVarint(t.out, uint64(f.num)<<3|wire.Bytes), uint64(len(s)/2))
		for i := 0; i < len(s); i += 2 {
			high, ok := hexDigit(s[i])
			if !ok || i+1 == len(s) {
				return t.misshapen("an id in hexadecimal digits")
			}
			low, ok := hexDigit(s[i+1])
			if !ok {
				return t.misshapen("an id in hexadecimal digits")
			}
			t.out = append(t.out, high<<4|low)
		}
		return nil
	case base64Kind:
		text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(string(s), "="))
		if s, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return t.misshapen("base64")
		}
	}
	t.out = wire.AppendBytes(t.out, f.num, s)
	return nil
}

func (t *transcoder) bool(f *jsonField) error {
	switch t.peek() {
	case 't':
		t.out = wire.AppendUint(t.out, f.num, 1)
		return t.word("true")
	case 'f':
		t.out = wire.AppendUint(t.out, f.num, 0)
		return t.word("false")
	}
	return t.misshapen("true or false")
}

// numeric reads a number, which may be in quotes.
func (t *transcoder) numeric(f *jsonField) error {
	var s []byte
	var err error
	switch c := t.peek(); {
	case c == '"':
		s, err = t.text()
	case c == '-' || c-'0' < 10:
		s, err = t.number()
	default:
		return t.misshapen("a number")
	}
	if err != nil {
		return err
	}
	if f.kind == doubleKind {
		v, err := strconv.ParseFloat(string(s), 64) // knows NaN and Infinity, too
		if err != nil {
			return t.misshapen("a number")
		}
		t.out = wire.AppendFixed64(t.out, f.num, math.Float64bits(v))
		return nil
	}
	n, ok := whole(s, f)
	if !ok {
		return t.misshapen("an integer in range")
	}
	if n == 0 && !f.present {
		return nil
	}
	switch f.kind {
	case fixed64Kind:
		t.out = wire.AppendFixed64(t.out, f.num, n)
	case fixed32Kind:
		t.out = wire.AppendFixed32(t.out, f.num, uint32(n))
	default:
		t.out = wire.AppendUint(t.out, f.num, n)
	}
	return nil
}

// whole gives the integer that s is for the field, as it is encoded. It may be written like 1.5e3.
func whole(s []byte, f *jsonField) (uint64, bool) {
	if v, ok := f.names[string(s)]; ok {
		return uint64(v), true
	}
	if f.kind == fixed64Kind {
		if v, err := strconv.ParseUint(string(s), 10, 64); err == nil {
			return v, true
		}
	} else if v, err := strconv.ParseInt(string(s), 10, 64); err == nil {
		return uint64(v), inRange(v, f.kind)
	}
	v, err := strconv.ParseFloat(string(s), 64)
	if err != nil || v != math.Trunc(v) || v >= 1<<63 || v < -1<<63 || v < 0 && f.kind == fixed64Kind {
		return 0, false
	}
	return uint64(int64(v)), inRange(int64(v), f.kind)
}

func inRange(v int64, k kind) bool {
	switch k {
	case uint32Kind, fixed32Kind:
		return v >= 0 && v <= math.MaxUint32
	case enumKind:
		return v >= math.MinInt32 && v <= math.MaxInt32
	}
	return true
}
