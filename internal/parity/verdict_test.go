package parity

import (
	"errors"
	"fmt"

	"github.com/alspan/alspan/internal/filter"
)

// errRefused is wrapped by the errors of a condition that is refused before any span comes.
var errRefused = errors.New("condition refused")

// judge tells whether a condition drops a span. The span, its resource and its scope are encoded messages of OTLP. An error is one
// of this span.
type judge func(resource, scope, span []byte) (drop bool, err error)

// alspanJudge gives alspan's of a condition on spans in the legacy form, and the way in which it works the condition out.
func alspanJudge(condition string) (judge, filter.Way, error) {
	f, err := filter.New(filter.Options{ErrorMode: "propagate", Span: []filter.Condition{{Name: "condition", Text: condition}}})
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errRefused, err)
	}
	return func(resource, scope, span []byte) (bool, error) {
		// As they are in ResourceSpans and ScopeSpans.
		switch v := f.Evaluator().Look(span, message(nil).bytes(1, resource), message(nil).bytes(1, scope), false); v {
		case filter.Keep:
			return false, nil
		case filter.Drop:
			return true, nil
		default:
			return false, fmt.Errorf("cannot evaluate condition: verdict %d", v)
		}
	}, f.Rules()[0].Way, nil
}
