package sampler

import (
	"fmt"
	"slices"
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
	gone      bool // dynamic is stopped, or with a rule of the next sampler
}

// So long are frequencies counted until the rates follow them, and of so many keys. What goes beyond is taken for rare.
const (
	adjust  = 15 * time.Second
	mostKey = 1000
)

// start begins to count frequencies, unless they were counted before.
func (r *rule) start() error {
	if r.Action != Dynamic || r.dynamic != nil {
		return nil
	}
	// No BurstMultiple: to find bursts it reads, without a lock, what another goroutine writes.
	r.dynamic = &dynsampler.EMASampleRate{GoalSampleRate: r.GoalRate, AdjustmentIntervalDuration: adjust, MaxKeys: mostKey, BurstMultiple: -1}
	if err := r.dynamic.Start(); err != nil {
		return fmt.Errorf("cannot count frequencies for %s: %w", r.Name, err)
	}
	return nil
}

func (r *rule) stop() {
	if r.dynamic != nil && !r.gone {
		r.dynamic.Stop() //nolint:errcheck // gives none
		r.gone = true
	}
}

// inherit takes over what counts the frequencies of a rule with the same goal and keys. Who still uses the old rule counts on in it.
func (r *rule) inherit(old *rule) {
	if r.Action == Dynamic && old.dynamic != nil && !old.gone && r.GoalRate == old.GoalRate && slices.Equal(r.Keys, old.Keys) {
		r.dynamic, old.gone = old.dynamic, true
	}
}
