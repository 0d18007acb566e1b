package attributes

import "slices"

// facts is what patterns say of a key, and whether its attributes are of interest for that.
type facts struct {
	matches          []bool // by the index of Actions.patterns
	blocked, ignored bool
	wanted           bool
}

func (a *Actions) factsOf(key []byte) *facts {
	f := &facts{}
	for _, re := range a.patterns {
		f.matches = append(f.matches, re.Match(key))
	}
	if r := a.redact; r != nil {
		f.ignored, f.blocked = r.ignored[string(key)], matchesAny(r.keys, key)
		f.wanted = !f.ignored && (f.blocked || len(r.values) > 0)
	}
	f.wanted = f.wanted || slices.Contains(f.matches, true)
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
