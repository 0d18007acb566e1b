package filter

import (
	"strings"
	"testing"
)

// Attributes of any length are passed over whole: the lengths are those at which a length has one more byte.
func TestLongAttributes(t *testing.T) {
	for _, n := range []int{0, 100, 128, 16_300, 16_384, 20_000, 65_536, 70_000, 1 << 21} {
		span := envoySpan()
		span.Attributes[3].Value = textAttribute("", strings.Repeat("J\x02", n/2)).Value
		span.Attributes = append(span.Attributes, textAttribute("last", "x"))
		bytes := encoded(t, span)
		for _, condition := range []string{`attributes["last"] == "x"`, `name == "ingress" and attributes["last"] != nil`, `attributes["http.method"] == "GET" and attributes["J"] == nil`} {
			if mustNew(t, Options{Span: named(condition)}).Evaluator().Look(bytes, nil, nil, false) != Drop {
				t.Errorf("%s does not match behind an attribute of %d bytes", condition, n)
			}
		}
	}
}
