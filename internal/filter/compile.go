package filter

import (
	"errors"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlresource"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlscope"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspanevent"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"
)

// compiler makes rules of conditions. What a condition is, and whether it is one at all, is what the collector's own contexts say.
type compiler struct {
	f         *Filter
	mode      errorMode
	dropTrace bool
	errs      []error

	// Of the older form, and of the newer one, where the prefixes of the paths tell the context.
	resource  ottl.Parser[*ottlresource.TransformContext]
	span      ottl.Parser[*ottlspan.TransformContext]
	spanEvent ottl.Parser[*ottlspanevent.TransformContext]
	lazy      ottl.Parser[*View]
	newer     *ottl.ParserCollection[*whole]
	newerLazy *ottl.ParserCollection[lazily]
	numeric   map[string]bool // attributes that the condition at hand compares with numbers
}

// whole is a condition of the collector's own, in one context.
type whole struct {
	ofResource *ottl.Condition[*ottlresource.TransformContext]
	ofScope    *ottl.Condition[*ottlscope.TransformContext]
	ofSpan     *ottl.Condition[*ottlspan.TransformContext]
	ofEvent    *ottl.Condition[*ottlspanevent.TransformContext]
}

// lazily is a condition over the bytes of a span.
type lazily func(*View) (bool, error)

func newCompiler(f *Filter) (*compiler, error) {
	c := &compiler{f: f}
	settings := component.TelemetrySettings{Logger: zap.NewNop()}
	spanFuncs := ottlfuncs.StandardConverters[*ottlspan.TransformContext]()
	isRoot := ottlfuncs.NewIsRootSpanFactoryNew()
	spanFuncs[isRoot.Name()] = isRoot
	resourceFuncs := ottlfuncs.StandardConverters[*ottlresource.TransformContext]()
	eventFuncs := ottlfuncs.StandardConverters[*ottlspanevent.TransformContext]()
	var errs [4]error
	c.resource, errs[0] = ottlresource.NewParser(resourceFuncs, settings)
	c.span, errs[1] = ottlspan.NewParser(spanFuncs, settings)
	c.spanEvent, errs[2] = ottlspanevent.NewParser(eventFuncs, settings)
	c.lazy, errs[3] = ottl.NewParser(lazyFunctions(), c.path, settings, ottl.WithEnumParser[*View](enum))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("cannot make the parsers of OTTL: %w", err)
	}

	namedResource, err1 := ottlresource.NewParser(resourceFuncs, settings, ottlresource.EnablePathContextNames())
	namedScope, err2 := ottlscope.NewParser(ottlfuncs.StandardConverters[*ottlscope.TransformContext](), settings, ottlscope.EnablePathContextNames())
	namedSpan, err3 := ottlspan.NewParser(spanFuncs, settings, ottlspan.EnablePathContextNames())
	namedEvent, err4 := ottlspanevent.NewParser(eventFuncs, settings, ottlspanevent.EnablePathContextNames())
	namedLazy, err5 := ottl.NewParser(lazyFunctions(), c.path, settings, ottl.WithEnumParser[*View](enum),
		ottl.WithPathContextNames[*View]([]string{ottlspan.ContextName, ottlresource.ContextName, ottlscope.ContextName, "instrumentation_scope", "otelcol"}))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, fmt.Errorf("cannot make the parsers of OTTL: %w", err)
	}
	var err error
	c.newer, err = ottl.NewParserCollection(settings,
		ottl.WithParserCollectionContext(ottlresource.ContextName, &namedResource, ottl.WithConditionConverter(func(_ *ottl.ParserCollection[*whole], _ ottl.ConditionsGetter, l []*ottl.Condition[*ottlresource.TransformContext]) (*whole, error) {
			return &whole{ofResource: l[0]}, nil
		})),
		ottl.WithParserCollectionContext(ottlscope.ContextName, &namedScope, ottl.WithConditionConverter(func(_ *ottl.ParserCollection[*whole], _ ottl.ConditionsGetter, l []*ottl.Condition[*ottlscope.TransformContext]) (*whole, error) {
			return &whole{ofScope: l[0]}, nil
		})),
		ottl.WithParserCollectionContext(ottlspan.ContextName, &namedSpan, ottl.WithConditionConverter(func(_ *ottl.ParserCollection[*whole], _ ottl.ConditionsGetter, l []*ottl.Condition[*ottlspan.TransformContext]) (*whole, error) {
			return &whole{ofSpan: l[0]}, nil
		})),
		ottl.WithParserCollectionContext(ottlspanevent.ContextName, &namedEvent, ottl.WithConditionConverter(func(_ *ottl.ParserCollection[*whole], _ ottl.ConditionsGetter, l []*ottl.Condition[*ottlspanevent.TransformContext]) (*whole, error) {
			return &whole{ofEvent: l[0]}, nil
		})))
	if err != nil {
		return nil, fmt.Errorf("cannot make the parsers of OTTL: %w", err)
	}
	c.newerLazy, err = ottl.NewParserCollection(settings,
		ottl.WithParserCollectionContext(ottlspan.ContextName, &namedLazy, ottl.WithConditionConverter(func(_ *ottl.ParserCollection[lazily], _ ottl.ConditionsGetter, l []*ottl.Condition[*View]) (lazily, error) {
			return evalLazily(l[0]), nil
		})))
	return c, err
}

