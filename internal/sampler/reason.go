package sampler

import (
	"sync/atomic"

	"github.com/alspan/alspan/internal/wire"
)

// Reason is what has decided, below 4096. Those from firstRule on are rules, of the sampler that gave them: another one, after a
// change of the configuration, has other numbers for its rules.
type Reason uint16

const (
	ByProbability Reason = iota
	ByNoContext
	ByPriority
	ByDebug
	ByErrorsAlways
	ByUnsampled
	ByBudget
	ByStress
	firstRule
)

var reasonNames = [firstRule]string{"probability", "no_context", "priority", "debug", "errors_always", "unsampled", "budget", "stress"}

// ReasonNames gives the names that no rule may have.
func ReasonNames() []string { return reasonNames[:] }

// The numbers of a sampler's rules begin at one of so many places, each of which has room for all of them.
const (
	mostRules   = 256
	generations = 15
)

// index gives the place of a reason among those of this sampler, false for a rule of another one.
func (s *Sampler) index(r Reason) (Reason, bool) {
	if r < firstRule {
		return r, true
	}
	if i := r - s.first; int(i) < len(s.rules) {
		return firstRule + i, true
	}
	return 0, false
}

// Name gives that of a reason of this sampler, nothing for a rule of another one.
func (s *Sampler) Name(r Reason) string {
	if i, ok := s.index(r); ok {
		return s.name(i)
	}
	return ""
}

// name gives that of the reason at a place.
func (s *Sampler) name(index Reason) string {
	if index < firstRule {
		return reasonNames[index]
	}
	return s.rules[index-firstRule].Name
}

// find gives the place of the reason with that name.
func (s *Sampler) find(name string) (Reason, bool) {
	for i := range Reason(len(s.reasons)) {
		if s.name(i) == name {
			return i, true
		}
	}
	return 0, false
}

// Reasons calls f for each reason with its counts.
func (s *Sampler) Reasons(f func(name string, kept, dropped int64)) {
	if s == nil {
		return
	}
	for i, c := range s.reasons {
		f(s.name(Reason(i)), c.kept.Load(), c.dropped.Load())
	}
}

type counts struct{ kept, dropped atomic.Int64 }

// RuleAttribute is the attribute that names what has decided.
const RuleAttribute = "alspan.sampling.rule"

const (
	spanTraceState = 3
	spanAttributes = 9
)

// attributeOf gives a Span's field with that attribute: message KeyValue { string key = 1; AnyValue value = 2; }
func attributeOf(reason string) []byte {
	value := wire.AppendBytes(nil, 1, reason)
	return wire.AppendBytes(nil, spanAttributes, wire.AppendBytes(wire.AppendBytes(nil, 1, RuleAttribute), 2, value))
}
