package bench

import (
	"context"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/alspan/alspan/bench/systems"
	"github.com/alspan/alspan/internal/wire"
)

// sequence is the conditions as a collector's filter processor has them.
func sequence(tb testing.TB) *ottl.ConditionSequence[*ottlspan.TransformContext] {
	tb.Helper()
	settings := component.TelemetrySettings{Logger: zap.NewNop()}
	parser, err := ottlspan.NewParser(ottlfuncs.StandardConverters[*ottlspan.TransformContext](), settings)
	if err != nil {
		tb.Fatal(err)
	}
	conditions, err := parser.ParseConditions(systems.Conditions)
	if err != nil {
		tb.Fatal(err)
	}
	s := ottlspan.NewConditionSequence(conditions, settings, ottlspan.WithConditionSequenceErrorMode(ottl.IgnoreError))
	return &s
}

// request is an ExportTraceServiceRequest with spans of one scope.
func request(spans [][]byte) []byte {
	var scope []byte
	for _, s := range spans {
		scope = wire.AppendBytes(scope, 2, s)
	}
	return wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 2, scope))
}

func decode(tb testing.TB, request []byte) ptrace.ResourceSpans {
	tb.Helper()
	traces, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(request)
	if err != nil {
		tb.Fatal(err)
	}
	return traces.ResourceSpans().At(0)
}

// drops asks a collector's conditions of the span i.
func drops(tb testing.TB, s *ottl.ConditionSequence[*ottlspan.TransformContext], r ptrace.ResourceSpans, i int) bool {
	scope := r.ScopeSpans().At(0)
	t := ottlspan.NewTransformContextPtr(r, scope, scope.Spans().At(i))
	defer t.Close()
	is, err := s.Eval(context.Background(), t)
	if err != nil {
		tb.Fatal(err)
	}
	return is
}
