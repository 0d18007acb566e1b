package agent

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alspan/alspan/internal/filter"
)

// ruleMetrics tell of the filters that are in force: a reload may bring others.
type ruleMetrics struct{ p *Pipeline }

var (
	filterHits   = prometheus.NewDesc("alspan_filter_hits_total", "Spans, or span events, that a filter's rule has dropped.", []string{"rule", "condition"}, nil)
	filterErrors = prometheus.NewDesc("alspan_filter_errors_total", "Times that a filter's condition failed.", []string{"rule", "condition"}, nil)
	filterTraces = prometheus.NewDesc("alspan_filter_traces", "Traces that filter.drop_trace remembers.", nil, nil)
)

// mostCondition is how much of a condition a label has.
const mostCondition = 120

// Describe gives the descriptions of all series.
func (m ruleMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- filterHits
	out <- filterErrors
	out <- filterTraces
}

// Collect reads all series.
func (m ruleMetrics) Collect(out chan<- prometheus.Metric) {
	rules := m.p.settings.Load().rules
	if rules == nil {
		return
	}
	add := func(desc *prometheus.Desc, n int64, r *filter.Rule) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), r.Name, conditionLabel(r.Text))
	}
	for _, r := range rules.filter.Rules() {
		add(filterHits, r.Hits.Load(), r)
		add(filterErrors, r.Errors.Load(), r)
	}
	if t := rules.filter.Traces(); t != nil {
		out <- prometheus.MustNewConstMetric(filterTraces, prometheus.GaugeValue, float64(t.Len()))
	}
}

func conditionLabel(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), mostCondition)], "")
}
