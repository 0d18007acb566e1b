package filter

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
)

// Selector tells spans apart: by lists of conditions, for each of which one of a list may hold, and by attributes. It is shared by
// all goroutines, and never changes. Conditions that fail do not hold; that is logged and counted.
type Selector struct {
	f     *Filter
	lists [][]*Rule
	keys  []selectKey
}

// SelectOptions are what a Selector looks at.
type SelectOptions struct {
	Lists [][]Condition // paths have prefixes
	Keys  []string      // attributes of the span, or else of its resource
	Log   *slog.Logger
}

// selectKey has the slots of one attribute, of spans and of resources.
type selectKey struct{ span, resource uint8 }

// NewSelector compiles. Every condition that cannot be used has its ConditionError in the error.
func NewSelector(o SelectOptions) (*Selector, error) {
	s := &Selector{f: &Filter{program: new(program), log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), selects: true}}
	c, err := newCompiler(s.f)
	if err != nil {
		return nil, err
	}
	for _, key := range o.Keys { // before the conditions, which can do without slots
		k, err := s.key(key)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	for _, list := range o.Lists {
		before := len(s.f.all)
		c.group(Group{Conditions: list})
		s.lists = append(s.lists, s.f.all[before:])
	}
	for i, r := range s.f.above {
		r.above = i
	}
	for _, r := range s.f.events {
		c.errs = append(c.errs, &ConditionError{r.Name, fmt.Errorf("cannot decide on a span by a span event: %q", r.Text)})
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	s.f.program.seal()
	return s, nil
}

func (s *Selector) key(name string) (k selectKey, err error) {
	p, ok := s.f.program, false
	if k.span, ok = p.span.slot(name); !ok || !p.alias(name, k.span) {
		return k, fmt.Errorf("cannot look at the attribute %q: there are too many", name)
	}
	if k.resource, ok = p.resource.slot(name); !ok {
		return k, fmt.Errorf("cannot look at the attribute %q: there are too many", name)
	}
	return k, nil
}

// Rules gives all conditions, whose Errors count.
func (s *Selector) Rules() []*Rule { return s.f.all }

// Chooser is how one goroutine asks a Selector.
type Chooser struct {
	s *Selector
	e *Evaluator
}

// Chooser makes one; nil for a nil Selector.
func (s *Selector) Chooser() *Chooser {
	if s == nil {
		return nil
	}
	return &Chooser{s, s.f.evaluator()}
}

// See looks at an encoded Span, with what Look of an Evaluator is given. It keeps the span until the next call.
func (c *Chooser) See(span, head, scope []byte, made bool) {
	c.e.view.whole = nil // of the span before, many times as large
	c.e.see(span, head, scope, made)
	c.e.view.read(span, &c.s.f.program.span, made)
}

// Holds tells whether a condition of the list with that index holds for the span that was seen last.
func (c *Chooser) Holds(list int) bool {
	for _, r := range c.s.lists[list] {
		is, err := false, error(nil)
		if r.Way == PerResource {
			is = c.e.view.resource.holds[r.above]
		} else {
			is, err = c.e.matches(r)
		}
		if err != nil {
			c.s.f.failed(r, err)
		} else if is {
			r.Hits.Add(1)
			return true
		}
	}
	return false
}

// AppendKey appends the value of the key with that index as a text, nothing if there is none or if it is no single value.
func (c *Chooser) AppendKey(dst []byte, key int) []byte {
	k, v := c.s.keys[key], &c.e.view
	is := v.get(spanAttribute, k.span)
	if is.kind == isNil {
		is = v.get(resourceAttribute, k.resource)
	}
	switch is.kind {
	case isText:
		return append(dst, is.bytes...)
	case isInt:
		return strconv.AppendInt(dst, int64(is.bits), 10)
	case isFloat:
		return strconv.AppendFloat(dst, is.float(), 'g', -1, 64)
	case isBool:
		return strconv.AppendBool(dst, is.bits != 0)
	}
	return dst
}
