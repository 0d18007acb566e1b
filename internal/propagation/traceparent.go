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
	// Two headers, joined by Envoy: the specification wants neither of them. One that is as long as it should be can only
	// be broken in another way, too.
	if len(value) != traceParentLen && bytes.IndexByte(value, ',') >= 0 {
		return Duplicate
	}
	b := trim(value)
	if len(b) < 3 {
		return BadLength
	}
	version, ok := hexByte(b)
	if !ok || b[2] != '-' || version == 0xff {
		return BadVersion
	}
	switch {
	case len(b) < traceParentLen, version == 0 && len(b) > traceParentLen:
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
	flags, ok := hexByte(b[53:])
	if !ok {
		return BadFlags
	}
	// A bit field: bits without a meaning are ignored, never refused.
	ctx.Flags = flags & (FlagSampled | FlagRandom)
	ctx.Decision = NotSampled
	if ctx.Flags&FlagSampled != 0 {
		ctx.Decision = Sampled
	}
	return Valid
}

// hexByte gives the value of two lower-case digits.
func hexByte(b []byte) (byte, bool) {
	high, low := hexDigits[b[0]], hexDigits[b[1]]
	return high<<4 | low&0x0f, (high|low)&lowerCase == 0
}
