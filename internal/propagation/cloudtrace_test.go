package propagation

import (
	"strings"
	"testing"
)

// Vectors of lightstep-tracer-cpp (cloud_trace_propagation_test.cpp), opentelemetry-operations-go propagator and Google's documentation. A
// value without options is left open here, as Google has it, where LightStep's tracer takes it for sampled.
func TestCloudTrace(t *testing.T) {
	const trace, span = "aef5705a090040838f1359ebafa5c0c6", "aef5705a09004083"
	value := func(v string) []string { return []string{"x-cloud-trace-context", v} }
	good := func(name, v, span string, d Decision) formatTest {
		return formatTest{name, value(v), Valid, trace, span, "", d}
	}
	bad := func(name, v string, r Reason) formatTest { return formatTest{name: name, headers: value(v), reason: r} }
	runFormat(t, CloudTrace, []formatTest{
		good("sampled", trace+"/12607106263893950595;o=1", span, Sampled),
		good("not sampled", trace+"/12607106263893950595;o=0", span, NotSampled),
		good("no options", trace+"/12607106263893950595", span, Deferred),
		good("short span", trace+"/123", "000000000000007b", Deferred),
		good("trace alone", trace, "", Deferred),
		good("trace and options", trace+";o=1", "", Sampled),
		good("span empty", trace+"/;o=1", "", Sampled),
		good("span 0", trace+"/0;o=0", "", NotSampled),
		good("options are bits", trace+"/123;o=3", "000000000000007b", Sampled),
		good("other bits", trace+"/123;o=2", "000000000000007b", NotSampled),
		good("upper case", strings.ToUpper(trace)+"/123;o=1", "000000000000007b", Sampled),
		good("white space", " "+trace+"/123 ; o=1 ", "000000000000007b", Sampled),
		good("repeated, the first counts", trace+"/123;o=1,"+trace+"/5;o=0", "000000000000007b", Sampled),
		{"Google's documentation", value("105445aa7843bc8bf206b12000100000/1;o=1"), Valid, "105445aa7843bc8bf206b12000100000", "0000000000000001", "", Sampled},
		{"opentelemetry-operations-go", value("d36a105d7002f0dee73c0dfb9553764a/139592093"), Valid, "d36a105d7002f0dee73c0dfb9553764a", "000000000852019d", "", Deferred},

		bad("options", trace+"/12607106263893950595;__0", BadFlags),
		bad("options empty", trace+"/1;", BadFlags),
		bad("options without a number", trace+"/1;o=", BadFlags),
		bad("options not a number", trace+"/1;o=x", BadFlags),
		bad("separator", trace+"_1", BadLayout),
		bad("span out of range", trace+"/99999999999999999999", BadDecimal),
		bad("span in hex", trace+"/"+span, BadDecimal),
		bad("span of 21 digits", trace+"/000000000000000000001", BadLength),
		bad("trace too short", "AABB0011", BadLength),
		bad("trace not hex", strings.Repeat("x", 32), BadHex),
		bad("trace zero", zeroTrace+"/1;o=1", ZeroID),
		bad("empty", "", BadLength),
	})
}
