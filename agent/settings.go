package agent

import (
	"log/slog"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/sampler"
	"github.com/alspan/alspan/spanbuilder"
)

// settings are what may change while the agent runs. They never change themselves: a reload makes new ones, and every goroutine
// takes them up with its next message.
type settings struct {
	builder *spanbuilder.Builder
	senders *spanbuilder.Senders
	joining spanbuilder.JoinOptions
	tcp     bool
	rules   *rules           // nil: there are none
	sampler *sampler.Sampler // nil: nothing is ever sampled
	unsampled
}

// newSettings makes those that c describes. What the old ones have learned goes on.
func newSettings(c *config.Config, index *pods.Index, old *settings, log *slog.Logger) (*settings, error) {
	s := &settings{
		builder:   spanbuilder.New(spanOptions(c, index)),
		senders:   spanbuilder.NewSenders(index, podOptions(c), version()),
		joining:   joinOptions(c),
		tcp:       c.Spans.TCP,
		unsampled: parseUnsampled(c.Sample.Unsampled),
	}
	var before *rules
	if old != nil {
		s.builder.Starts, before = old.builder.Starts, old.rules
	}
	var err error
	if s.rules, err = newRules(c, before, log); err != nil {
		return nil, err
	}
	if s.sampler, err = newSampler(c, log); err == nil && old != nil {
		s.sampler.Inherit(old.sampler)
	}
	return s, err
}

// renew takes the settings of this moment, and tells whether they are new.
func (w *writer) renew() bool {
	now, before := w.p.settings.Load(), w.settings
	if now != before {
		w.settings, w.of = now, now.senders.Resources()
		w.finisher = newFinisher(now.rules)
		w.judge = now.sampler.Judge()
	}
	w.heed(now.sampler)
	return now != before
}

// renew takes the settings of this moment for a stream.
func (s *source) renew() {
	if s.writer.renew() {
		s.identity, s.sender = s.builder.Identity(), s.senders.Sender(s.sender.From)
	}
}

func (s *inlet) renew() {
	if s.writer.renew() {
		s.sender = s.senders.Sender(s.sender.From)
	}
}

func (j *joiner) renew() {
	if j.writer.renew() {
		j.table.Renew(j.joining, j.builder)
	}
}
