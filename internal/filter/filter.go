// Package filter takes encoded spans that are about to leave and gives what becomes of them: by conditions in OTTL, the language of
// the OpenTelemetry collector's filter processor (pkg/ottl of opentelemetry-collector-contrib), by presets, and by the traces of
// which something was dropped before.
//
// A condition is worked out in one of three ways. The few shapes that nearly all users write are compiled to a comparison of the
// span's bytes (quick); those that ask for fields by name are pkg/ottl's, over the same bytes (lazy); the rest, and values such as
// lists, need the span decoded, and are what they are in a collector (decoded). All three agree, which tests hold.
package filter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Options are what is filtered. A condition that matches drops the span.
type Options struct {
	ErrorMode string   // of conditions that fail: "ignore", "silent", "propagate"; "" is ignore
	Presets   []string // see Presets
	// Conditions of the collector's older form: of the resource, of the span, of its events. Paths have no prefix, or one.
	Resource, Span, SpanEvent []Condition
	// Groups are the collector's newer form. Without a context it is taken from the prefixes of the paths, which must be there.
	Groups []Group
	// DropTrace drops what matches and then, for a time, everything else of its trace. Paths have prefixes.
	DropTrace []Condition
	Traces    *Traces // which those are
	Log       *slog.Logger
}

// Condition is one, with the name by which it is counted and called in errors.
type Condition struct{ Name, Text string }

// Group is a list of conditions with a context (resource, scope, span, spanevent, or "") and an error mode of its own, or "".
type Group struct {
	Context, ErrorMode string
	Conditions         []Condition
}

// ConditionError is what New says of a condition: Name tells of which one.
type ConditionError struct {
	Name string
	Err  error
}

func (e *ConditionError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Unwrap gives what is wrong.
func (e *ConditionError) Unwrap() error { return e.Err }

// Verdict says what becomes of a span.
type Verdict uint8

const (
	Keep    Verdict = iota
	Drop            // a condition matches
	DropAll         // its trace is dropped: a condition of DropTrace matches, or has matched another span of the trace
	Failed          // a condition failed whose error mode is propagate
)

// Filter is all rules, compiled. It is shared by all goroutines, and never changes.
type Filter struct {
	rules []*Rule // of spans, those that drop traces first
	gates []gate  // theirs
	// traceRules is how many of them drop traces.
	traceRules int
	above      []*Rule // of resources and scopes
	events     []*Rule
	all        []*Rule // in the order of the configuration
	program    *program
	traces     *Traces
	selects    bool // it is a Selector's
	log        *slog.Logger
}

// Rule is one condition. Its counters may be read at any time.
type Rule struct {
	Condition
	Way       Way
	DropTrace bool
	*Counts

	mode  errorMode
	quick *quick
	lazy  lazily
	all   *whole
	above int // its place among those of resources and scopes
}

// Counts are what a rule has done. A rule that inherits has them in common with the one before, which may go on for a while.
type Counts struct {
	Hits   atomic.Int64 // spans, or events, that it dropped
	Errors atomic.Int64 // times that it failed

	warned atomic.Bool  // of a number that is compared with a text
	told   atomic.Int64 // when a failure was last logged, in Unix seconds
}

// Way says how a rule is worked out.
type Way uint8

const (
	Quick Way = iota
	Lazy
	Decoded
	PerResource // once for each resource and scope
)

func (w Way) String() string {
	return [...]string{"quick", "ottl", "ottl, decoded", "ottl, once per resource"}[w]
}

type errorMode uint8

const (
	ignore errorMode = iota
	silent
	propagate
)

var errorModes = map[string]errorMode{"": ignore, "ignore": ignore, "silent": silent, "propagate": propagate}

// New compiles. Every condition that cannot be used has its ConditionError in the error.
func New(o Options) (*Filter, error) {
	f := &Filter{program: new(program), traces: o.Traces, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	c, err := newCompiler(f)
	if err != nil {
		return nil, err
	}
	c.mode = errorModes[o.ErrorMode]
	c.dropTrace = true
	c.group(Group{Conditions: o.DropTrace})
	c.dropTrace = false
	for _, name := range o.Presets {
		c.preset(name)
	}
	c.older("resource", o.Resource)
	c.older("span", o.Span)
	c.older("spanevent", o.SpanEvent)
	for _, g := range o.Groups {
		c.group(g)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	f.program.seal()
	for _, r := range f.rules {
		g := gate(0)
		if r.quick != nil {
			g = r.quick.gate(f.program)
		}
		f.gates = append(f.gates, g)
	}
	return f, nil
}

// Rules gives all rules in the order of the configuration; those of DropTrace come first.
func (f *Filter) Rules() []*Rule {
	if f == nil {
		return nil
	}
	return f.all
}

// Traces gives the traces of which something was dropped, nil if none are remembered.
func (f *Filter) Traces() *Traces {
	if f == nil {
		return nil
	}
	return f.traces
}

// Empty tells whether no span is ever dropped or changed.
func (f *Filter) Empty() bool { return f == nil || len(f.all) == 0 }

// Inherit takes over what the rules of another filter have counted and still count, as far as they are the same; which place they
// had among others makes no difference. Nobody may use f yet.
func (f *Filter) Inherit(old *Filter) {
	left := slices.Clone(old.Rules())
	for _, r := range f.all {
		i := slices.IndexFunc(left, func(was *Rule) bool { return was.Text == r.Text && was.DropTrace == r.DropTrace })
		if i < 0 {
			continue
		}
		r.Counts = left[i].Counts
		left = slices.Delete(left, i, i+1)
	}
}

// mostError is how much of an error is logged.
const mostError = 512

// failed counts an error of a rule and tells whether the span must not go on because of it.
func (f *Filter) failed(r *Rule, err error) bool {
	r.Errors.Add(1)
	const pause = 60
	if now, last := time.Now().Unix(), r.told.Load(); r.mode != silent && now-last >= pause && r.told.CompareAndSwap(last, now) {
		text := err.Error() // may repeat a value of any size
		f.log.Warn("a condition failed; such errors are logged once a minute", "rule", r.Name, "condition", r.Text,
			"error", strings.ToValidUTF8(text[:min(len(text), mostError)], ""))
	}
	return r.mode == propagate
}

// mixed warns, once for each rule, of a number that is compared with a text: they are unequal, and in no order.
func (f *Filter) mixed(r *Rule, key string, text []byte) {
	if r.warned.CompareAndSwap(false, true) {
		f.log.Warn("a condition compares a number with an attribute that is a text, which holds for != alone; Envoy's own attributes are texts",
			"rule", r.Name, "condition", r.Text, "attribute", key, "value", string(text[:min(len(text), 64)]))
	}
}

var background = context.Background()
