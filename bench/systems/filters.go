package systems

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alspan/alspan/bench/load"
)

// Conditions are nine that a user wrote for a collector behind Contour. Of the load they match its probes alone.
var Conditions = []string{
	`IsMatch(attributes["upstream_cluster"], "grafana/.*")`,
	`IsMatch(attributes["upstream_cluster"], "tap-gui/.*")`,
	`IsMatch(attributes["upstream_cluster"], "appsso/.*")`,
	`IsMatch(attributes["http.url"], "https://grafana.*")`,
	`attributes["http.route"] == "/livez"`,
	`attributes["http.route"] == "/readyz"`,
	`attributes["user_agent.original"] == "kube-probe//"`,
	`attributes["user_agent"] == "Knative-Ingress-Probe"`,
	`name == "OperationHandler.handle"`,
}

// rules is the configuration of both systems: the conditions, and an attribute that is set on every span.
func rules() string {
	var quoted []string
	for _, c := range Conditions {
		quoted = append(quoted, strconv.Quote(c))
	}
	return fmt.Sprintf(`filter: {error_mode: ignore, traces: {span: [%s]}}
attributes: {actions: [{key: cluster, value: tap-sandbox, action: upsert}]}
`, strings.Join(quoted, ", "))
}

const withRules = ", filters and an attribute"

// Filters is alspan with the rules, and with its metrics, which tell what was dropped.
func Filters() *System {
	return &System{Name: AlspanName + withRules, Takes: load.OTLP, Gives: Spans, Window: alspanWindow, start: func(b *Binaries, dir string, to Sink) (*Running, error) {
		return b.alspan(b.Alspan, dir, alspanConfig{correlate: shortWaits, more: rules(), events: true, metrics: true}, to)
	}}
}

// CollectorFilters is the collector with the same rules.
func CollectorFilters() *System {
	processors := "  " + strings.ReplaceAll(strings.TrimSpace(rules()), "\n", "\n  ")
	return collector(CollectorName+withRules, load.OTLP, Spans, otlpIn, processors, "traces", "otlp", "filter, attributes, batch")
}
