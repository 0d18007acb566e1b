package propagation

import "encoding/binary"

// parseLightStep takes the base64 of a protobuf message (LightStep's lightstep.proto):
//
//	message BinaryCarrier { BasicTracerCarrier basic_ctx = 2; }
//	message BasicTracerCarrier { fixed64 trace_id = 1; fixed64 span_id = 2; bool sampled = 3; map<string, string> baggage_items = 4; }
func parseLightStep(ctx *Context, b []byte) Reason {
	var room [maxBinary]byte
	carrier, reason := decodeBase64(&room, b)
	if reason != Valid {
		return reason
	}
	ctx.Decision = NotSampled // what is false is not written
	for len(carrier) > 0 {
		f, rest, ok := cutField(carrier)
		if carrier = rest; !ok {
			return BadLayout
		}
		for basic := f.bytes; f.tag == 2<<3|2 && len(basic) > 0; {
			f, rest, ok := cutField(basic)
			if basic = rest; !ok {
				return BadLayout
			}
			switch f.tag {
			case 1<<3 | 1:
				binary.BigEndian.PutUint64(ctx.Trace[8:], f.number)
			case 2<<3 | 1:
				binary.BigEndian.PutUint64(ctx.Span[:], f.number)
			case 3 << 3:
				if ctx.Decision = NotSampled; f.number != 0 {
					ctx.Decision = Sampled
				}
			}
		}
	}
	if ctx.Trace.IsZero() || ctx.Span.IsZero() {
		return ZeroID
	}
	return Valid
}

// field is a field of a protobuf message: its number and type, and what it is.
type field struct {
	tag    uint64
	number uint64
	bytes  []byte
}

// cutField gives the first field of a message and what follows it, false if there is none.
func cutField(b []byte) (f field, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 >= 1<<29 { // the largest field number
		return f, nil, false
	}
	f.tag, b = tag, b[n:]
	switch tag & 7 {
	case 0:
		if f.number, n = binary.Uvarint(b); n <= 0 {
			return f, nil, false
		}
	case 1:
		if n = 8; len(b) < n {
			return f, nil, false
		}
		f.number = binary.LittleEndian.Uint64(b)
	case 2:
		size, at := binary.Uvarint(b)
		if at <= 0 || size > uint64(len(b)-at) {
			return f, nil, false
		}
		n = at + int(size)
		f.bytes = b[at:n]
	case 5:
		if n = 4; len(b) < n {
			return f, nil, false
		}
	default:
		return f, nil, false
	}
	return f, b[n:], true
}
