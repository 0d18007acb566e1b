package parity

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/alspan/alspan/internal/sampling"
)

const traces = 700

// percents are those of the agents; each keeps some of what the one before keeps.
var percents = []float32{100, 50, 10, 1, 0.1}

// traced is a span of an application. Its number is its place in the list.
type traced struct {
	tested
	priority priority
	encoded  encoded
}

// priority is a value of the attribute sampling.priority, nil if there is none, and what both take from it: above 0 the span is kept,
// below 0 it is dropped.
type priority struct {
	value             any
	collector, alspan int
}

var priorities = []priority{
	{1, 1, 1}, {2, 1, 1}, {0.5, 1, 1}, {"1", 1, 1}, {"2.5", 1, 1},
	{0, -1, -1}, {0.0, -1, -1}, {"0", -1, -1},
	{-1, 0, -1}, {-0.5, 0, -1}, {"-1", 0, -1},
	{true, 0, 1}, {false, 0, -1},
	{math.NaN(), 0, 0}, {"NaN", 0, 0}, {"", 0, 0}, {"high", 0, 0}, {[]any{1}, 0, 0},
}

// randomTraces gives the spans of many traces. Most of a trace have the same tracestate. Their resources, scopes and all else are
// those of the corpus, in its encoding.
func randomTraces(t testing.TB, r *rand.Rand) (list []traced) {
	t.Helper()
	var templates []encoded
	for _, e := range takeApart(t, request) {
		if !bytes.Contains(e.span, []byte("sampling.priority")) {
			templates = append(templates, e)
		}
	}
	for range traces {
		all := tested{randomHints(r), randomID(r)}
		for range 1 + r.IntN(6) {
			s := traced{tested: all}
			if r.IntN(20) == 0 {
				s.state = randomHints(r)
			}
			if r.IntN(6) == 0 {
				s.priority = oneOf(r, priorities...)
			}
			s.encode(t, len(list), oneOf(r, templates...), r.IntN(4) == 0)
			list = append(list, s)
		}
	}
	return list
}

// randomID gives a randomness of which some pass even the strictest, or one at the edge of what an agent keeps.
func randomID(r *rand.Rand) uint64 {
	if r.IntN(8) == 0 {
		t := sampling.FromProbability(float64(oneOf(r, percents...)) / 100)
		return (uint64(t) + r.Uint64N(3) - 1) & high
	}
	return 1<<56 - uint64(math.Exp2(56-12*r.Float64()))
}

// randomHints gives a tracestate, most often with th, with rv or with both. Some a trace contradicts.
func randomHints(r *rand.Rand) string {
	kind := r.IntN(10)
	switch kind {
	case 0, 1:
		return oneOf(r, "", "", "foo=1", "foo=1,a@b=c")
	case 2:
		return randomTraceState(r)
	case 8:
		return oneOf(r, "foo=1,ot=th:x", "ot=x:1;rv:1", "ot=th:", "foo,ot=th:8", "ot=th:8;rv:0123456789ABCD", fmt.Sprintf("ot=th:8;th:c;rv:%014x", randomID(r)))
	}
	ot := ""
	if kind != 3 {
		p := oneOf(r, 1, 0.9, 0.5, 0.25, 1.0/3, 0.1, 0.01, 0.003, 0.001)
		ot += ";th:" + string(sampling.FromProbability(p).AppendText(nil))
	}
	if kind < 6 {
		ot += fmt.Sprintf(";rv:%014x", randomID(r))
	}
	return oneOf(r, "", "", "foo=1,", "foo=1, bar=2,") + "ot=" + oneOf(r, ot[1:], "x:1"+ot)
}

// encode makes the span out of a template, whose ids, times and tracestate it replaces, with them in front of or behind all else. Each
// has a time of its own: two of Envoy's with one x-request-id and one start would be of one request, of which all is decided alike.
func (s *traced) encode(t testing.TB, n int, template encoded, behind bool) {
	t.Helper()
	trace := s.traceID()
	head := message(nil).bytes(fieldTraceID, trace[:]).bytes(fieldSpanID, numbered(n))
	if s.state != "" {
		head = head.text(fieldState, s.state)
	}
	rest := template.span
	for _, field := range []protowire.Number{fieldTraceID, fieldSpanID, fieldState} {
		rest, _ = split(t, rest, field)
	}
	if s.priority.value != nil {
		head = head.bytes(fieldAttribute, marshal(attrs("sampling.priority", s.priority.value)[0]))
	}
	if behind {
		head, rest = rest, head
	}
	start := 1_795_000_000_000_000_000 + uint64(n)*10_000_000
	span := append(head, rest...).fixed(fieldStart, start).fixed(fieldEnd, start+1_000_000) // the last ones count
	s.encoded = encoded{template.resource, template.scope, span}
}

// requestsOf gives the spans of list in about that many requests.
func requestsOf(list []traced, n int) (requests [][]byte) {
	for len(list) > 0 {
		some := list[:min(len(list), len(list)/n+1)]
		var spans []encoded
		for i := range some {
			spans = append(spans, some[i].encoded)
		}
		requests = append(requests, putTogether(spans))
		list, n = list[len(some):], max(n-1, 1)
	}
	return requests
}
