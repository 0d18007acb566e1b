package sampler

import (
	"cmp"
	"log/slog"
	"sync/atomic"

	"github.com/alspan/alspan/internal/sampling"
)

// Stress makes the sampler stricter while memory fills up, for as long as it takes.
type Stress struct {
	above int
	log   *slog.Logger
	share float64       // of traces that are kept
	limit atomic.Uint64 // its threshold
	short int           // times in a row that memory was short
	told  bool          // that it has begun
}

// Each Interval in which memory is short halves what is kept, down to leastShare, from the second one on: a burst may pass before. It
// comes back more slowly, when calm percent of memory more are free.
const (
	patience   = 2
	fall       = 0.5
	rise       = 1.25
	leastShare = 1.0 / 1024
	calm       = 20
)

func newStress(above int, log *slog.Logger) *Stress {
	s := &Stress{above: above, log: cmp.Or(log, slog.New(slog.DiscardHandler))}
	s.set(1)
	return s
}

func (s *Stress) set(share float64) {
	s.share = share
	s.limit.Store(uint64(sampling.FromProbability(share)))
}

// Threshold gives the threshold that is in force.
func (s *Stress) Threshold() sampling.Threshold { return sampling.Threshold(s.limit.Load()) }

func (s *Stress) inherit(old *Stress) {
	s.set(old.share)
	s.told = old.told
}

// tick learns how much of the memory is in use, in percent.
func (s *Stress) tick(percent int) {
	share := s.share
	if s.short++; percent < s.above {
		s.short = 0
	}
	switch {
	case s.short >= patience:
		share = max(share*fall, leastShare)
	case percent < s.above-min(calm, s.above/2) && share < 1:
		share = min(share*rise, 1)
	}
	s.set(share)
	switch {
	case share < 1 && !s.told:
		s.told = true
		s.log.Warn("memory fills up: fewer traces are kept until there is room again; what failed and what rules keep stays", "used_percent", percent)
	case share == 1 && s.told:
		s.told = false
		s.log.Info("there is room again: as many traces are kept as the configuration says")
	}
}
