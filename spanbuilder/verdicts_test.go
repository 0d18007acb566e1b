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
		{ProxySpan, true, true, true, true},
		{AttemptSpan, false, false, false, false},
		{AttemptSpan, true, false, true, false},
		{ZipkinSpan, false, false, false, false},
	} {
		f, s := NewVerdicts(1<<20), of(c.dropped, 7)
		f.Span(s, Change{}, c.joined, Verdict{What: Filtered}, now)
		attempt := of(AttemptSpan, 7)
		attempt.ID, attempt.Parent = propagation.SpanID{2}, s.ID
		filtered := func(v Verdict) bool { return v.What == Filtered }
		if below, came, tries := filtered(f.Below(s.Trace, s.ID, now)), filtered(f.Came(s, now)), filtered(f.Came(attempt, now)); below != c.below || came != c.came || tries != c.tries {
			t.Errorf("%d, joined %t: below %t, again %t, attempt %t; want %t, %t, %t", c.dropped, c.joined, below, came, tries, c.below, c.came, c.tries)
		}
		other := of(c.dropped, 8)
		if f.Below(other.Trace, other.ID, now) != (Verdict{}) || f.Came(other, now) != (Verdict{}) {
			t.Errorf("%d: a span of another trace goes with it", c.dropped)
		}
	}
}

// Of a request the first verdict counts, and with it its reason, for all that comes later; but what a filter drops is dropped.
func TestFirstVerdictCounts(t *testing.T) {
	const now = 100
	kept, out, filtered := Verdict{Kept, 7}, Verdict{SampledOut, 207}, Verdict{What: Filtered}
	for _, c := range []struct{ first, second, want Verdict }{
		{kept, out, kept}, {out, kept, out}, {kept, kept, kept}, {kept, filtered, filtered}, {filtered, kept, filtered}, {out, filtered, filtered},
	} {
		f := NewVerdicts(1 << 20)
		s := &Item{facts: facts{What: ProxySpan, HasID: true, Request: 1, Trace: propagation.TraceID{1}, ID: propagation.SpanID{1}}}
		f.Span(s, Change{}, true, c.first, now)
		f.Span(s, Change{}, true, c.second, now)
		if got := f.Below(s.Trace, s.ID, now); got != c.want {
			t.Errorf("%v, then %v: below it %v, want %v", c.first, c.second, got, c.want)
		}
		attempt := &Item{facts: facts{What: AttemptSpan, Trace: s.Trace, ID: propagation.SpanID{2}}, Parent: s.ID}
		if got := f.Came(attempt, now); got != c.want {
			t.Errorf("%v, then %v: an attempt %v, want %v", c.first, c.second, got, c.want)
		}
	}
	// Without an entry, the span of an attempt follows what was sampled, and not what was filtered.
	f := NewVerdicts(1 << 20)
	for i, v := range []Verdict{kept, out} {
		s := &Item{facts: facts{What: ProxySpan, HasID: true, Request: uint64(i + 1), Trace: propagation.TraceID{byte(i + 1)}, ID: propagation.SpanID{1}}}
		f.Span(s, Change{}, false, v, now)
		attempt := &Item{facts: facts{What: AttemptSpan, Trace: s.Trace}, Parent: s.ID}
		if got := f.Came(attempt, now); got != v {
			t.Errorf("an attempt of %v: %v", v, got)
		}
		if got := f.Came(s, now); got != v {
			t.Errorf("the late half of %v: %v", v, got)
		}
	}
}
