package traces

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/alspan/alspan/internal/wire"
)

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func kv(k string, v *commonpb.AnyValue) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: k, Value: v}
}

// everything has every field of OTLP's traces.
func everything() *tracepb.TracesData {
	values := []*commonpb.KeyValue{
		kv("s", str("täxt \"\\/\n\u2028\U0001F600"+strings.Repeat("long", 5000))), kv("empty", str("")), kv("none", &commonpb.AnyValue{}), kv("nil", nil),
		kv("true", &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}),
		kv("false", &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{}}),
		kv("int", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: math.MinInt64}}),
		kv("zero", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{}}),
		kv("double", &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: -1.5e300}}),
		kv("infinite", &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.Inf(-1)}}),
		kv("bytes", &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{0xfb, 0xff, 0}}}),
		kv("list", &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{str("a"), {}, str("b")}}}}),
		kv("map", &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{kv("k", str("v"))}}}}),
	}
	id := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	span := &tracepb.Span{
		TraceId: id(16, 0xab), SpanId: id(8, 0xcd), ParentSpanId: id(8, 0xef), TraceState: "ot=th:8", Name: "GET /", Kind: tracepb.Span_SPAN_KIND_CONSUMER,
		StartTimeUnixNano: math.MaxUint64, EndTimeUnixNano: 1_700_000_000_000_000_001, Attributes: values, DroppedAttributesCount: 1,
		Events:             []*tracepb.Span_Event{{TimeUnixNano: 1, Name: "e", Attributes: values, DroppedAttributesCount: 2}, {}},
		DroppedEventsCount: 3,
		Links:              []*tracepb.Span_Link{{TraceId: id(16, 1), SpanId: id(8, 2), TraceState: "x=y", Attributes: values, DroppedAttributesCount: 4, Flags: 0x300}},
		DroppedLinksCount:  math.MaxUint32, Status: &tracepb.Status{Message: "no", Code: tracepb.Status_STATUS_CODE_ERROR}, Flags: 0x301,
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: values, DroppedAttributesCount: 5, EntityRefs: []*commonpb.EntityRef{
			{SchemaUrl: "u", Type: "t", IdKeys: []string{"a", ""}, DescriptionKeys: []string{"c"}}}},
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: "n", Version: "v", Attributes: values, DroppedAttributesCount: 6},
			Spans: []*tracepb.Span{span, {}, span}, SchemaUrl: "s"}, {}},
		SchemaUrl: "r"}, {}}}
}

// otlpJSON gives the JSON of OTLP: that of protobuf, but for the ids.
func otlpJSON(t *testing.T, m proto.Message, o protojson.MarshalOptions) []byte {
	t.Helper()
	b, err := o.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`"(traceId|spanId|parentSpanId)":\s*"([^"]*)"`)
	return ids.ReplaceAllFunc(b, func(found []byte) []byte {
		p := ids.FindSubmatch(found)
		id, err := base64.StdEncoding.DecodeString(string(p[2]))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, `"%s":"%s"`, p[1], hex.EncodeToString(id))
	})
}

func transcode(t *testing.T, in string) *tracepb.TracesData {
	t.Helper()
	var x transcoder
	b, err := x.transcode([]byte(in))
	if err != nil {
		t.Fatalf("%v in %.200q", err, in)
	}
	m := new(tracepb.TracesData)
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatalf("%v from %.200q", err, in)
	}
	return m
}

// What the official runtime writes is read as what it was.
func TestJSONOfEveryField(t *testing.T) {
	want := everything()
	for _, o := range []protojson.MarshalOptions{{UseEnumNumbers: true}, {EmitUnpopulated: true, UseEnumNumbers: true}, {Multiline: true}} {
		got := transcode(t, string(otlpJSON(t, want, o)))
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			// An unset message that is written as null comes back unset.
			t.Errorf("%+v: %s", o, diff)
		}
	}
}

// inSpan puts a member into a span that has ids.
func inSpan(member string) string {
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090A0b0C0d0E0f10","spanId":"00f067aa0ba902b7","name":"ok"},` +
		`{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00F067AA0BA902B7",` + member + `}]}]}]}`
}

