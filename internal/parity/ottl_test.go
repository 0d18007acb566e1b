package parity

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// collectorJudge gives the collector's judge of a condition, with the functions that its filter has for spans.
func collectorJudge(ctx context.Context, condition string) (judge, error) {
	functions := ottlfuncs.StandardConverters[*ottlspan.TransformContext]()
	root := ottlfuncs.NewIsRootSpanFactoryNew()
	functions[root.Name()] = root
	p, err := ottlspan.NewParser(functions, silent)
	if err != nil {
		return nil, err
	}
	c, err := p.ParseCondition(condition)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return func(resource, scope, span []byte) (bool, error) {
		s := sample{resource: resource, scope: scope, span: span}
		td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(s.request())
		if err != nil {
			return false, err
		}
		rs := td.ResourceSpans().At(0)
		tc := ottlspan.NewTransformContextPtr(rs, rs.ScopeSpans().At(0), rs.ScopeSpans().At(0).Spans().At(0))
		defer tc.Close()
		return c.Eval(ctx, tc)
	}, nil
}
