package sampler

import (
	"slices"

	"github.com/alspan/alspan/internal/sampling"
)

// rule is one, with what it needs at work.
type rule struct {
	*Rule
	list      int // of its conditions in the selector, -1 if it has none
	keys      []int
	threshold sampling.Threshold // of its probability
	dynamic   *frequencies       // of a rule that asks for them
}

// inherit takes over the frequencies of a rule with the same goal and keys. Who still uses the old rule counts on in them.
func (r *rule) inherit(old *rule) {
	if r.dynamic != nil && old.dynamic != nil && r.GoalRate == old.GoalRate && slices.Equal(r.Keys, old.Keys) {
		r.dynamic = old.dynamic
	}
}
