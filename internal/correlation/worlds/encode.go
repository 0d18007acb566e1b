package worlds

import (
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/alspan/alspan/internal/correlation"
)

func text(s string) *commonpb.AnyValue_StringValue {
	return &commonpb.AnyValue_StringValue{StringValue: correlation.Hidden(s)}
}
