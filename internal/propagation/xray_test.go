package propagation

import (
	"strings"
	"testing"
)

// Vectors of opentelemetry-go-contrib propagators/aws/xray (propagator_test.go) and of AWS's documentation of X-Ray and of load balancers.
func TestXRay(t *testing.T) {
	const (
		root, trace = "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6", "8a3c60f7d188f8fa79d48a391a778fa6"
		span        = "53995c3f42cd8ad8"
		parent      = "Parent=" + span
	)
	value := func(v string) []string { return []string{"x-amzn-trace-id", v} }
	good := func(name, v, span string, d Decision) formatTest {
		return formatTest{name, value(v), Valid, trace, span, "", d}
	}
	bad := func(name, v string, r Reason) formatTest { return formatTest{name: name, headers: value(v), reason: r} }
	runFormat(t, XRay, []formatTest{
		good("not sampled", root+";"+parent+";Sampled=0", span, NotSampled),
		good("sampled", root+";"+parent+";Sampled=1", span, Sampled),
		good("asked", root+";"+parent+";Sampled=?", span, Deferred),
		good("sampling of no meaning", root+";"+parent+";Sampled=x", span, Deferred),
		good("no sampling", root+";"+parent, span, Deferred),
		good("any order", "Sampled=1;"+parent+";"+root, span, Sampled),
		good("white space", " "+root+" ; "+parent+" ;\tSampled = 1 ", span, Sampled),
		good("upper case digits", "Root=1-8A3C60F7-D188F8FA79D48A391A778FA6;"+parent, span, Deferred),
		good("trailing semicolon", root+";"+parent+";", span, Deferred),
		good("repeated fields", root+";"+root[:8]+"0;"+parent+";Parent=x;Sampled=1", span, Sampled),
		good("Lambda", root+";"+parent+";Sampled=1;Lineage=a87bd80c:1|68fd508a:5", span, Sampled),
		good("root alone", root, "", Deferred),
		good("root and a decision", root+";Sampled=0", "", NotSampled),
		{"load balancer, new", value("Root=1-67891233-abcdef012345678912345678"), Valid, "67891233abcdef012345678912345678", "", "", Deferred},
		{"load balancer, on the way", value("Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;CalledFrom=app"), Valid,
			"67891233abcdef012345678912345678", "", "", Deferred},
		{"X-Ray", value("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"), Valid, "5759e988bd862e3fe1be46a994272793", span, "", Sampled},
		{"two calls, the first counts", []string{"x-amzn-trace-id", root, "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;" + parent}, Valid, trace, "", "", Deferred},
		{"joined, the first counts", value(root + "," + root + ";" + parent), Valid, trace, "", "", Deferred},

		bad("parent zero", root+";Parent="+zeroSpan+";Sampled=1", ZeroID),
		bad("parent empty", root+";Parent=;Sampled=1", BadLength),
		bad("parent not hex", root+";Parent=53995c3f42cd8adg", BadHex),
		bad("root too short", "Root=1-82138-1203123;"+parent+";Sampled=1", BadLength),
		bad("version", "Root=5b00000000b000000000000000000000000;"+parent+";Sampled=1", BadVersion),
		bad("version 2", "Root=2"+root[6:]+";"+parent, BadVersion),
		bad("no second dash", "Root=1-8a3c60f70d188f8fa79d48a391a778fa6", BadLayout),
		bad("root not hex", "Root=1-8a3c60f7-d188f8fa79d48a391a778fag", BadHex),
		bad("root zero", "Root=1-00000000-000000000000000000000000;"+parent, ZeroID),
		bad("root empty", "Root=;Parent=;Sampled=1", BadLength),
		bad("both bad, the first is named", "Parent=x;Root=x", BadLength),
		bad("parent alone", parent+";Sampled=1", Incomplete),
		bad("empty", "", BadLength),
		bad("nothing that is known", "Self=1-67891234-12456789abcdef012345678", BadLayout),
		bad("no field", "garbage", BadLayout),
		bad("semicolons", ";;;", BadLayout),
		bad("lower case keys", strings.ToLower(root), BadLayout),
	})
}
