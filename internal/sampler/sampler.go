// Package sampler takes encoded spans that are about to leave and gives which of them are kept, and why: by ordered rules, by a
// probability that is a matter of the trace id alone, and by what there is room for.
//
// Whatever the probability is, and wherever it comes from, it is a threshold on the trace's randomness (package sampling). So agents
// with different rules, budgets and pressure keep traces that nest: what the strictest of them keeps is whole.
package sampler

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/sampling"
)

// Options are how is sampled. Probabilities are from 0 to 1.
type Options struct {
	Mode        sampling.Mode
	Probability float64
	NoContext   float64 // of requests without any trace context
	Upstream    float64 // of spans that come without th, 0 if that is not known
	Rules       []Rule
	Spans       int   // a second, 0 for any number
	Bytes       int64 // a second, 0 for any number
	StressAbove int   // percent of memory in use, 0 for never
	Unsampled   bool  // there are Subjects that are Unsampled
	WriteTH     bool
	WriteReason bool
	Log         *slog.Logger
}

// Rule is what is decided of spans that match: those that Error, SlowerThan and Conditions all hold for, as far as they are set.
type Rule struct {
	Name       string
	Error      bool
	SlowerThan time.Duration
	Conditions []filter.Condition // alternatives
	Action     Action
	// Of Probability.
	Probability float64
	// Of Dynamic: one of GoalRate is kept, and rather those whose attributes have rare values.
	GoalRate int
	Keys     []string
}

// Action is what becomes of spans that match a rule.
type Action uint8

const (
	Keep Action = iota
	Drop
	Probability
	Dynamic
)

// ParseAction gives the action with that name in configuration.
func ParseAction(name string) (Action, bool) {
	i := slices.Index([]string{"keep", "drop", "probability", "dynamic"}, name)
	return Action(i), i >= 0
}

// Sampler is shared by all goroutines; each has a Judge.
type Sampler struct {
	o         Options
	base      sampling.Threshold // of Probability
	bare      sampling.Threshold // of NoContext
	upstream  sampling.Threshold
	known     bool // upstream is
	rules     []rule
	selector  *filter.Selector // nil if no rule asks for attributes
	budget    *Budget          // nil if there is none
	stress    *Stress          // nil if nobody cares
	attribute [][]byte         // by reason, as a field of a Span
	reasons   []*counts
	first     Reason     // number of the first rule
	ticking   sync.Mutex // held while budget and stress are looked at anew, and at the end
}

// New makes a sampler. It gives nil where nothing is ever sampled. A condition that cannot be used has its filter.ConditionError in
// the error.
func New(o Options) (*Sampler, error) {
	if len(o.Rules) > mostRules {
		return nil, fmt.Errorf("cannot have %d rules: there may be %d", len(o.Rules), mostRules)
	}
	s := &Sampler{o: o, first: firstRule}
	s.base, s.bare = s.threshold(o.Probability), s.threshold(o.NoContext)
	if o.Upstream > 0 {
		s.upstream, s.known = sampling.FromProbability(o.Upstream), true
	}
	if o.Spans > 0 || o.Bytes > 0 {
		s.budget = newBudget(o.Spans, o.Bytes)
	}
	if o.StressAbove > 0 {
		s.stress = newStress(o.StressAbove, o.Log)
	}
	if err := s.compile(); err != nil {
		return nil, err
	}
	for i := range firstRule + Reason(len(s.rules)) {
		s.attribute = append(s.attribute, attributeOf(s.name(i)))
		s.reasons = append(s.reasons, new(counts))
	}
	if s.base == sampling.Always && s.bare == sampling.Always && len(s.rules) == 0 && s.budget == nil && s.stress == nil && !o.Unsampled {
		return nil, nil
	}
	return s, nil
}

// threshold gives that of a probability. What is multiplied is rounded afterwards.
func (s *Sampler) threshold(p float64) sampling.Threshold {
	if s.o.Mode == sampling.Proportional {
		return sampling.Exactly(p)
	}
	return sampling.FromProbability(p)
}

