package parity

import (
	"math"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// dice are choices that are read from bytes, one a choice; when these are used up, all further ones are the first. So fewer
// or smaller bytes are a simpler thing of the same kind.
type dice []byte

// roll gives a number below n, which is at most 256.
func (d *dice) roll(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

// pick gives one of list.
func pick[T any](d *dice, list ...T) T { return list[d.roll(len(list))] }

// What conditions and spans have in common, so that they meet.
var (
	keys  = []string{"a", "b", "n", "m", "l", "k", "u", "x.y"}
	texts = []string{"a", "", "b", "ab", "GET", "42", "2.5", "true", "a-b", "é", "A B", "[1]", "\n"}
	ints  = []int{0, 1, 2, 3, 42, -1, 500, 1 << 53, math.MaxInt64, math.MinInt64}
	reals = []float64{0, 1, 2.5, 42, -1, 1e21, 0.1, 500, 1 << 53}
)

// randomSpan gives an encoded span with its resource and scope.
func randomSpan(d *dice) (resourceBytes, scopeBytes, spanBytes []byte) {
	s := span(pick(d, "a", "GET", "GET /a", "", "ab"), tracepb.Span_SpanKind(pick(d, 2, 3, 1, 0, 4, 5, 9)), pick(d, ms, 0, 2*ms, 1500*ms, -ms))
	identify([]*tracepb.ResourceSpans{from(nil, by("", "", s))})
	s.Attributes = randomAttributes(d)
	s.TraceState = pick(d, "", "a=1,b=2", "a=", "bad")
	if d.roll(3) == 1 {
		root(s)
		s.TraceId = id(orderTrace)
	}
	if d.roll(2) == 1 {
		s.Status = &tracepb.Status{Code: tracepb.Status_StatusCode(d.roll(4)), Message: pick(d, "", "a", "failed")}
	}
	s.Flags, s.DroppedAttributesCount = uint32(pick(d, 0, 1, 257)), uint32(d.roll(3))
	if d.roll(4) == 1 {
		withEvents(s)
	}
	if d.roll(4) == 1 {
		withLinks(s)
	}
	r := resource()
	r.Attributes = randomAttributes(d)
	scope := by(pick(d, "a", "", "envoy"), pick(d, "", "1", "a"), s).Scope
	scope.Attributes = randomAttributes(d)
	return marshal(r), marshal(scope), marshal(s)
}

func randomAttributes(d *dice) []*commonpb.KeyValue {
	var pairs []any
	for range d.roll(7) {
		pairs = append(pairs, pick(d, keys...), randomValue(d, 2))
	}
	return attrs(pairs...)
}

// randomValue gives a value with at most that many levels of lists and maps.
func randomValue(d *dice, depth int) any {
	switch d.roll(10) {
	case 0, 1:
		return pick(d, texts...)
	case 2, 3:
		return pick(d, ints...)
	case 4:
		return pick(d, append([]float64{math.NaN(), math.Inf(1), math.Copysign(0, -1)}, reals...)...)
	case 5:
		return d.roll(2) == 1
	case 6:
		return pick(d, []byte("a"), []byte{}, []byte{0xff, 0})
	case 7:
		return nil
	case 8:
		list := []any{}
		for range d.roll(3) {
			if depth > 0 {
				list = append(list, randomValue(d, depth-1))
			}
		}
		return list
	}
	o := object{}
	for range d.roll(3) {
		if depth > 0 {
			o = append(o, pick(d, keys...), randomValue(d, depth-1))
		}
	}
	return o
}
