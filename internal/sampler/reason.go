package sampler

import (
	"sync/atomic"

	"github.com/alspan/alspan/internal/wire"
)

// Reason is what has decided. Those from firstRule on are rules.
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

// Name gives that of a reason of this sampler.
func (s *Sampler) Name(r Reason) string {
	switch {
	case r < firstRule:
		return reasonNames[r]
	case int(r-firstRule) < len(s.rules):
		return s.rules[r-firstRule].Name
	}
	return "" // of a sampler that had more rules
}

func (s *Sampler) reason(name string) (Reason, bool) {
	for r := range Reason(len(s.reasons)) {
		if s.Name(r) == name {
			return r, true
		}
	}
	return 0, false
}

// Reasons calls f for each reason with its counts.
func (s *Sampler) Reasons(f func(name string, kept, dropped int64)) {
	if s == nil {
		return
	}
	for r, c := range s.reasons {
		f(s.Name(Reason(r)), c.kept.Load(), c.dropped.Load())
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
