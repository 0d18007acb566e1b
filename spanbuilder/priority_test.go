package spanbuilder

import (
	"math"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

func TestPriority(t *testing.T) {
	number := func(n int64) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}
	}
	double := func(f float64) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: f}}
	}
	text := func(s string) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
	}
	for _, tt := range []struct {
		value *commonpb.AnyValue
		want  int8
	}{
		{number(1), 1}, {number(2), 1}, {number(0), -1}, {number(-1), -1},
		{double(0.5), 1}, {double(0), -1}, {double(-0.5), -1}, {double(math.NaN()), 0}, {double(math.Inf(1)), 1},
		{text("1"), 1}, {text("0.5"), 1}, {text("0"), -1}, {text("-1"), -1}, {text("NaN"), 0}, {text(""), 0}, {text("high"), 0}, {text("1e999"), 0},
		{nil, 0},
	} {
		b, err := proto.Marshal(&tracepb.Span{Attributes: []*commonpb.KeyValue{{Key: "sampling.priority", Value: tt.value}}})
		if err != nil {
			t.Fatal(err)
		}
		var s wire.Span
		var look Spans
		var item Item
		s.Walk(b)
		look.Look(&item, &s, NewOrigins().Find(nil, nil), propagation.TraceParent, 1)
		if item.Priority != tt.want {
			t.Errorf("%v is %d, not %d", tt.value, item.Priority, tt.want)
		}
	}
}