func TestJSONOfSpans(t *testing.T) {
	for member, want := range map[string]*tracepb.Span{
		`"kind":2`:                                                  {Kind: 2},
		`"kind":"2"`:                                                {Kind: 2},
		`"kind":"SPAN_KIND_CLIENT"`:                                 {Kind: 3},
		`"kind":77`:                                                 {Kind: 77},
		`"kind":null,"name":null`:                                   {},
		`"name":"a","name":"b"`:                                     {Name: "b"},
		`"start_time_unix_nano":"5"`:                                {}, // only lowerCamelCase
		`"unknown":{"a":[1,{"b":null}]},"name":"n"`:                 {Name: "n"},
		`"startTimeUnixNano":1700000000000000001`:                   {StartTimeUnixNano: 1700000000000000001},
		`"startTimeUnixNano":"18446744073709551615"`:                {StartTimeUnixNano: math.MaxUint64},
		`"startTimeUnixNano":1.7e18`:                                {StartTimeUnixNano: 1700000000000000000},
		`"startTimeUnixNano":1700000000000000000.0`:                 {StartTimeUnixNano: 1700000000000000000},
		`"flags":257,"droppedLinksCount":"4294967295"`:              {Flags: 257, DroppedLinksCount: math.MaxUint32},
		`"parentSpanId":""`:                                         {},
		`"parentSpanId":null`:                                       {},
		`"name":"\u0041\ud83d\ude00\n\\"`:                           {Name: "A\U0001F600\n\\"},
		`"name":"\ud83d x \ude00\ud83d\u0041"`:                      {Name: "\uFFFD x \uFFFD\uFFFDA"},
		`"attributes":[{"key":"k","value":{"intValue":"-7"}},null]`: {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: -7}})}},
		`"attributes":[{"key":"k","value":{"intValue":7}}]`:         {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 7}})}},
		`"attributes":[{"key":"k","value":{"bytesValue":"-_8"}}]`:   {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{0xfb, 0xff}}})}},
		`"attributes":[{"key":"k","value":{"doubleValue":"NaN"}}],"attributes":null`:  {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.NaN()}})}},
		`"attributes":[{"key":"k","value":{"arrayValue":{"values":[null,{}]}}}]`:      {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{{}, {}}}}})}},
		`"attributes":[{"key":"k","value":{"stringValue":"a","boolValue":false}}]`:    {Attributes: []*commonpb.KeyValue{kv("k", &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{}})}},
		"\"links\":[{\"traceId\":\"0a\",\"spanId\":\"0B\"}], \t\r\n\"events\" : [ ] ": {Links: []*tracepb.Span_Link{{TraceId: []byte{10}, SpanId: []byte{11}}}},
	} {
		want.TraceId, want.SpanId = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, []byte{0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}
		got := transcode(t, inSpan(member)).ResourceSpans[0].ScopeSpans[0].Spans
		if len(got) != 2 || got[0].Name != "ok" {
			t.Errorf("%s: %v", member, got)
			continue
		}
		if diff := cmp.Diff(want, got[1], protocmp.Transform(), equalNaNs); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
}

var equalNaNs = cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })

// One span that does not fit the schema is rejected, and no other.
func TestJSONOfMisshapenSpans(t *testing.T) {
	deep := strings.Repeat(`{"arrayValue":{"values":[`, 200) + strings.Repeat(`]}}`, 200)
	for _, member := range []string{
		`"traceId":"01"`, `"spanId":"00f067aa0ba902b"`, `"spanId":"00f067aa0ba902bx"`, `"spanId":7`, `"traceId":null,"spanId":["00f067aa0ba902b7"]`,
		`"name":7`, `"name":{}`, `"kind":"server"`, `"kind":1.5`, `"kind":4294967296`, `"startTimeUnixNano":-1`, `"startTimeUnixNano":"x"`, `"startTimeUnixNano":""`,
		`"startTimeUnixNano":18446744073709551616`, `"startTimeUnixNano":true`, `"flags":-1`, `"flags":4294967296`, `"attributes":{}`, `"attributes":[7]`,
		`"attributes":[{"key":"k","value":"v"}]`, `"attributes":[{"key":"k","value":{"boolValue":"true"}}]`, `"attributes":[{"key":"k","value":{"doubleValue":"x"}}]`,
		`"attributes":[{"key":"k","value":{"doubleValue":1e999}}]`, `"attributes":[{"key":"k","value":{"bytesValue":"!"}}]`, `"status":1`, `"events":[[]]`,
		`"attributes":[{"key":"k","value":` + deep + `}]`,
	} {
		r := new(recorder)
		s := newServer(r)
		x := s.sessions.Get().(*session)
		const end = `]}]}]}`
		in := strings.TrimSuffix(inSpan(member), end) + `,{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7","name":"last"}` + end
		v, err := s.takeWith(x, []byte(in), true, netip.Addr{})
		if err != nil || v.Rejected != 1 || v.Truncated {
			t.Errorf("%.100s: %+v, %v", member, v, err)
		}
		r.want(t, "ok", "last")
	}
}

