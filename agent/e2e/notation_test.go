package e2e

import (
	"strings"
	"testing"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// A case that cannot be read as it was meant must fail, not pass with less.
func TestCasesAreStrict(t *testing.T) {
	const good = "-- envoy.yaml --\ntracing: otel\n-- requests --\nok GET /ok w3c header=\"a: \\xff b\" body=3\n-- want --\nok:\n  SERVER\n"
	c, err := parseCase("good", "1.39.3", "", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Requests[0]; r.Header != "a: \xff b" || r.Body != 3 || c.Want["ok"][0] != "SERVER" {
		t.Errorf("got %+v, %q", r, c.Want)
	}
	for what, change := range map[string][2]string{
		"unknown flag":        {"tracing:", "tracin:"},
		"unknown form":        {"tracing: otel", "forms: [paper]"},
		"unknown key":         {"body=3", "bdy=3"},
		"bad number":          {"body=3", "body=x"},
		"missing context":     {" w3c header=\"a: \\xff b\" body=3", ""},
		"want without name":   {"ok:\n", "  \n"},
		"want for another":    {"ok:\n", "other:\n"},
		"want that is twice":  {"  SERVER\n", "  SERVER\nok:\n  CLIENT\n"},
		"unknown section":     {"-- want --", "-- wants --"},
		"unknown version":     {"tracing: otel", "versions: [1.2.3]"},
		"override of nothing": {"  SERVER\n", "  SERVER\n-- want 1.39.3 --\nother:\n  SERVER\n"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := parseCase("bad", "1.39.3", "", []byte(text)); err == nil {
			t.Errorf("%s: it was accepted:\n%s", what, text)
		}
	}
}

func TestTree(t *testing.T) {
	id := func(n byte) []byte {
		if n == 0 {
			return nil
		}
		return []byte{7: n}
	}
	made := func(service string, n, parent byte) *span {
		return &span{Service: service, Span: &trace.Span{TraceId: make([]byte, 16), SpanId: id(n), ParentSpanId: id(parent), Kind: trace.Span_SPAN_KIND_SERVER}}
	}
	for want, spans := range map[string][3]*span{
		"caller(SERVER(app))":     {made("caller", 1, 0), made("edge", 2, 1), made("app", 3, 2)},
		"caller(SERVER app)":      {made("caller", 1, 0), made("edge", 2, 1), made("app", 3, 1)},
		"caller | ?(SERVER app)":  {made("caller", 1, 0), made("edge", 2, 9), made("app", 3, 9)},
		"caller | SERVER(app)":    {made("caller", 1, 0), made("edge", 2, 0), made("app", 3, 2)},
		"caller(app) | ?(SERVER)": {made("caller", 1, 0), made("edge", 2, 9), made("app", 3, 1)},
	} {
		v := &view{request: &request{Context: "none"}, hops: []string{"edge"}, made: spans[1:2], others: []*span{spans[0], spans[2]}}
		v.name(map[string]string{})
		if got := v.tree(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
