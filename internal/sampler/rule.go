package sampler

import (
	"fmt"
	"time"

	"github.com/honeycombio/dynsampler-go"

	"github.com/alspan/alspan/internal/sampling"
)

// rule is one, with what it needs at work.
type rule struct {
	*Rule
	list      int // of its conditions in the selector, -1 if it has none
	keys      []int
	threshold sampling.Threshold // of its probability
	dynamic   *dynsampler.EMASampleRate
	inherited []byte // state of dynamic, of the rule before
}

// So long are frequencies counted until the rates follow them, and of so many keys. What goes beyond is taken for rare.
const (
	adjust  = 15 * time.Second
	mostKey = 1000
)

// start begins to count frequencies.
func (r *rule) start() error {
	if r.Action != Dynamic {
		return nil
	}
	r.dynamic = &dynsampler.EMASampleRate{GoalSampleRate: r.GoalRate, AdjustmentIntervalDuration: adjust, MaxKeys: mostKey}
	if r.inherited != nil {
		if err := r.dynamic.LoadState(r.inherited); err != nil {
			return fmt.Errorf("cannot go on with the frequencies of %s: %w", r.Name, err)
		}
	}
	if err := r.dynamic.Start(); err != nil {
		return fmt.Errorf("cannot count frequencies for %s: %w", r.Name, err)
	}
	return nil
}

func (r *rule) stop() {
	if r.dynamic != nil {
		r.dynamic.Stop() //nolint:errcheck // gives none
	}
}

// inherit takes over the frequencies that a rule of the same name and keys knows.
func (r *rule) inherit(old *rule) {
	if r.Action != Dynamic || old.dynamic == nil || r.GoalRate != old.GoalRate || fmt.Sprint(r.Keys) != fmt.Sprint(old.Keys) {
		return
	}
	if state, err := old.dynamic.SaveState(); err == nil {
		r.inherited = state
	}
}
