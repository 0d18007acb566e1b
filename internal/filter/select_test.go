package filter

import (
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func mustSelect(t testing.TB, o SelectOptions) *Chooser {
	t.Helper()
	s, err := NewSelector(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Chooser()
}

func listOf(texts ...string) (list []Condition) {
	for _, text := range texts {
		list = append(list, Condition{Name: "test", Text: text})
	}
	return list
}

// Each list holds or not, whatever the others do, in all ways in which conditions are worked out.
func TestSelect(t *testing.T) {
	lists := []struct {
		made, other bool // whether it holds for the span of an entry, and for another one
		texts       []string
	}{
		{true, false, []string{`span.attributes["http.response.status_code"] >= 500`}},
		{true, true, []string{`span.name == "GET"`, `span.name == "other"`}},
		{false, true, []string{`span.name == "none"`, `Concat([span.name, "x"], "-") == "other-x"`}},
		{true, false, []string{`resource.attributes["service.name"] == "edge"`}},
		{false, true, []string{`scope.name == "lib"`, `resource.attributes["none"] != nil`}},
		{true, false, []string{`span.attributes["upstream_cluster"] == "grafana/web/80"`}}, // by another name
		{false, true, []string{`Len(span.events) > 0`}},
		{false, true, []string{`HasPrefix(span.attributes["none"], "x")`, `span.kind == SPAN_KIND_CLIENT`}}, // the first one fails
		{false, false, nil},
	}
	var o SelectOptions
	for _, l := range lists {
		o.Lists = append(o.Lists, listOf(l.texts...))
	}
	c := mustSelect(t, o)
	head, otherHead := headOf(t, textAttribute("service.name", "edge")), headOf(t, textAttribute("service.name", "app"))
	scope := []byte("\x0a\x05\x0a\x03lib")
	other := &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "other", Kind: tracepb.Span_SPAN_KIND_CLIENT, Events: []*tracepb.Span_Event{{Name: "e"}}}
	for range 2 { // the second time what is known of resources is remembered
		for i, l := range lists {
			c.See(encoded(t, madeSpan()), head, nil, true)
			if c.Holds(i) != l.made {
				t.Errorf("%s: %v for the span of an entry", l.texts, !l.made)
			}
			c.See(encoded(t, other), otherHead, scope, false)
			if c.Holds(i) != l.other {
				t.Errorf("%s: %v for the other span", l.texts, !l.other)
			}
		}
	}
	if n := c.s.Rules()[len(c.s.Rules())-2].Errors.Load(); n != 4 {
		t.Errorf("%d failures, want 4", n)
	}
}

func TestSelectKeys(t *testing.T) {
	keys := []string{"http.response.status_code", "service.name", "upstream_cluster", "none", "list", "f", "b"}
	c := mustSelect(t, SelectOptions{Keys: keys})
	span := madeSpan()
	span.Attributes = append(span.Attributes,
		&commonpb.KeyValue{Key: "list", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{}}}},
		&commonpb.KeyValue{Key: "f", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}}},
		&commonpb.KeyValue{Key: "b", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}})
	c.See(encoded(t, span), headOf(t, textAttribute("service.name", "edge")), nil, true)
	var got []string
	for i := range keys {
		got = append(got, string(c.AppendKey(nil, i)))
	}
	if got, want := strings.Join(got, "|"), "503|edge|grafana/web/80|||0.5|true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSelectRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`spanevent.name == "x"`:     "cannot decide on a span by a span event",
		`attributes["x"] == "y"`:    "cannot parse the condition",
		`otelcol.client.addr != ""`: "",
	} {
		if _, err := NewSelector(SelectOptions{Lists: [][]Condition{listOf(text)}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	var many []string
	for n := range maxSlots + 1 {
		many = append(many, strings.Repeat("k", n+1))
	}
	if _, err := NewSelector(SelectOptions{Keys: many}); err == nil {
		t.Error("there is no limit for keys")
	}
}

func BenchmarkSelect(b *testing.B) {
	c := mustSelect(b, SelectOptions{Lists: [][]Condition{listOf(`span.attributes["http.route"] == "/checkout"`), listOf(`IsMatch(span.attributes["url.path"], "^/cart")`)}})
	head, span := headOf(b, textAttribute("service.name", "edge")), encoded(b, madeSpan())
	b.ReportAllocs()
	for b.Loop() {
		c.See(span, head, nil, true)
		if c.Holds(0) || c.Holds(1) {
			b.Fatal("it holds")
		}
	}
}
