package propagation

// The keys of ot-tracer-*, in the order of the row (OpenTracing's basictracer, LightStep's tracers, OpenTelemetry's propagator "ottrace").
const (
	otTrace = iota
	otSpan
	otSampled
)

// otTracerHeader takes one ot-tracer-* header. Tracers write ids without leading zeros.
func otTracerHeader(st *state, key int, value []byte) {
	st.reason = Incomplete
	if st.has(key) {
		return
	}
	b := firstValue(value)
	switch key {
	case otTrace:
		st.ctx.Trace, st.fields[key] = parseShortTraceID(b)
		if len(b) > 16 && len(b) < 32 { // an id of 64 bits, or a whole one
			st.fields[key] = BadLength
		}
	case otSpan:
		st.ctx.Span, st.fields[key] = parseShortSpanID(b)
	case otSampled:
		st.ctx.Decision, st.fields[key] = parseB3Sampled(b)
	}
}

func otTracerSettle(st *state) {
	st.reason = otTracerReason(st)
	st.ctx = b3Context(st.ctx, st.reason)
}

func otTracerReason(st *state) Reason {
	switch hasTrace, hasSpan := st.has(otTrace), st.has(otSpan); {
	case hasTrace != hasSpan:
		return Incomplete
	case hasTrace && st.fields[otTrace] != Valid:
		return st.fields[otTrace]
	case hasTrace && st.fields[otSpan] != Valid:
		return st.fields[otSpan]
	case st.fields[otSampled] != Valid:
		return BadSampled
	case !hasTrace:
		return NoIDs
	}
	return Valid
}
