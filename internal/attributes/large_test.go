package attributes

import (
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/wire"
)

// What is masked does not make a span many times as large, nor keeps the room of a large one, and what is too much is not let through.
func TestLargeSpans(t *testing.T) {
	const n = 1 << 20
	one := func(value string) []byte {
		return wire.AppendBytes(nil, 9, wire.AppendBytes(wire.AppendBytes(nil, 1, "k"), 2, wire.AppendBytes(nil, 1, value)))
	}
	for name, c := range map[string]struct {
		r    Redaction
		span []byte
	}{
		"lines":      {Redaction{BlockedKeyPatterns: []string{"k"}, HashFunction: "sha256"}, one(strings.Repeat("\n", n))},
		"matches":    {Redaction{BlockedValues: []string{"secret|", "7"}, HashFunction: "sha256"}, one(strings.Repeat("secret 7 ", n/9))},
		"attributes": {Redaction{BlockedValues: []string{"secret"}, HashFunction: "sha256"}, []byte(strings.Repeat(string(one("secret")), n/16))},
	} {
		r := compiled(t, []Action{{Action: "hash", Pattern: "^x"}}, c.r)
		got := r.e.Span(append([]byte(nil), c.span...))
		if len(got) > len(c.span)+n*5 || strings.Contains(string(got), "secret") {
			t.Errorf("%s: %d bytes become %d", name, len(c.span), len(got))
		}
		if max(cap(r.e.texts), cap(r.e.out)) > keepBytes || max(cap(r.e.fields), cap(r.e.inner)) > keepFields {
			t.Errorf("%s: the room is kept", name)
		}
	}
}
