package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Text is one condition or pattern of the file with its place, for errors that are found when it is compiled.
type Text struct {
	Value string
	Path  string // like filter.traces.span[1]
	Line  int    // 0 if it is not from the file
}

// Filter is which spans are not exported.
type Filter struct {
	ErrorMode       string       // ignore, silent or propagate: what happens when a condition cannot be evaluated
	Presets         []string     // names of conditions that the agent knows
	Traces          TraceFilter  // the collector's older block
	TraceConditions []Conditions // the collector's newer block
	DropTrace       DropTrace
}

// TraceFilter has conditions by what they look at. They are alternatives: the first that holds counts.
type TraceFilter struct {
	Resource  []Text
	Span      []Text
	SpanEvent []Text
}

// Conditions is a group of alternative conditions. A list without groups becomes one group with neither Context nor
// ErrorMode.
type Conditions struct {
	Context    string // resource, scope, span or spanevent; empty is worked out from the conditions
	Conditions []Text
	ErrorMode  string // empty is that of the filter
}

// DropTrace is which spans take the rest of their trace with them.
type DropTrace struct {
	Conditions []Text
	For        time.Duration // how long a trace id is remembered
	Traces     int           // how many of them
}

// Remembered gives the bytes that DropTrace may take.
func (f *Filter) Remembered() Size {
	const each = 200 // an entry of its table
	if len(f.DropTrace.Conditions) == 0 {
		return 0
	}
	return Size(f.DropTrace.Traces) * each
}

func (f *Filter) declare() *node {
	return section("filter", "Which spans are not exported. What an OpenTelemetry collector has for its filter processor can be pasted here as it "+
		"is, if it is about spans. Conditions are written in OTTL, at most 1000 in all. A span for which one of them holds is dropped and counted.",
		key("error_mode", &f.ErrorMode, "ignore",
			"What happens when a condition cannot be evaluated for a span: `ignore` logs it, once a minute, and goes on to the next "+
				"condition, `silent` goes on without a word, `propagate` logs it and drops the span, which is counted. A collector "+
				"refuses the whole request instead.",
			oneOfAnyCase("ignore", "silent", "propagate")),
		key("presets", &f.Presets, []string{},
			"Conditions that need not be written: `probes` are the health checks of kubelets, Knative, load balancers and Envoy, by their "+
				"User-Agent; `health_paths` are requests for `/livez`, `/readyz`, `/healthz`, `/health`, `/-/healthy` and `/-/ready`, whoever "+
				"sends them.",
			oneOf("probes", "health_paths")),
		section("traces", "Conditions by what they are about, so that paths need no prefix: under `span`, `attributes[\"http.route\"]` is the span's. "+
			"Not together with `trace_conditions`.",
			key("resource", &f.Traces.Resource, []Text{}, "On resources: all spans of the resource are dropped.", conditions),
			key("span", &f.Traces.Span, []Text{}, "On spans.", conditions),
			key("spanevent", &f.Traces.SpanEvent, []Text{}, "On the events of spans: only the event is dropped.", conditions)),
		list("trace_conditions", &f.TraceConditions,
			"Conditions whose paths say what they are about, as in `span.attributes[\"http.route\"]`. Or groups of conditions that have "+
				"a context and an `error_mode` of their own.",
			checked("conditions, or of groups", nil)).orTexts("conditions"),
		section("drop_trace", "Spans that take the rest of their trace with them.",
			key("conditions", &f.DropTrace.Conditions, []Text{},
				"On spans, with prefixes as in `trace_conditions`. A span for which one holds is dropped, and so are all spans of its trace "+
					"that come to this agent later. Those that have left stay.",
				conditions),
			key("for", &f.DropTrace.For, 30*time.Second, "How long such a trace is remembered.", between(time.Second, 10*time.Minute)),
			key("traces", &f.DropTrace.Traces, 50000, "How many of them are remembered; the oldest go first.", between(100, 1000000)))).
		checkedBy(f.check).
		refuse("only spans are filtered here, by traces or trace_conditions",
			"metrics", "logs", "profiles", "metric_conditions", "log_conditions", "profile_conditions").
		refuse("include and exclude are not read; write what is to be dropped as trace_conditions, such as span.name == \"a\"", "spans").
		example(`filter:
  presets: [probes]
  trace_conditions:
    - span.attributes["http.route"] == "/livez"
    - IsMatch(span.attributes["upstream_cluster"], "^grafana/")
`).example(`filter:
  trace_conditions:
    - context: resource
      conditions:
        - attributes["k8s.namespace.name"] == "monitoring"
    - context: span
      error_mode: silent
      conditions:
        - kind == SPAN_KIND_CLIENT and Int(attributes["http.response.status_code"]) < 400
`)
}

func (c *Conditions) declare(string, int) *node {
	return section("", "A group of conditions.",
		key("context", &c.Context, "", "What paths without a prefix are about. Without it every path has its prefix.",
			oneOfAnyCase("resource", "scope", "span", "spanevent")),
		key("conditions", &c.Conditions, []Text{}, "The conditions.", conditions),
		key("error_mode", &c.ErrorMode, "", "As `filter.error_mode`, which is its default.", oneOfAnyCase("ignore", "silent", "propagate")))
}

const (
	maxCondition  = 4 * KiB
	maxConditions = 1000 // in all
)

// conditions are checked further when they are compiled.
func conditions(r *rules) {
	checked("conditions (OTTL) of at most 4KiB", func(s string) (string, error) {
		if strings.TrimSpace(s) == "" {
			return "", errors.New("it is empty")
		}
		return s, atMost(s, maxCondition)
	})(r)
}

func atMost(s string, limit Size) error {
	if len(s) > int(limit) {
		return fmt.Errorf("it has %v, more than %v", Size(len(s)), limit)
	}
	return nil
}

// check looks at what the keys of the filter say together.
func (f *Filter) check(l *loader) {
	const older, newer = "filter.traces", "filter.trace_conditions"
	all := slices.Concat(f.Traces.Resource, f.Traces.Span, f.Traces.SpanEvent)
	if len(all) > 0 && len(f.TraceConditions) > 0 {
		l.fail(l.from[newer], newer, "it cannot be used together with traces, which has conditions")
	}
	for _, c := range f.TraceConditions {
		all = append(all, c.Conditions...)
	}
	if all = append(all, f.DropTrace.Conditions...); len(all) > maxConditions {
		t := all[maxConditions]
		l.fail(origin{line: t.Line}, t.Path, "there are %d conditions in all, more than %d", len(all), maxConditions)
	}
}
