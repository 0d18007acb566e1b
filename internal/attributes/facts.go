package attributes

import (
	"regexp"
	"slices"
)

// facts is what patterns say of a key.
type facts struct {
	matches []bool // by the index of Actions.patterns
	acted   bool   // one of these
	masked  bool   // values are to be looked at
	blocked bool   // and masked whatever they are
}

func (a *Actions) factsOf(key []byte) *facts {
	f := &facts{}
	for _, re := range a.patterns {
		f.matches = append(f.matches, re.Match(key))
	}
	f.acted = slices.Contains(f.matches, true)
	if r := a.redact; r != nil && !r.ignored[string(key)] {
		f.blocked = slices.ContainsFunc(r.keys, func(re *regexp.Regexp) bool { return re.Match(key) })
		f.masked = f.blocked || len(r.values) > 0
	}
	return f
}

// An Editor remembers the facts of so many keys, if they are not longer. Usual spans have some dozens.
const (
	keepFacts = 256
	keepKey   = 64
)

// factsOf gives what patterns say of the key of f.
func (e *Editor) factsOf(f *field) *facts {
	switch {
	case f.id >= 0:
		return e.a.keys[f.id].facts
	case e.a.common != nil:
		return e.a.common
	}
	known, ok := e.facts[string(f.key)]
	if ok {
		return known
	}
	known = e.a.factsOf(f.key)
	if len(f.key) <= keepKey {
		if len(e.facts) == keepFacts {
			clear(e.facts)
		}
		e.facts[string(f.key)] = known
	}
	return known
}
