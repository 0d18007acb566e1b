package propagation

import "bytes"

// parseCloudTrace takes {32 hex}/{span, decimal};o={options} (Google Cloud Trace, X-Cloud-Trace-Context). Without a span, or with span
// 0, it names the trace alone. Bit 0 of the options asks for the trace to be kept.
func parseCloudTrace(ctx *Context, b []byte) (reason Reason) {
	ids, options, hasOptions := bytes.Cut(b, []byte{';'})
	ids = trim(ids)
	if len(ids) < 32 {
		return BadLength
	}
	if ctx.Trace, reason = parseTraceID(ids[:32], anyCase); reason != Valid {
		return reason
	}
	if span := ids[32:]; len(span) > 0 {
		if span[0] != '/' {
			return BadLayout
		}
		if len(span) > 1 {
			if ctx.Span, reason = parseDecimal(span[1:]); reason != Valid {
				return reason
			}
		}
	}
	if hasOptions {
		ctx.Decision, reason = parseCloudOptions(trim(options))
	}
	return reason
}

func parseCloudOptions(b []byte) (Decision, Reason) {
	digits, ok := bytes.CutPrefix(b, []byte("o="))
	if !ok || len(digits) == 0 {
		return Deferred, BadFlags
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return Deferred, BadFlags
		}
	}
	if digits[len(digits)-1]&1 != 0 {
		return Sampled, Valid
	}
	return NotSampled, Valid
}