// What is no JSON, or has no spans where they should be, is refused with a sentence that says where.
func TestJSONThatIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		`{`: "at byte 1: ", `{"resourceSpans":[]`: "comma or }", `[]`: "an object", `null`: "an object", `7`: "an object", `{"resourceSpans":[]} x`: "nothing after the closing brace",
		`{"resourceSpans":[]}{}`: "nothing after", `{"resourceSpans":{}}`: "an array", `{"resourceSpans":[7]}`: "an object", `{"a":1,}`: "a string", `{"a":[1,]}`: "a value",
		`{"a" 1}`: "a colon", `{a:1}`: "a string", `{"a":01}`: "comma", `{"a":1.}`: "a digit", `{"a":-}`: "a digit", `{"a":1e}`: "a digit", `{"a":nul}`: "a value", `{"a":"\x"}`: "an escape",
		`{"a":"\u12"}`: "hexadecimal", `{"a":"x`: "the end of a string", "{\"a\":\"\x01\"}": "control character", `{"a":tru`: "a value", `{"a":+1}`: "a value", `{"a":` + strings.Repeat("[", 5000): "less nesting",
		`{"resourceSpans":[{"resource":{"attributes":[{"key":1}]}}]}`: "a string",
		inSpan(`"kind":1.5,`): "a string", inSpan(`"name":7`)[:len(inSpan(`"name":7`))-1]: "comma", inSpan(`"name":"x"`) + "\x00": "nothing after",
	} {
		var x transcoder
		_, err := x.transcode([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot read the JSON") {
			t.Errorf("%.100q: %v, want %q", in, err, want)
		}
	}
	for _, in := range []string{"", " \n", "{}", `{"resourceSpans":null}`, `{"resourceSpans":[null,{"scopeSpans":[{"spans":null}]}]}`} {
		transcode(t, in)
	}
}

// Text that is not UTF-8 goes to where it is repaired for all transports.
func TestJSONThatIsNotUTF8(t *testing.T) {
	var x transcoder
	b, err := x.transcode([]byte(inSpan("\"name\":\"a\xffb\"")))
	if err != nil {
		t.Fatal(err)
	}
	m := NewMessage(b, netip.Addr{})
	var s wire.Span
	if !m.NextScope() || m.NextSpan(&s) != Sound || m.NextSpan(&s) != Poisoned {
		t.Fatal("the second span is not poisoned")
	}
	if fixed, n := s.AppendRepaired(nil); n != 1 || !bytes.Contains(fixed, []byte("a\uFFFDb")) {
		t.Errorf("%q, %d", fixed, n)
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	in := otlpJSON(t, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{
		{TraceId: make([]byte, 16), SpanId: make([]byte, 8), Name: "n\n", StartTimeUnixNano: 5, Attributes: []*commonpb.KeyValue{kv("k", str("v"))}}}}}}}}, protojson.MarshalOptions{})
	var x transcoder
	if n := testing.AllocsPerRun(100, func() {
		if _, err := x.transcode(in); err != nil {
			t.Error(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever comes in, nothing breaks; what is taken is JSON, makes protobuf, and is not much longer than before.
func FuzzJSON(f *testing.F) {
	for _, member := range []string{`"kind":1.5`, `"name":"\ud83d\ude00"`, `"attributes":[{"key":"k","value":{"arrayValue":{"values":[null,{"doubleValue":1e3}]}}}]`, `"x":[{}]`} {
		f.Add([]byte(inSpan(member)))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var x transcoder
		b, err := x.transcode(in)
		if err != nil {
			return
		}
		if len(bytes.TrimSpace(in)) > 0 && !json.Valid(in) {
			t.Errorf("%q is no JSON", in)
		}
		if len(b) > 2*len(in) {
			t.Errorf("%d bytes became %d", len(in), len(b))
		}
		m := NewMessage(b, netip.Addr{})
		var s wire.Span
		for m.NextScope() {
			for m.NextSpan(&s) != End {
			}
		}
		if m.Truncated() {
			t.Errorf("%q makes %x, which is truncated", in, b)
		}
	})
}
