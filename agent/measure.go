package agent

import (
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/red"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// newRequestMetrics makes the metrics of requests that c describes, nil if there are none.
func newRequestMetrics(c *config.Metrics) *red.Metrics {
	if !c.Requests && !c.ServiceGraph {
		return nil
	}
	return red.New(red.Options{Sets: c.LabelSets, Idle: c.Idle, Requests: c.Requests, Graph: c.ServiceGraph})
}

// meter is how one goroutine counts requests.
type meter struct {
	red      *red.Meter // nil: nothing is counted
	measures spanbuilder.Measures
	noted    bool // an exemplar, of this message
}

// measure counts the request of the entry last read, before anything decides on it, and once.
func (s *source) measure(i *item, repeated bool) {
	e := &i.entry
	if s.red == nil || e.TCP || repeated || i.use != spanbuilder.Request {
		return
	}
	for i, list := 0, s.builder.Measure(&s.measures, e, s.logger, s.of.Service(s.logger, s.identity.Pod)); i < len(list); i++ {
		s.red.Count(&list[i])
	}
}

// exemplar lets the metrics of a request point at its trace, which was kept: of a message one that went well, and all that failed.
func (w *writer) exemplar(e *wire.Entry, l *spanbuilder.Logger, c *spanbuilder.Claim, span propagation.SpanID) {
	if w.red == nil || e.TCP || w.noted && !spanbuilder.Failed(e) {
		return
	}
	w.noted = true
	for i, list := 0, w.builder.Measure(&w.measures, e, l, w.of.Service(l, c.Pod)); i < len(list); i++ {
		w.red.Exemplar(&list[i], c.Trace, span, time.Now())
	}
}
