package propagation

import "bytes"

// parseXRay takes Root=1-{8 hex}-{24 hex};Parent={16 hex};Sampled={0, 1 or ?} in any order (AWS X-Ray, "Tracing header"). A load balancer
// that begins a trace writes Root alone. Other fields, such as Self and Lineage, are somebody else's.
func parseXRay(ctx *Context, b []byte) (reason Reason) {
	if len(b) == 0 {
		return BadLength
	}
	var root, parent bool
	for rest, more := b, true; more; {
		var field []byte
		field, rest, more = bytes.Cut(rest, []byte{';'})
		key, value, _ := bytes.Cut(trim(field), []byte{'='})
		switch string(trim(key)) {
		case "Root":
			if root {
				continue
			}
			if root = true; reason == Valid {
				ctx.Trace, reason = parseXRayRoot(trim(value))
			}
		case "Parent":
			if parent {
				continue
			}
			if parent = true; reason == Valid {
				ctx.Span, reason = parseSpanID(trim(value), anyCase)
			}
		case "Sampled":
			switch string(trim(value)) {
			case "1":
				ctx.Decision = Sampled
			case "0":
				ctx.Decision = NotSampled
			}
		}
	}
	switch {
	case root:
		return reason
	case parent:
		return Incomplete
	}
	return BadLayout
}

func parseXRayRoot(b []byte) (TraceID, Reason) {
	switch {
	case len(b) != 1+1+8+1+24:
		return TraceID{}, BadLength
	case b[0] != '1' || b[1] != '-':
		return TraceID{}, BadVersion
	case b[10] != '-':
		return TraceID{}, BadLayout
	}
	var digits [32]byte
	copy(digits[:8], b[2:])
	copy(digits[8:], b[11:])
	return parseTraceID(digits[:], anyCase)
}
