package propagation

// parseJaeger takes {trace}:{span}:{parent}:{flags} (jaeger-client libraries, "Propagation Format"): ids of up to 32 and 16 hex digits, which
// may be short; a colon may have become %3A on the way. The parent is 0 where there is none, and clients write what they like
// since it is deprecated.
func parseJaeger(ctx *Context, b []byte) (reason Reason) {
	var parts [4][]byte
	n := 0
	for rest, more := b, true; more; n++ {
		if n == len(parts) {
			return BadLayout
		}
		parts[n], rest, more = cutColon(rest)
	}
	switch {
	case len(b) == 0:
		return BadLength
	case n != len(parts):
		return BadLayout
	}
	if ctx.Trace, reason = parseShortTraceID(parts[0]); reason != Valid {
		return reason
	}
	if ctx.Span, reason = parseShortSpanID(parts[1]); reason != Valid {
		return reason
	}
	ctx.Parent, _ = parseShortSpanID(parts[2])
	ctx.Decision, reason = parseJaegerFlags(parts[3])
	return reason
}

// cutColon is bytes.Cut at the first colon, be it percent-encoded.
func cutColon(b []byte) (before, after []byte, found bool) {
	for i, c := range b {
		switch {
		case c == ':':
			return b[:i], b[i+1:], true
		case c == '%' && i+2 < len(b) && b[i+1] == '3' && b[i+2]|0x20 == 'a':
			return b[:i], b[i+3:], true
		}
	}
	return b, nil, false
}

// parseJaegerFlags takes any number of hex digits. Bit 0 is sampled; bit 1 is debug, which means nothing without it.
func parseJaegerFlags(b []byte) (Decision, Reason) {
	seen, last := byte(0), byte(0)
	for _, c := range b {
		last = hexDigits[c]
		seen |= last
	}
	switch {
	case len(b) == 0 || seen&anyCase != 0:
		return Deferred, BadFlags
	case last&3 == 3:
		return Debug, Valid
	case last&1 != 0:
		return Sampled, Valid
	}
	return NotSampled, Valid
}
