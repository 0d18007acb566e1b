package parity

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// conditions is the collector's parser, with the functions that its filter has for spans.
var conditions = func() ottl.Parser[*ottlspan.TransformContext] {
	functions := ottlfuncs.StandardConverters[*ottlspan.TransformContext]()
	root := ottlfuncs.NewIsRootSpanFactoryNew()
	functions[root.Name()] = root
	p, err := ottlspan.NewParser(functions, silent)
	if err != nil {
		panic(err)
	}
	return p
}()

// parsed is the condition that was parsed last, which takes longer than to evaluate it.
var parsed struct {
	text string
	c    *ottl.Condition[*ottlspan.TransformContext]
	err  error
}

// collectorVerdict is verdict of the collector.
func collectorVerdict(ctx context.Context, condition string, resource, scope, span []byte) (drop bool, err error) {
	if parsed.c == nil && parsed.err == nil || parsed.text != condition {
		parsed.text = condition
		parsed.c, parsed.err = conditions.ParseCondition(condition)
	}
	if parsed.err != nil {
		return false, fmt.Errorf("%w: %w", errRefused, parsed.err)
	}
	s := sample{condition, resource, scope, span}
	td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(s.request())
	if err != nil {
		return false, err
	}
	rs := td.ResourceSpans().At(0)
	tc := ottlspan.NewTransformContextPtr(rs, rs.ScopeSpans().At(0), rs.ScopeSpans().At(0).Spans().At(0))
	defer tc.Close()
	return parsed.c.Eval(ctx, tc)
}
