package propagation

import "bytes"

// The keys of x-b3-*, in the order of the row.
const (
	b3Trace = iota
	b3Span
	b3Parent
	b3Sampled
	b3Flags
)

// b3MultiHeader takes one x-b3-* header. Headers come in any order, so nothing is decided before b3MultiSettle.
func b3MultiHeader(st *state, key int, value []byte) {
	st.reason = Incomplete
	if st.has(key) { // "the first value wins"
		return
	}
	b := firstValue(value)
	switch key {
	case b3Trace:
		st.ctx.Trace, st.fields[key] = parseTraceID(b, lowerCase)
	case b3Span:
		st.ctx.Span, st.fields[key] = parseSpanID(b, lowerCase)
	case b3Parent:
		st.ctx.Parent, _ = parseSpanID(b, lowerCase) // "-", an empty or a bad one is no parent, and spoils nothing else
	case b3Sampled:
		decision, reason := parseB3Sampled(b)
		if st.fields[key] = reason; st.ctx.Decision != Debug {
			st.ctx.Decision = decision
		}
	case b3Flags:
		if string(b) == "1" { // "any other value can be ignored"
			st.ctx.Decision = Debug
		}
	}
}

func b3MultiSettle(st *state) {
	st.reason = b3MultiReason(st)
	st.ctx = b3Context(st.ctx, st.reason)
}

func b3MultiReason(st *state) Reason {
	// Debug wins over x-b3-sampled, also over one that makes no sense.
	badSampled := st.fields[b3Sampled] != Valid && st.ctx.Decision != Debug
	switch hasTrace, hasSpan := st.has(b3Trace), st.has(b3Span); {
	case hasTrace != hasSpan:
		return Incomplete
	case !hasTrace && badSampled:
		return BadSampled
	case !hasTrace && st.ctx.Decision != Deferred:
		return NoIDs
	case !hasTrace && st.has(b3Parent):
		return Incomplete
	case !hasTrace:
		return Absent
	case st.fields[b3Trace] != Valid:
		return st.fields[b3Trace]
	case st.fields[b3Span] != Valid:
		return st.fields[b3Span]
	case badSampled:
		return BadSampled
	}
	return Valid
}

// parseB3Sampled takes x-b3-sampled. "true" and "false" are what tracers wrote before the specification.
func parseB3Sampled(b []byte) (Decision, Reason) {
	switch string(b) {
	case "1", "true":
		return Sampled, Valid
	case "0", "false":
		return NotSampled, Valid
	}
	return Deferred, BadSampled
}

func b3SingleHeader(st *state, key int, value []byte) {
	if st.has(key) { // "the first value wins"
		return
	}
	ctx, reason := parseB3Single(firstValue(value))
	st.ctx, st.reason = b3Context(ctx, reason), reason
}

// parseB3Single takes {trace}-{span}, {trace}-{span}-{state}, {trace}-{span}-{state}-{parent}, or {state} alone.
func parseB3Single(b []byte) (ctx Context, reason Reason) {
	var parts [4][]byte
	n := 0
	for rest, more := b, true; more; n++ {
		if n == len(parts) {
			return Context{}, BadLayout
		}
		parts[n], rest, more = bytes.Cut(rest, []byte{'-'})
	}
	switch {
	case len(b) == 0:
		return Context{}, BadLength
	case n == 1 && len(b) == 1:
		if ctx.Decision, reason = parseB3State(b); reason == Valid {
			reason = NoIDs
		}
		return ctx, reason
	case n == 1, len(parts[n-1]) == 0: // a trace id alone, a trailing dash
		return Context{}, BadLayout
	}
	if ctx.Trace, reason = parseTraceID(parts[0], lowerCase); reason != Valid {
		return Context{}, reason
	}
	if ctx.Span, reason = parseSpanID(parts[1], lowerCase); reason != Valid {
		return Context{}, reason
	}
	if n > 2 {
		if len(parts[2]) != 1 { // no state, as in {trace}-{span}-{parent}
			return Context{}, BadLayout
		}
		if ctx.Decision, reason = parseB3State(parts[2]); reason != Valid {
			return Context{}, reason
		}
	}
	if n > 3 {
		ctx.Parent, _ = parseSpanID(parts[3], lowerCase) // a bad one is no parent, and spoils nothing else
	}
	return ctx, Valid
}

func parseB3State(b []byte) (Decision, Reason) {
	switch string(b) {
	case "1":
		return Sampled, Valid
	case "0":
		return NotSampled, Valid
	case "d":
		return Debug, Valid
	}
	return Deferred, BadSampled
}

// b3Context completes a valid ctx, leaves one that is a decision alone, and empties all others.
func b3Context(ctx Context, reason Reason) Context {
	switch reason {
	case Valid:
	case NoIDs:
		return ctx
	default:
		return Context{}
	}
	ctx.complete()
	return ctx
}