func evalLazily(c *ottl.Condition[*View]) lazily {
	return func(v *View) (bool, error) { return c.Eval(background, v) }
}

// older takes conditions of the older form in one context.
func (c *compiler) older(context string, list []Condition) {
	for _, x := range list {
		var w whole
		var err error
		switch context {
		case "resource":
			w.ofResource, err = c.resource.ParseCondition(x.Text)
		case "spanevent":
			w.ofEvent, err = c.spanEvent.ParseCondition(x.Text)
		default:
			w.ofSpan, err = c.span.ParseCondition(x.Text)
		}
		c.add(x, &w, err, func() (lazily, error) {
			l, err := c.lazy.ParseCondition(x.Text)
			if err != nil {
				return nil, err
			}
			return evalLazily(l), nil
		})
	}
}

// group takes conditions of the newer form.
func (c *compiler) group(g Group) {
	before := c.mode
	defer func() { c.mode = before }()
	if g.ErrorMode != "" {
		c.mode = errorModes[g.ErrorMode]
	}
	for _, x := range g.Conditions {
		getter := ottl.NewConditionsGetter([]string{x.Text})
		var w *whole
		var err error
		if g.Context == "" {
			w, err = c.newer.ParseConditions(getter)
		} else {
			w, err = c.newer.ParseConditionsWithContext(g.Context, getter, true)
		}
		c.add(x, w, err, func() (lazily, error) {
			return c.newerLazy.ParseConditionsWithContext(ottlspan.ContextName, getter, true)
		})
	}
}

func (c *compiler) preset(name string) {
	for _, p := range Presets[name] {
		c.group(Group{Context: "span", Conditions: []Condition{{Name: "presets." + name + "." + p.name, Text: p.text}}})
	}
}

// add makes the rule of a condition.
func (c *compiler) add(x Condition, w *whole, err error, lazy func() (lazily, error)) {
	if err != nil {
		c.errs = append(c.errs, &ConditionError{x.Name, fmt.Errorf("cannot parse the condition %q: %w", x.Text, err)})
		return
	}
	if c.dropTrace && w.ofEvent != nil {
		c.errs = append(c.errs, &ConditionError{x.Name, fmt.Errorf("cannot drop a trace by a span event: %q", x.Text)})
		return
	}
	if asksCollector(x.Text) {
		c.errs = append(c.errs, &ConditionError{x.Name, fmt.Errorf("cannot know otelcol, which is about requests to a collector: %q", x.Text)})
		return
	}
	r := &Rule{Condition: x, DropTrace: c.dropTrace, mode: c.mode, all: w, Way: Decoded, Counts: new(Counts)}
	c.f.all = append(c.f.all, r)
	switch {
	case w.ofResource != nil || w.ofScope != nil:
		r.Way = PerResource
		c.f.above = append(c.f.above, r)
		return
	case w.ofEvent != nil:
		c.f.events = append(c.f.events, r)
		return
	}
	if c.f.rules = append(c.f.rules, r); r.DropTrace {
		c.f.traceRules++
	}
	c.numeric = numericAttributes(x.Text)
	if l, err := lazy(); err == nil {
		r.lazy, r.Way = l, Lazy
	} else {
		c.aliases() // they must be there if the span is decoded
	}
	if e := compile(x.Text); e != nil {
		if q, ok := c.f.program.quickly(r, e); ok {
			r.quick, r.Way = &q, Quick
		}
	}
}

// aliases gives all of them slots.
func (c *compiler) aliases() {
	for name := range aliases {
		if slot, ok := c.f.program.span.slot(name); ok {
			c.f.program.alias(name, slot)
		}
	}
}

// asksCollector tells whether a condition has a path of the context otelcol.
func asksCollector(condition string) bool {
	list, _ := scan(condition)
	for i, t := range list {
		if t.text == "otelcol" && (i == 0 || list[i-1].text != ".") && i+1 < len(list) && list[i+1].text == "." {
			return true
		}
	}
	return false
}

// numericAttributes gives the attributes of the span that a condition compares with a number.
func numericAttributes(condition string) map[string]bool {
	found := map[string]bool{}
	list, _ := scan(condition)
	for i, t := range list {
		if _, is := comparisons[t.text]; !is || t.kind != "op" {
			continue
		}
		left, right := list[:i], list[i+1:]
		if len(right) > 0 && (right[0].kind == "int" || right[0].kind == "float") && len(left) > 3 {
			p := parser{rest: left[len(left)-4:]}
			if f := p.path(); f.of == spanAttribute {
				found[f.key] = true
			}
		}
		if len(left) > 0 && (left[len(left)-1].kind == "int" || left[len(left)-1].kind == "float") {
			p := parser{rest: right}
			if f := p.path(); f.of == spanAttribute {
				found[f.key] = true
			}
		}
	}
	return found
}
