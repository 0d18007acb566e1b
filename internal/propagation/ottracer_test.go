package propagation

import (
	"testing"
)

// Vectors of opentelemetry-go-contrib propagators/ot (ot_data_test.go). Tracers write ids without leading zeros, so short ones are valid.
func TestOTTracer(t *testing.T) {
	const trace, span, sampled = "ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"
	ids := []string{trace, contribTrace, span, contribSpan}
	with := func(more ...string) []string { return append(append([]string{}, ids...), more...) }
	good := func(name string, d Decision, more ...string) formatTest {
		return formatTest{name, with(more...), Valid, contribTrace, contribSpan, "", d}
	}
	bad := func(name string, r Reason, headers ...string) formatTest {
		return formatTest{name: name, headers: headers, reason: r}
	}
	runFormat(t, OTTracer, []formatTest{
		good("ids alone", Deferred),
		good("0", NotSampled, sampled, "0"),
		good("1", Sampled, sampled, "1"),
		good("false", NotSampled, sampled, "false"),
		good("true", Sampled, sampled, "true"),
		good("baggage", Sampled, sampled, "1", "ot-baggage-test", "value123"),
		good("first of repeated", Sampled, sampled, "true,false", span, "1"),
		{"64 bits", []string{trace, contribShort, span, contribSpan, sampled, "true"}, Valid, zeroSpan + contribShort, contribSpan, "", Sampled},
		{"short ids", []string{sampled, "true", span, "f067aa0ba902b7", trace, "5"}, Valid, zeroTrace[:31] + "5", contribSpan, "", Sampled},
		{name: "a decision alone", headers: []string{sampled, "true"}, reason: NoIDs, decision: Sampled},
		{name: "a denial alone", headers: []string{sampled, "false"}, reason: NoIDs, decision: NotSampled},

		bad("trace of 36", BadLength, trace, contribTrace+"0000", span, contribSpan, sampled, "1"),
		bad("trace of 19", BadLength, trace, "1234567890abcd01234", span, contribSpan, sampled, "1"),
		bad("span of 20", BadLength, trace, contribTrace, span, contribSpan+"0000", sampled, "1"),
		bad("trace not hex", BadHex, trace, "zcd00v0000000000a3ce929d0e0e4736", span, contribSpan, sampled, "1"),
		bad("span not hex", BadHex, trace, contribTrace, span, "00f0wiredba902b7", sampled, "1"),
		bad("sampled", BadSampled, with(sampled, "wired")...),
		bad("sampled alone", BadSampled, sampled, "wired"),
		bad("trace empty", Incomplete, trace, ""),
		bad("trace without span", Incomplete, trace, contribTrace, sampled, "1"),
		bad("span without trace", Incomplete, span, contribSpan),
		bad("trace zero", ZeroID, trace, "0", span, contribSpan),
		bad("span zero", ZeroID, trace, contribTrace, span, zeroSpan),
		bad("both empty", BadLength, trace, "", span, ""),
	})
}
