package agent

import (
	"errors"
	"log/slog"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/alspan/alspan/internal/attributes"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// newRules makes the rules that c describes, nil if there are none. What old ones have counted and remember goes on, as far as the
// configuration does.
func newRules(c *config.Config, old *rules, log *slog.Logger) (*rules, error) {
	r := &rules{resources: newResources()}
	var errs [3]error
	r.filter, errs[0] = newFilter(c, old, log)
	redaction := attributes.Redaction{HashFunction: c.Redaction.HashFunction, BlockedValues: values(c.Redaction.BlockedValues),
		BlockedKeyPatterns: values(c.Redaction.BlockedKeyPatterns), IgnoredKeys: values(c.Redaction.IgnoredKeys)}
	r.span, errs[1] = attributes.New(actions(c.Attributes.Actions), redaction)
	r.resource, errs[2] = attributes.New(actions(c.Resource.Attributes), redaction)
	r.scope, _ = attributes.New(nil, redaction) // it has just been found good
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if r.filter.Empty() && r.span == nil && r.resource == nil {
		return nil, nil
	}
	if old != nil {
		r.filter.Inherit(old.filter)
	}
	return r, nil
}

func newFilter(c *config.Config, old *rules, log *slog.Logger) (*filter.Filter, error) {
	texts := map[string]config.Text{}
	conditions := func(list []config.Text) []filter.Condition { return conditionsOf(list, texts) }
	f := &c.Filter
	o := filter.Options{ErrorMode: f.ErrorMode, Presets: f.Presets, Resource: conditions(f.Traces.Resource), Span: conditions(f.Traces.Span),
		SpanEvent: conditions(f.Traces.SpanEvent), DropTrace: conditions(f.DropTrace.Conditions), Log: log}
	for _, g := range f.TraceConditions {
		o.Groups = append(o.Groups, filter.Group{Context: g.Context, ErrorMode: g.ErrorMode, Conditions: conditions(g.Conditions)})
	}
	if len(o.DropTrace) > 0 {
		o.Traces = tracesOf(&f.DropTrace, old)
	}
	made, err := filter.New(o)
	if err == nil {
		return made, nil
	}
	return nil, conditionProblems(c, err, texts, "the filters")
}

// tracesOf keeps what is remembered of traces, unless how many or for how long has changed.
func tracesOf(c *config.DropTrace, old *rules) *filter.Traces {
	if old != nil {
		if t := old.filter.Traces(); t.Is(c.Traces, c.For) {
			return t
		}
	}
	return filter.NewTraces(c.Traces, c.For)
}

func unjoin(err error) []error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return list.Unwrap()
	}
	return []error{err}
}

func values(list []config.Text) (all []string) {
	for _, t := range list {
		all = append(all, t.Value)
	}
	return all
}

func actions(list []config.Action) (all []attributes.Action) {
	for _, a := range list {
		all = append(all, attributes.Action{Key: a.Key, Pattern: a.Pattern, Action: a.Action, FromAttribute: a.FromAttribute, ConvertedType: a.ConvertedType, Value: a.Value})
	}
	return all
}

// resources are those of spans, as the rules change them: each is changed once, but for a large one, which is made anew each time it
// comes and would not be found again.
type resources struct {
	known *lru.Cache[*ring.Resource, *ring.Resource]
}

const (
	mostChanged   = 4096
	largeResource = 32 << 10
)

func newResources() *resources {
	known, _ := lru.New[*ring.Resource, *ring.Resource](mostChanged) // fails for sizes below one only
	return &resources{known}
}

func (s *resources) of(r *ring.Resource, resource, scope *attributes.Editor) *ring.Resource {
	if changed, ok := s.known.Get(r); ok {
		return changed
	}
	changed := &ring.Resource{Head: changedFirst(r.Head, resource.Resource), Scope: r.Scope}
	if scope != nil {
		changed.Scope = changedFirst(r.Scope, scope.Scope)
	}
	if len(r.Head)+len(r.Scope) > largeResource || len(changed.Head) > 2*largeResource {
		return changed
	}
	if first, ok, _ := s.known.PeekOrAdd(r, changed); ok {
		return first
	}
	return changed
}

// changedFirst gives the fields of a ResourceSpans or a ScopeSpans with the message of field 1, the Resource or the scope, changed. It
// may be there in pieces, or not at all.
func changedFirst(fields []byte, change func([]byte) []byte) []byte {
	const first = 1
	var message, others []byte
	wire.EachField(fields, func(key uint32, value, field []byte) {
		if key == first<<3|wire.Bytes {
			message = append(message, value...)
		} else {
			others = append(others, field...)
		}
	})
	changed := change(message)
	if len(message) == 0 && len(changed) == 0 {
		return fields
	}
	return append(wire.AppendBytes(nil, first, changed), others...)
}
