package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/alspan/alspan/internal/sampling"
)

// samplerMetrics tell of the sampler that is in force: a reload may bring another one.
type samplerMetrics struct{ p *Pipeline }

var (
	samplingDecisions   = prometheus.NewDesc("alspan_sampling_decisions_total", "Spans, and entries before they make spans, on which the sampler has decided, by what has decided. Without sampling nothing is counted.", []string{"rule", "decision"}, nil)
	samplingProbability = prometheus.NewDesc("alspan_sampling_probability", "The part of traces that is kept, from 0 to 1, by what limits it: the budget, the budget for what rules keep, memory.", []string{"by"}, nil)
	samplingErrors      = prometheus.NewDesc("alspan_sampling_condition_errors_total", "Times that a condition of a sampling rule failed.", []string{"rule", "condition"}, nil)
)

// Describe gives the descriptions of all series.
func (m samplerMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- samplingDecisions
	out <- samplingProbability
	out <- samplingErrors
}

// Collect reads all series.
func (m samplerMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.p.settings.Load().sampler
	counter := func(desc *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	s.Reasons(func(name string, kept, dropped int64) {
		counter(samplingDecisions, kept, name, "kept")
		counter(samplingDecisions, dropped, name, "dropped")
	})
	budget, forced, stress := s.Thresholds()
	for by, t := range map[string]sampling.Threshold{"budget": budget, "budget_forced": forced, "stress": stress} {
		out <- prometheus.MustNewConstMetric(samplingProbability, prometheus.GaugeValue, t.Probability(), by)
	}
	for _, r := range s.Rules() {
		counter(samplingErrors, r.Errors.Load(), r.Name, conditionLabel(r.Text))
	}
}
