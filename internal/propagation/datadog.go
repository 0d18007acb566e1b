package propagation

import "bytes"

// The keys of x-datadog-*, in the order of the row (dd-trace-go, ddtrace/tracer/textmap.go).
const (
	ddTrace = iota
	ddParent
	ddPriority
	ddTags
	ddOrigin
)

// datadogHeader takes one x-datadog-* header. Ids are decimal numbers of 64 bits; the upper half of the trace id is a tag.
func datadogHeader(st *state, key int, value []byte) {
	st.reason = Incomplete
	if st.has(key) {
		return
	}
	b := firstValue(value)
	switch key {
	case ddTrace:
		var low SpanID
		low, st.fields[key] = parseDecimal(b)
		copy(st.ctx.Trace[8:], low[:])
	case ddParent:
		st.ctx.Span, st.fields[key] = parseDecimal(b)
	case ddPriority:
		st.ctx.Decision = datadogPriority(b)
	case ddTags:
		upper := datadogUpper(value) // the commas are its own
		copy(st.ctx.Trace[:8], upper[:])
	case ddOrigin:
		if string(b) != "synthetics" {
			st.fields[key] = Absent
		}
	}
}

func datadogSettle(st *state) {
	if st.reason = datadogReason(st); st.reason != Valid {
		st.ctx = Context{}
	}
	st.ctx.complete()
}

func datadogReason(st *state) Reason {
	// A synthetic test begins a trace without being a span of it.
	rootless := st.has(ddOrigin) && st.fields[ddOrigin] == Valid
	switch hasTrace, hasParent := st.has(ddTrace), st.has(ddParent); {
	case !hasTrace && !hasParent:
		return Absent
	case !hasTrace || !hasParent && !rootless:
		return Incomplete
	case st.fields[ddTrace] != Valid:
		return st.fields[ddTrace]
	case st.fields[ddParent] != Valid:
		return st.fields[ddParent]
	case st.ctx.Trace.IsZero() || st.ctx.Span.IsZero() && !rootless:
		return ZeroID
	}
	return Valid
}

// datadogPriority takes a whole number: those above 0 keep the trace. What is none says nothing.
func datadogPriority(b []byte) Decision {
	digits, negative := bytes.CutPrefix(b, []byte{'-'})
	positive := false
	for _, c := range digits {
		if c < '0' || c > '9' {
			return Deferred
		}
		positive = positive || c != '0'
	}
	switch {
	case len(digits) == 0:
		return Deferred
	case positive && !negative:
		return Sampled
	}
	return NotSampled
}

// datadogUpper gives the upper half of the trace id from the tags, zero when it is not there or is not 16 lower-case hex digits.
func datadogUpper(tags []byte) SpanID {
	for rest, more := tags, true; more; {
		var tag []byte
		tag, rest, more = bytes.Cut(rest, []byte{','})
		if digits, ok := bytes.CutPrefix(trim(tag), []byte("_dd.p.tid=")); ok {
			upper, _ := parseSpanID(digits, lowerCase)
			return upper
		}
	}
	return SpanID{}
}
