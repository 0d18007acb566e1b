//go:build !race

package attributes

import "testing"

// With the race detector pools forget, and the regular expressions of the standard library have pools.
func TestAllocates(t *testing.T) {
	span := usualSpan(t)
	room := make([]byte, len(span), 2*len(span))
	for _, c := range usualRules {
		e := compiled(t, c.actions, c.redaction).e
		n := testing.AllocsPerRun(100, func() {
			copy(room, span)
			e.Span(room)
		})
		if (n > 0) != c.allocates {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
