package spanbuilder

import (
	"testing"

	"github.com/alspan/alspan/internal/propagation"
)

// What goes with a span that was dropped is of its request, and nothing else.
func TestFilteredSpans(t *testing.T) {
	const now = 100
	of := func(what What, trace byte) *Item {
		return &Item{facts: facts{What: what, HasID: true, Request: uint64(trace), Trace: propagation.TraceID{trace}, ID: propagation.SpanID{1}}}
	}
	for _, c := range []struct {
		dropped            What
		joined             bool
		below, came, tries bool // a span that is made below it; the same span again; Envoy's span of an attempt below it
	}{
		{ProxySpan, false, true, false, false},
		{ProxySpan, true, true, false, true},
		{AttemptSpan, false, true, false, false},
		{AttemptSpan, true, true, false, true},
		{ZipkinSpan, false, false, false, false},
	} {
		f, s := NewFiltered(1<<20), of(c.dropped, 7)
		f.Span(s, c.joined, now)
		attempt := of(AttemptSpan, 7)
		attempt.ID, attempt.Parent = propagation.SpanID{2}, s.ID
		if below, came, tries := f.Below(s.Trace, s.ID, now), f.Came(s, now), f.Came(attempt, now); below != c.below || came != c.came || tries != c.tries {
			t.Errorf("%d, joined %t: below %t, again %t, attempt %t; want %t, %t, %t", c.dropped, c.joined, below, came, tries, c.below, c.came, c.tries)
		}
		other := of(c.dropped, 8)
		if f.Below(other.Trace, other.ID, now) || f.Came(other, now) {
			t.Errorf("%d: a span of another trace goes with it", c.dropped)
		}
	}
}
