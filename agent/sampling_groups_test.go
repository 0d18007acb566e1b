package agent

import (
	"bytes"
	"time"

	"github.com/alspan/alspan/internal/correlation"
)

// byRequest gives the spans of each request through one Envoy, as far as they say so and are there soon enough: what Envoy sends of an
// attempt waits for its request for some time, and what was decided of a request is remembered for some time.
func byRequest(all []*sentSpan) (list [][]*sentSpan) {
	passes := map[*correlation.Pass][]*sentSpan{}
	for _, s := range all {
		if s.of.Pass != nil {
			passes[s.of.Pass] = append(passes[s.of.Pass], s)
		}
	}
	for _, spans := range passes {
		for len(spans) > 0 {
			one, rest := spans[:1:1], spans[1:]
			for grown := true; grown; {
				grown = false
				var others []*sentSpan
				for _, s := range rest {
					if s.belongsTo(one) {
						one, grown = append(one, s), true
					} else {
						others = append(others, s)
					}
				}
				rest = others
			}
			list, spans = append(list, one), rest
		}
	}
	return list
}

func (s *sentSpan) belongsTo(some []*sentSpan) bool {
	for _, other := range some {
		if together(s, other) || together(other, s) {
			return true
		}
	}
	return false
}

const (
	verdictsLast  = 2*correlation.Remember - time.Second
	attemptsWait  = correlation.Wait - correlation.SpanWait // at least: they may have waited for their records, or for who shares their id
	attemptsBelow = correlation.Client
)

// together tells whether b belongs to a, both of one pass.
func together(a, b *sentSpan) bool {
	switch {
	case a.downstream() && b.downstream():
		return b.at >= a.at && b.at-a.at < verdictsLast
	case !a.downstream() || b.Kind != attemptsBelow || !bytes.Equal(a.TraceId, b.TraceId) || !bytes.Equal(a.SpanId, b.ParentSpanId):
		return false
	}
	return b.at-a.at < verdictsLast && a.at-b.at < attemptsWait
}

// downstream tells whether a span is of the request itself, and not of an attempt.
func (s *sentSpan) downstream() bool {
	if s.of.Span != nil {
		return s.of.Span.Proxy
	}
	return s.of.Entry.Type != correlation.TypeUp && !s.of.Below
}
