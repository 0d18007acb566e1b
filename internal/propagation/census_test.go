package propagation

import (
	"encoding/base64"
	"testing"
)

// The example of census-instrumentation/opencensus-specs encodings/BinaryEncoding.md, and what its rules say of others.
func TestCensus(t *testing.T) {
	example := []byte{0, 0, 75, 249, 47, 53, 119, 179, 77, 166, 163, 206, 146, 157, 0, 14, 71, 54, 1, 52, 240, 103, 170, 11, 169, 2, 183, 2, 1}
	const trace, span = "4bf92f3577b34da6a3ce929d000e4736", "34f067aa0ba902b7"
	encoded := func(parts ...[]byte) []string {
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		return []string{"grpc-trace-bin", base64.StdEncoding.EncodeToString(all)}
	}
	good := func(name string, headers []string, d Decision) formatTest {
		return formatTest{name, headers, Valid, trace, span, "", d}
	}
	bad := func(name string, headers []string, r Reason) formatTest {
		return formatTest{name: name, headers: headers, reason: r}
	}
	version, traceField, spanField := example[:1], example[1:18], example[18:27]
	runFormat(t, Census, []formatTest{
		good("example", encoded(example), Sampled),
		good("not padded", []string{"grpc-trace-bin", base64.RawStdEncoding.EncodeToString(example)}, Sampled),
		good("not sampled", encoded(example[:28], []byte{0}), NotSampled),
		good("other bits", encoded(example[:28], []byte{0xfe}), NotSampled),
		good("no options", encoded(example[:27]), Deferred),
		good("any order", encoded(version, []byte{2, 1}, spanField, traceField), Sampled),
		good("fields of the future", encoded(example, []byte{3, 1, 2, 3}), Sampled),
		good("repeated, the first counts", []string{"grpc-trace-bin", encoded(example)[1] + ",AAAA"}, Sampled),

		bad("empty", []string{"grpc-trace-bin", ""}, BadLength),
		bad("not base64", []string{"grpc-trace-bin", "-_-_"}, BadBase64),
		bad("version", encoded([]byte{1}, example[1:]), BadVersion),
		bad("version alone", encoded(version), Incomplete),
		bad("no span", encoded(example[:18]), Incomplete),
		bad("no trace", encoded(version, spanField), Incomplete),
		bad("the future first", encoded(version, []byte{9}, example[1:]), Incomplete),
		bad("truncated", encoded(example[:28]), BadLength),
		bad("truncated trace", encoded(example[:10]), BadLength),
		bad("trace zero", encoded(version, []byte{0}, make([]byte, 16), spanField), ZeroID),
		bad("span zero", encoded(version, traceField, []byte{1}, make([]byte, 8)), ZeroID),
	})
}
