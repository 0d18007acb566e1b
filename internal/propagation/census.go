package propagation

// parseCensus takes the base64 of a version, 0, and fields: 0 and a trace id of 16 bytes, 1 and a span id of 8, 2 and one byte of options,
// of which bit 0 is sampled (OpenCensus, encodings/BinaryEncoding.md). Reading ends at the first field that is not known.
func parseCensus(ctx *Context, b []byte) Reason {
	var room [maxBinary]byte
	rest, reason := decodeBase64(&room, b)
	switch {
	case reason != Valid:
		return reason
	case rest[0] != 0:
		return BadVersion
	}
	var seen byte
	for rest = rest[1:]; len(rest) > 0 && rest[0] <= 2; {
		id, size := rest[0], [...]int{16, 8, 1}[rest[0]]
		if len(rest) < 1+size {
			return BadLength
		}
		switch value := rest[1 : 1+size]; id {
		case 0:
			copy(ctx.Trace[:], value)
		case 1:
			copy(ctx.Span[:], value)
		case 2:
			if ctx.Decision = NotSampled; value[0]&1 != 0 {
				ctx.Decision = Sampled
			}
		}
		seen, rest = seen|1<<id, rest[1+size:]
	}
	switch {
	case seen&3 != 3:
		return Incomplete
	case ctx.Trace.IsZero() || ctx.Span.IsZero():
		return ZeroID
	}
	return Valid
}
