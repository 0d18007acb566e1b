package propagation

import "bytes"

// version "-" trace-id "-" parent-id "-" trace-flags: 2, 32, 16 and 2 lower hex digits (W3C Trace Context, traceparent)
const traceParentLen = 55

func traceParentHeader(st *state, key int, value []byte) {
	if st.has(key) {
		st.ctx, st.reason = Context{}, Duplicate
		return
	}
	if st.reason = parseTraceParent(&st.ctx, value); st.reason != Valid {
		st.ctx = Context{}
	}
}

// parseTraceParent fills ctx, which means something only when the reason is Valid.
func parseTraceParent(ctx *Context, value []byte) (reason Reason) {
	// Two headers, joined by Envoy: the specification wants neither of them.
	if bytes.IndexByte(value, ',') >= 0 {
		return Duplicate
	}
	b := trim(value)
	if len(b) < 3 {
		return BadLength
	}
	var version, flags [1]byte
	if decodeHex(version[:], b)&lowerCase != 0 || b[2] != '-' || version[0] == 0xff {
		return BadVersion
	}
	switch {
	case len(b) < traceParentLen, version[0] == 0 && len(b) > traceParentLen:
		return BadLength
	case b[35] != '-', b[52] != '-':
		return BadLayout
	case len(b) > traceParentLen && b[traceParentLen] != '-': // a later version may go on, after a dash
		return BadLayout
	}
	if ctx.Trace, reason = parseTraceID(b[3:35], lowerCase); reason != Valid {
		return reason
	}
	if ctx.Span, reason = parseSpanID(b[36:52], lowerCase); reason != Valid {
		return reason
	}
	if decodeHex(flags[:], b[53:55])&lowerCase != 0 {
		return BadFlags
	}
	// A bit field: bits without a meaning are ignored, never refused.
	ctx.Flags = flags[0] & (FlagSampled | FlagRandom)
	ctx.Decision = NotSampled
	if ctx.Flags&FlagSampled != 0 {
		ctx.Decision = Sampled
	}
	return Valid
}
