package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/sampler"
	"github.com/alspan/alspan/internal/sampling"
)

// newSampler makes the sampler that c describes, nil if nothing is ever sampled.
func newSampler(c *config.Config, log *slog.Logger) (*sampler.Sampler, error) {
	s := &c.Sample
	texts := map[string]config.Text{}
	o := sampler.Options{
		Probability: s.Probability.Share(), NoContext: s.NoContext.Share(), Upstream: s.UpstreamProbability.Share(),
		Spans: s.Budget.Spans, Bytes: int64(s.Budget.Bytes), Unsampled: parseUnsampled(s.Unsampled) == keepFailed, WriteTH: s.TH, WriteReason: s.Reason, Log: log,
	}
	if s.Mode == "proportional" {
		o.Mode = sampling.Proportional
	}
	if s.Stress.Enabled && c.Export.WhenFull != "wait" {
		o.StressAbove = s.Stress.Above
	}
	for _, r := range s.Rules {
		action, _ := sampler.ParseAction(r.Action)
		o.Rules = append(o.Rules, sampler.Rule{Name: r.Name, Error: r.Error, SlowerThan: r.SlowerThan, Conditions: conditionsOf(r.Conditions, texts),
			Action: action, Probability: r.Probability.Share(), GoalRate: r.GoalRate, Keys: r.Keys})
	}
	made, err := sampler.New(o)
	if err != nil {
		return nil, conditionProblems(c, err, texts, "the sampler")
	}
	return made, nil
}

// conditionsOf gives conditions by the names of their places, by which texts has them.
func conditionsOf(list []config.Text, texts map[string]config.Text) (all []filter.Condition) {
	for _, t := range list {
		texts[t.Path] = t
		all = append(all, filter.Condition{Name: t.Path, Text: t.Value})
	}
	return all
}

// conditionProblems says where in the file the conditions stand that cannot be used.
func conditionProblems(c *config.Config, err error, texts map[string]config.Text, what string) error {
	var problems []config.Problem
	for _, e := range unjoin(err) {
		at, ok := errors.AsType[*filter.ConditionError](e)
		if !ok {
			return fmt.Errorf("cannot make %s: %w", what, e)
		}
		problems = append(problems, texts[at.Name].Problem(at.Err))
	}
	return config.Problems(c.File, problems...)
}

// govern lets the sampler follow its budget and the memory until stop is closed.
func (p *Pipeline) govern(stop <-chan struct{}) {
	ticks := time.NewTicker(sampler.Interval)
	defer ticks.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticks.C:
			used := p.core.Percent()
			if memoryShort() {
				used = 100
			}
			p.settings.Load().sampler.Tick(used)
		}
	}
}
