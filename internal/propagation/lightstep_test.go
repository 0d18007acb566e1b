package propagation

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// Known carriers of opentracing's basictracer-go, which LightStep's tracers of all languages test, too.
func TestLightStep(t *testing.T) {
	value := func(v string) []string { return []string{"x-ot-span-context", v} }
	message := func(b ...byte) []string { return value(base64.StdEncoding.EncodeToString(b)) }
	basic := func(b ...byte) []string { return message(append([]byte{2<<3 | 2, byte(len(b))}, b...)...) }
	trace, span := []byte{1<<3 | 1, 1, 0, 0, 0, 0, 0, 0, 0}, []byte{2<<3 | 1, 2, 0, 0, 0, 0, 0, 0, 0}
	both := append(append([]byte{}, trace...), span...)
	with := func(b ...byte) []byte { return append(append([]byte{}, both...), b...) }
	one, two := zeroTrace[:31]+"1", zeroSpan[:15]+"2"
	bad := func(name string, headers []string, r Reason) formatTest {
		return formatTest{name: name, headers: headers, reason: r}
	}
	runFormat(t, LightStep, []formatTest{
		{"first known carrier", value("EigJOjioEaYHBgcRNmifUO7/xlgYASISCgdjaGVja2VkEgdiYWdnYWdl"), Valid,
			zeroSpan + fmt.Sprintf("%016x", 506100417967962170), fmt.Sprintf("%016x", 6397081719746291766), "", Sampled},
		{"second known carrier", value("EigJEX+FpwZ/EmYR2gfYQbxCMskYASISCgdjaGVja2VkEgdiYWdnYWdl"), Valid,
			zeroSpan + fmt.Sprintf("%016x", 7355080808006516497), fmt.Sprintf("%016x", uint64(14497723526785009626)), "", Sampled},
		{"false is not written", basic(both...), Valid, one, two, "", NotSampled},
		{"false", basic(with(3<<3, 0)...), Valid, one, two, "", NotSampled},
		{"true", basic(with(3<<3, 1)...), Valid, one, two, "", Sampled},
		{"fields that are not known", basic(with(15<<3|2, 1, 'x', 14<<3|5, 1, 2, 3, 4, 13<<3, 0x80, 1, 3<<3, 1)...), Valid, one, two, "", Sampled},
		{"the text carrier before", message(append([]byte{1<<3 | 2, 1, 'x', 2<<3 | 2, 18}, both...)...), Valid, one, two, "", NotSampled},
		{"in two parts", message(append(append([]byte{2<<3 | 2, 9}, trace...), append([]byte{2<<3 | 2, 9}, span...)...)...), Valid, one, two, "", NotSampled},
		{"not padded", value(strings.TrimRight(basic(both...)[1], "=")), Valid, one, two, "", NotSampled},
		{"repeated, the first counts", value(basic(both...)[1] + "," + "EigJ"), Valid, one, two, "", NotSampled},

		bad("broken known carrier", value("Y3QbxCMskYASISCgdjaGVja2VkEgd"), BadBase64),
		bad("empty", value(""), BadLength),
		bad("line breaks", value("\n\n\n"), BadLength),
		bad("too long", value(strings.Repeat("A", 5000)), BadLength),
		bad("not base64", value("***"), BadBase64),
		bad("no ids", message(1<<3|2, 1, 'x'), ZeroID),
		bad("trace alone", basic(trace...), ZeroID),
		bad("span alone", basic(span...), ZeroID),
		bad("trace zero", basic(append([]byte{1<<3 | 1, 0, 0, 0, 0, 0, 0, 0, 0}, span...)...), ZeroID),
		bad("truncated", message(2<<3|2, 19, 1), BadLayout),
		bad("truncated id", basic(1<<3|1, 1), BadLayout),
		bad("truncated number", basic(with(3<<3, 0x80)...), BadLayout),
		bad("truncated fixed32", basic(with(9<<3|5, 1)...), BadLayout),
		bad("a group", basic(with(9<<3|3)...), BadLayout),
		bad("field 0", basic(with(0, 0)...), BadLayout),
	})
}
