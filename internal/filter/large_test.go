package filter

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Attributes of any length are passed over whole: the lengths are those at which a length has one more byte.
func TestLongAttributes(t *testing.T) {
	for _, n := range []int{0, 100, 128, 16_300, 16_384, 20_000, 65_536, 70_000, 1 << 21} {
		span := envoySpan()
		span.Attributes[3].Value = textAttribute("", strings.Repeat("J\x02", n/2)).Value
		span.Attributes = append(span.Attributes, textAttribute("last", "x"))
		b := encoded(t, span)
		for _, condition := range []string{`attributes["last"] == "x"`, `name == "ingress" and attributes["last"] != nil`, `attributes["http.method"] == "GET" and attributes["J"] == nil`} {
			if mustNew(t, Options{Span: named(condition)}).Evaluator().Look(b, nil, nil, false) != Drop {
				t.Errorf("%s does not match behind an attribute of %d bytes", condition, n)
			}
		}
	}
}

// What a goroutine remembers of resources is bounded, whatever their size.
func TestRemembersLittle(t *testing.T) {
	f := mustNew(t, Options{Span: named(`resource.attributes["service.name"] == "edge"`)})
	e := f.Evaluator()
	span := encoded(t, envoySpan())
	for _, n := range []int{10, 1000, 30_000, 100_000} {
		for i := range 2000 {
			want := Keep
			name := "shop"
			if i%2 == 0 {
				name, want = "edge", Drop
			}
			head := headOf(t, textAttribute("x", strings.Repeat("x", n)), textAttribute("service.name", name))
			for range 2 {
				if got := e.Look(span, head, nil, false); got != want {
					t.Fatalf("a span of %s: %d, want %d", name, got, want)
				}
			}
		}
		size := 0
		for _, r := range e.known {
			size += len(r.head)
		}
		if size > 2<<20 || len(e.known) > 1024 || len(e.known) == 0 {
			t.Errorf("%d resources of %d bytes are remembered", len(e.known), size)
		}
	}
}

// An error that repeats a value is logged in short.
func TestLogsLittle(t *testing.T) {
	var said bytes.Buffer
	f := mustNew(t, Options{Span: named(`Time(attributes["http.url"], "%Y-%m-%d") < Now()`), Log: slog.New(slog.NewTextHandler(&said, nil))})
	span := envoySpan()
	span.Attributes[3].Value = textAttribute("", strings.Repeat("secret ", 1000)).Value
	f.Evaluator().Look(encoded(t, span), nil, nil, false)
	if n := said.Len(); n == 0 || n > 1000 || f.Rules()[0].Errors.Load() != 1 {
		t.Errorf("%d bytes are logged of %d errors", n, f.Rules()[0].Errors.Load())
	}
}

// Of a large span nothing is kept that is larger than itself.
func TestKeepsLittle(t *testing.T) {
	span := envoySpan()
	span.Attributes[3].Value = textAttribute("", strings.Repeat("x", 1<<20)).Value
	span.Events = []*tracepb.Span_Event{{Name: "a"}}
	e := mustNew(t, Options{SpanEvent: named(`name == "a"`)}).Evaluator()
	e.Look(encoded(t, span), nil, nil, false)
	if _, fewer := e.Events(); !fewer || e.view.whole != nil {
		t.Errorf("an event is dropped: %t, and the decoded span is kept: %t", fewer, e.view.whole != nil)
	}
	if e.Look(encoded(t, envoySpan()), nil, nil, false); cap(e.out) > keepRoom {
		t.Errorf("%d bytes are kept", cap(e.out))
	}
}
