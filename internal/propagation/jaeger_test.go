package propagation

import (
	"strings"
	"testing"
)

// Vectors of opentelemetry-go-contrib propagators/jaeger (jaeger_data_test.go), except that a trace id of 19 digits is a short one here, as
// the documentation of Jaeger's clients has it; the others follow from that documentation.
func TestJaeger(t *testing.T) {
	ids := contribTrace + ":" + contribSpan
	value := func(v string) []string { return []string{"uber-trace-id", v} }
	good := func(name, v string, d Decision, parent string) formatTest {
		return formatTest{name, value(v), Valid, contribTrace, contribSpan, parent, d}
	}
	bad := func(name, v string, r Reason) formatTest { return formatTest{name: name, headers: value(v), reason: r} }
	runFormat(t, Jaeger, []formatTest{
		good("not sampled", ids+":0:0", NotSampled, ""),
		good("sampled", ids+":0:1", Sampled, ""),
		good("debug", ids+":0:3", Debug, ""),
		good("debug without sampled", ids+":0:2", NotSampled, ""),
		good("flags of any length", ids+":0:00001", Sampled, ""),
		good("flags in hex", ids+":0:ff", Debug, ""),
		good("flags, higher bits alone", ids+":0:FC", NotSampled, ""),
		good("parent of no meaning", ids+":whatever:1", Sampled, ""),
		good("parent", ids+":"+parentHex+":1", Sampled, parentHex),
		good("short parent", ids+":7:1", Sampled, "0000000000000007"),
		good("parent zero", ids+":"+zeroSpan+":1", Sampled, ""),
		good("parent empty", ids+"::1", Sampled, ""),
		good("parent is the span", ids+":"+contribSpan+":1", Sampled, ""),
		good("span without leading zeros", contribTrace+":f067aa0ba902b7:0:1", Sampled, ""),
		good("upper case", strings.ToUpper(ids)+":0:1", Sampled, ""),
		good("percent-encoded", strings.ReplaceAll(ids+":0:1", ":", "%3A"), Sampled, ""),
		good("percent-encoded, lower case", strings.ReplaceAll(ids+":"+parentHex+":3", ":", "%3a"), Debug, parentHex),
		good("white space", " "+ids+":0:1\t", Sampled, ""),
		good("repeated, the first counts", ids+":0:1,1:2:0:0", Sampled, ""),
		{"two calls, the first counts", []string{"uber-trace-id", ids + ":0:0", "uber-trace-id", "1:2:0:1"}, Valid, contribTrace, contribSpan, "", NotSampled},
		{"64 bits", value(contribShort + ":" + contribSpan + ":0:1"), Valid, zeroSpan + contribShort, contribSpan, "", Sampled},
		{"short ids", value("1:2:0:1"), Valid, zeroTrace[:31] + "1", zeroSpan[:15] + "2", "", Sampled},
		{"19 digits", value("1234567890abcd01234:" + contribSpan + ":0:1"), Valid, zeroTrace[:13] + "1234567890abcd01234", contribSpan, "", Sampled},

		bad("empty", "", BadLength),
		bad("trace of 36", contribTrace+"0000:"+contribSpan+":0:1", BadLength),
		bad("trace empty", ":"+contribSpan+":0:1", BadLength),
		bad("span of 20", ids+"0000:0:1", BadLength),
		bad("span empty", contribTrace+"::0:1", BadLength),
		bad("trace not hex", "zcd00v0000000000a3ce929d0e0e4736:"+contribSpan+":0:1", BadHex),
		bad("span not hex", contribTrace+":00f0wiredba902b7:0:1", BadHex),
		bad("trace zero", "0:"+contribSpan+":0:1", ZeroID),
		bad("span zero", contribTrace+":0:0:1", ZeroID),
		bad("flags", ids+":0:wired", BadFlags),
		bad("flags empty", ids+":0:", BadFlags),
		bad("other separator", strings.ReplaceAll(ids+":0:1", ":", "-"), BadLayout),
		bad("three parts", ids+":0", BadLayout),
		bad("five parts", ids+":0:1:", BadLayout),
		bad("half an escape", contribTrace+"%3", BadLayout),
		{name: "two calls, the first is bad", headers: []string{"uber-trace-id", "x", "uber-trace-id", ids + ":0:1"}, reason: BadLayout},
		{name: "another header", headers: []string{"uber-trace-idnot", ids + ":0:1"}, reason: Absent},
	})
}
