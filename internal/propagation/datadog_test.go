package propagation

import (
	"testing"
)

// The ids and tags of DataDog/system-tests tests/parametric/test_128_bit_traceids.py; the rest by dd-trace-go ddtrace/tracer/textmap.go.
func TestDatadog(t *testing.T) {
	const (
		trace, parent, priority, tags, origin = "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags", "x-datadog-origin"
		low, span, high                       = "112210f47de98115", "000000003ade68b1", "640cfd8d00000000" // 1234567890123456789, 987654321
	)
	ids := []string{trace, "1234567890123456789", parent, "987654321"}
	with := func(more ...string) []string { return append(append([]string{}, ids...), more...) }
	good := func(name, upper string, d Decision, more ...string) formatTest {
		return formatTest{name, with(more...), Valid, upper + low, span, "", d}
	}
	bad := func(name string, r Reason, headers ...string) formatTest {
		return formatTest{name: name, headers: headers, reason: r}
	}
	runFormat(t, Datadog, []formatTest{
		good("64 bits", zeroSpan, Deferred),
		good("128 bits", high, Deferred, tags, "_dd.p.tid="+high),
		good("128 bits, among tags", high, Sampled, tags, "_dd.p.dm=-4, _dd.p.tid="+high+",k=v", priority, "1"),
		good("upper half too long", zeroSpan, Deferred, tags, "_dd.p.tid=1234567890abcdef1"),
		good("upper half too short", zeroSpan, Deferred, tags, "_dd.p.tid=1234567890abcde"),
		good("upper half not hex", zeroSpan, Deferred, tags, "_dd.p.tid=1234567890abcdeX"),
		good("upper half in upper case", zeroSpan, Deferred, tags, "_dd.p.tid=640CFD8D00000000"),
		good("another tag", zeroSpan, Deferred, tags, "x_dd.p.tid="+high+",_dd.p.tid2=1"),
		good("empty tags", zeroSpan, Deferred, tags, ""),
		good("kept by the sampler", zeroSpan, Sampled, priority, "1"),
		good("kept by the user", zeroSpan, Sampled, priority, "2"),
		good("dropped by the sampler", zeroSpan, NotSampled, priority, "0"),
		good("dropped by the user", zeroSpan, NotSampled, priority, "-1"),
		good("priority of no meaning", zeroSpan, Deferred, priority, "keep"),
		good("priority empty", zeroSpan, Deferred, priority, ""),
		good("priority dash", zeroSpan, Deferred, priority, "-"),
		good("priority with a fraction", zeroSpan, Deferred, priority, "1.5"),
		good("origin", zeroSpan, Deferred, origin, "rum"),
		good("first of repeated", zeroSpan, Sampled, priority, "1,0", trace, "5", priority, "0"),
		{"synthetic test, parent 0", []string{trace, "1234567890123456789", parent, "0", origin, "synthetics", priority, "1"}, Valid, zeroSpan + low, "", "", Sampled},
		{"synthetic test without parent", []string{trace, "1234567890123456789", origin, "synthetics"}, Valid, zeroSpan + low, "", "", Deferred},
		{"synthetic test with a parent", with(origin, "synthetics"), Valid, zeroSpan + low, span, "", Deferred},
		{"largest", []string{trace, "18446744073709551615", parent, "18446744073709551615"}, Valid, zeroSpan + "ffffffffffffffff", "ffffffffffffffff", "", Deferred},
		{"lower half zero", []string{trace, "0", parent, "1", tags, "_dd.p.tid=" + high}, Valid, high + zeroSpan, zeroSpan[:15] + "1", "", Deferred},
		{"leading zeros", []string{trace, "0005", parent, "007"}, Valid, zeroTrace[:31] + "5", zeroSpan[:15] + "7", "", Deferred},
		{"white space", []string{trace, " 5\t", parent, " 7"}, Valid, zeroTrace[:31] + "5", zeroSpan[:15] + "7", "", Deferred},

		bad("parent 0", ZeroID, trace, "5", parent, "0"),
		bad("parent 0, another origin", ZeroID, trace, "5", parent, "0", origin, "rum"),
		bad("trace 0", ZeroID, trace, "0", parent, "5"),
		bad("trace alone", Incomplete, trace, "5"),
		bad("parent alone", Incomplete, parent, "5", priority, "1"),
		bad("trace too large", BadDecimal, trace, "18446744073709551616", parent, "5"),
		bad("trace far too large", BadDecimal, trace, "99999999999999999999", parent, "5"),
		bad("trace of 21 digits", BadLength, trace, "000000000000000000005", parent, "5"),
		bad("trace empty", BadLength, trace, "", parent, "5"),
		bad("trace in hex", BadDecimal, trace, "5f", parent, "5"),
		bad("parent negative", BadDecimal, trace, "5", parent, "-5"),
		bad("parent too large", BadDecimal, trace, "5", parent, "18446744073709551616"),
		bad("priority alone", Absent, priority, "1"),
		bad("tags and origin alone", Absent, tags, "_dd.p.tid="+high, origin, "synthetics"),
	})
}
