package parity

import (
	"context"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type ottlCondition = ottl.Condition[*ottlspan.TransformContext]

// newParser gives the collector's parser of conditions, with the functions that its filter has for spans.
func newParser() (ottl.Parser[*ottlspan.TransformContext], error) {
	functions := ottlfuncs.StandardConverters[*ottlspan.TransformContext]()
	root := ottlfuncs.NewIsRootSpanFactoryNew()
	functions[root.Name()] = root
	return ottlspan.NewParser(functions, silent)
}

// parse reads a condition as the collector does.
func parse(condition string) (*ottlCondition, error) {
	p, err := newParser()
	if err != nil {
		return nil, err
	}
	c, err := p.ParseCondition(condition)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return c, nil
}

// evaluate is verdict of the collector, on a condition that was parsed.
func (s *sample) evaluate(ctx context.Context, c *ottlCondition) (drop bool, err error) {
	td, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(s.request())
	if err != nil {
		return false, err
	}
	rs := td.ResourceSpans().At(0)
	tc := ottlspan.NewTransformContextPtr(rs, rs.ScopeSpans().At(0), rs.ScopeSpans().At(0).Spans().At(0))
	defer tc.Close()
	return c.Eval(ctx, tc)
}
