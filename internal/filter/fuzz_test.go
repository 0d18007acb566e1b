package filter

import (
	"errors"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/wire"
)

// FuzzWays takes any condition, span and resource: however a condition is worked out, it says what a collector's does.
func FuzzWays(f *testing.F) {
	odd := &tracepb.Span{Name: "", Attributes: []*commonpb.KeyValue{textAttribute("a", ""), textAttribute("a", "b"), {Key: "none"}, {Key: "empty", Value: &commonpb.AnyValue{}},
		{Key: "bytes", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{}}}, {Key: "d", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 7}}},
		{Key: "f", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{}}}, {Key: "l", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{}}}, integer("n", 7), integer("", -1)}}
	resource := encoded(f, &resourcepb.Resource{Attributes: []*commonpb.KeyValue{textAttribute("service.name", "edge"), integer("n", 8)}})
	twice := append(encoded(f, odd), encoded(f, envoySpan())...)
	// A key behind its value, a value in two pieces, a key that is there twice.
	strange := wire.AppendBytes(nil, 9, wire.AppendBytes(wire.AppendBytes(wire.AppendBytes(nil, 2, wire.AppendBytes(nil, 1, "x")), 1, "a"), 2, wire.AppendUint(nil, 3, 9)))
	strange = wire.AppendBytes(strange, 9, wire.AppendBytes(wire.AppendBytes(wire.AppendBytes(nil, 1, "zzz"), 2, wire.AppendBytes(nil, 1, "x")), 1, "n"))
	for _, condition := range append([]string{
		`attributes["a"] == ""`, `attributes["a"] < "b"`, `attributes["n"] >= 7`, `attributes["d"] == 7`, `7.0 == attributes["n"]`, `attributes["d"] != nil`, `attributes["bytes"] == nil`,
		`attributes["empty"] == nil`, `attributes["none"] == nil or attributes["l"] == nil`, `attributes["f"] == false`, `attributes["f"] < true`, `not attributes["n"] == 7`,
		`IsMatch(attributes["d"], "7")`, `IsMatch(attributes["bytes"], "^$")`, `IsMatch(attributes["a"], "^a|b$")`, `IsMatch(name, "(?i)INGRESS")`, `IsMatch(name, "^(in|out)gress$")`,
		`IsMatch(attributes["http.url"], "grafana.*|shop.*")`, `IsMatch(attributes["http.url"], ".*shop")`, `IsMatch(attributes["http.url"], "^https://.*$")`, `IsMatch(attributes["a"], "\\.")`,
		`resource.attributes["n"] > 7.5 and resource.attributes["service.name"] != "x"`, `span.kind == SPAN_KIND_SERVER`, `status.code != 0`, `attributes[""] == -1`, `attributes["n"] == 017`,
		`(attributes["a"] == "b" or kind == 2) and not (name == "ingress" and attributes["n"] == nil)`, `attributes["n"] <= nil`, `nil == attributes["x"]`, `name == nil`, `kind.string == "Server"`,
		`parent_span_id.string == "0000000000000000" or IsRootSpan()`, `Len(attributes["a"]) == 0`, `attributes["n"] == 9223372036854775807`, `attributes["n"] == -9223372036854775808`,
		`attributes["a"] == "\u0062"`, `IsMatch(attributes["a"], "[")`, `attributes["n"] == .5`, `attributes["a"]=="b"and kind==0`, `true`, `not (true)`, `attributes["n"] == 1 == true`,
	}, userConditions...) {
		for _, span := range [][]byte{encoded(f, odd), encoded(f, envoySpan()), encoded(f, madeSpan()), twice, strange} {
			f.Add(condition, span, resource, len(condition)%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, condition string, span, resource []byte, made bool) {
		var s wire.Span
		if s.Walk(span) != wire.Sound || len(condition) > 500 || len(span) > 1<<16 || !decodes(span, resource) {
			return
		}
		fl, err := New(Options{Span: []Condition{{"x", condition}}})
		if err != nil {
			return
		}
		c, r := fl.Evaluator(), fl.rules[0]
		c.Look(span, wire.AppendBytes(nil, 1, resource), nil, made)
		v := &c.view
		v.asking = r
		if v.decoded().err != nil { // a known number with another type, which no collector takes
			return
		}
		want, wantErr := r.all.span(v)
		if made && r.lazy == nil && r.quick == nil {
			return
		}
		if r.quick != nil {
			if a := r.quick.eval(v); a != unsure && (wantErr != nil || (a == yes) != want) {
				t.Errorf("%s: quickly %d, else %t, %v\n%x", condition, a, want, wantErr, span)
			}
			if g := fl.gates[0]; g != 0 && uint64(g)&v.there == 0 && want {
				t.Errorf("%s: the attribute is not there, and yet it matches", condition)
			}
		}
		if r.lazy != nil {
			if got, err := r.lazy(v); !errors.Is(err, errDecode) && (got != want || (err == nil) != (wantErr == nil)) {
				t.Errorf("%s: lazily %t, %v, else %t, %v\n%x", condition, got, err, want, wantErr, span)
			}
		}
	})
}

// decodes tells whether the official runtime takes them, and they have nothing unknown that a collector might take for known.
func decodes(span, resource []byte) bool {
	for b := span; len(b) > 0; { // groups of protobuf, which no collector takes
		_, typ, n := protowire.ConsumeField(b)
		if n < 0 || typ == protowire.StartGroupType {
			return false
		}
		b = b[n:]
	}
	var s tracepb.Span
	var r resourcepb.Resource
	return proto.Unmarshal(span, &s) == nil && proto.Unmarshal(resource, &r) == nil
}