// compile makes the rules.
func (s *Sampler) compile() error {
	look := filter.SelectOptions{Log: s.o.Log}
	asks := false
	for i := range s.o.Rules {
		r := rule{Rule: &s.o.Rules[i], list: -1, threshold: s.threshold(s.o.Rules[i].Probability)}
		if r.Action == Dynamic {
			r.dynamic = newFrequencies(r.GoalRate)
		}
		if len(r.Conditions) > 0 {
			r.list = len(look.Lists)
			look.Lists = append(look.Lists, r.Conditions)
		}
		for _, key := range r.Keys {
			at := slices.Index(look.Keys, key)
			if at < 0 {
				at = len(look.Keys)
				look.Keys = append(look.Keys, key)
			}
			r.keys = append(r.keys, at)
		}
		asks = asks || r.list >= 0 || len(r.keys) > 0
		s.rules = append(s.rules, r)
	}
	if !asks {
		return nil
	}
	var err error
	if s.selector, err = filter.NewSelector(look); err != nil {
		return err // has all conditions that cannot be used
	}
	return nil
}

// Inherit takes over from the sampler before what was counted, what is known of frequencies, and how strict the budget and the memory
// have made it. Either may be nil. Nobody may use s yet.
func (s *Sampler) Inherit(old *Sampler) {
	if s == nil || old == nil {
		return
	}
	old.ticking.Lock()
	defer old.ticking.Unlock()
	if s.first = old.first; !reflect.DeepEqual(s.o.Rules, old.o.Rules) {
		s.first = firstRule + (old.first-firstRule+mostRules)%(generations*mostRules)
	}
	for i := range Reason(len(s.reasons)) {
		if was, ok := old.find(s.name(i)); ok {
			s.reasons[i] = old.reasons[was]
		}
	}
	for i := range s.rules {
		was, ok := old.find(s.rules[i].Name)
		if ok && was >= firstRule {
			s.rules[i].inherit(&old.rules[was-firstRule])
		}
	}
	if s.budget != nil && old.budget != nil {
		s.budget.inherit(old.budget)
	}
	if s.stress != nil && old.stress != nil {
		s.stress.inherit(old.stress)
	}
}

// Tick is to be called every Interval, with how much of the memory is in use, in percent.
func (s *Sampler) Tick(percent int) {
	if s == nil {
		return
	}
	s.ticking.Lock()
	defer s.ticking.Unlock()
	if s.budget != nil {
		s.budget.tick()
	}
	if s.stress != nil {
		s.stress.tick(percent)
	}
}

// Interval is that of Tick.
const Interval = 250 * time.Millisecond

// Active tells whether anything is sampled at the moment. While nothing is, no span needs to be judged, but for those that are
// Unsampled.
func (s *Sampler) Active() bool {
	return s != nil && (s.base != sampling.Always || s.bare != sampling.Always || s.ByRequest())
}

// ByRequest tells whether what is decided depends on more than the trace id: then all of a request has to follow one decision.
func (s *Sampler) ByRequest() bool {
	return s != nil && (len(s.rules) > 0 || s.budget != nil || s.stress != nil && s.stress.Threshold() != sampling.Always)
}

// Rules gives the conditions of all rules, whose Errors count.
func (s *Sampler) Rules() []*filter.Rule {
	if s == nil || s.selector == nil {
		return nil
	}
	return s.selector.Rules()
}

// Thresholds gives how strict the budget, what is over it alone, and the memory make the sampler.
func (s *Sampler) Thresholds() (budget, forced, stress sampling.Threshold) {
	if s == nil {
		return 0, 0, 0
	}
	if s.budget != nil {
		budget, forced = s.budget.threshold(false), s.budget.threshold(true)
	}
	if s.stress != nil {
		stress = s.stress.Threshold()
	}
	return budget, forced, stress
}
