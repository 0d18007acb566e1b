package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sample is which requests and spans are exported, of those that no filter drops.
type Sample struct {
	Unsampled           string // follow, all or errors_always: requests that the tracer did not sample
	NoContext           Percent
	Probability         Percent
	Mode                string  // equalizing or proportional
	UpstreamProbability Percent // with which spans without th were sampled before they came; 0: that is not known
	Rules               []SampleRule
	Budget              Budget
	Stress              Stress
	TH                  bool // write th
	Reason              bool // write alspan.sampling.rule
}

// SampleRule is one rule: what it is about, and what becomes of it. A zero ErrorOnly, SlowerThan or an empty Conditions asks nothing.
type SampleRule struct {
	Name        string
	Error       bool
	SlowerThan  time.Duration
	Conditions  []Text
	Action      string // keep, drop, probability or dynamic
	Probability Percent
	GoalRate    int
	Keys        []string
	Path        string // like sample.rules[0]
	Line        int    // 0 if it is not from the file
}

// Budget is how much may be exported a second; 0 is no limit.
type Budget struct {
	Spans int
	Bytes Size
}

// Stress is what happens when memory fills up.
type Stress struct {
	Enabled bool
	Above   int // percent of export.memory
}

func (s *Sample) declare() *node {
	percent := between(0, All)
	return section("sample", "Which requests and spans are exported, of those that no filter drops. A decision depends on the trace id, so that every "+
		"agent, and every OpenTelemetry sampler of consistent probability, keeps the same traces.",
		key("unsampled", &s.Unsampled, "all",
			"Access-log entries of requests that the tracer has not sampled, as their trace context says. `all` treats them like all others, so that every "+
				"request is seen, `follow` drops them, `errors_always` keeps those that failed and drops the rest.",
			oneOf("all", "follow", "errors_always")),
		key("no_context", &s.NoContext, All,
			"How many of the requests become spans that came without any trace context.", percent),
		key("probability", &s.Probability, All,
			"How many of all other traces are kept, in percent. `0` keeps none, which leaves the metrics.", percent),
		key("mode", &s.Mode, "equalizing",
			"What `probability` means for traces that were sampled before. `equalizing` is of all traces: what was sampled as strictly "+
				"already is kept. `proportional` is of those that come here.",
			oneOf("equalizing", "proportional")),
		key("upstream_probability", &s.UpstreamProbability, 0,
			"With which probability, in percent, the spans were sampled that come without saying so (`th` in their tracestate). `0` is not known; "+
				"they are sampled, but the outcome is not written.",
			percent),
		list("rules", &s.Rules,
			"Rules for requests and single spans, in order. The first that matches decides instead of `probability` and `no_context`. A request is its "+
				"entry and its spans of one Envoy: they stay together.",
			checked("rules", nil)),
		section("budget", "How much is exported a second. When there is more, the probability falls for everything that no rule keeps; what rules "+
			"keep is thinned only when there is nothing else left.",
			key("spans", &s.Budget.Spans, 0, "Spans a second. `0` is no limit.", between(0, 100_000_000)),
			key("bytes", &s.Budget.Bytes, 0, "Bytes a second, before compression. `0B` is no limit.", between(Size(0), 100*GiB))),
		section("stress", "When memory fills up because the upstream is slow, the probability falls until there is room again, for everything that no "+
			"rule keeps and that has not failed.",
			key("enabled", &s.Stress.Enabled, true, "Whether that is done. With `export.when_full: wait` it never is."),
			key("above", &s.Stress.Above, 70, "From how much of `export.memory`, in percent. It also begins when the whole agent uses 95 % of `GOMEMLIMIT`.", between(10, 95))),
		key("th", &s.TH, true,
			"Write the outcome into the tracestate of spans (`ot=th:...`), from which backends know how many spans each one stands for. Never for "+
				"what is not sampled. A collector's `probabilistic_sampler` behind alspan needs its mode `equalizing` or `proportional`: by its default "+
				"it drops spans with a `th`.",
		),
		key("reason", &s.Reason, true, "Write what has decided into the attribute `alspan.sampling.rule` of spans, if anything is sampled at all.")).
		checkedBy(s.check).
		example(`sample:
  probability: 1
  rules:
    - {name: failed, error: true, action: keep}
    - {name: slow, slower_than: 2s, action: keep}
    - name: checkout
      conditions: ['span.attributes["http.route"] == "/checkout"']
      action: probability
      probability: 25
`).example(`sample:
  unsampled: errors_always
  rules:
    - {name: by route, action: dynamic, goal_rate: 20, keys: [service.name, http.route, http.response.status_code]}
  budget:
    spans: 2000
`)
}

func (r *SampleRule) declare(path string, line int) *node {
	r.Path, r.Line = path, line
	return section("", "A rule. It matches what all of `error`, `slower_than` and `conditions` hold for; what is not given asks nothing.",
		key("name", &r.Name, "", "What metrics and spans call it. Without one it is its place, such as `rules[0]`.",
			checked("text of at most 64 bytes", func(s string) (string, error) { return s, atMost(s, 64) })),
		key("error", &r.Error, false, "Only what failed: the status of the span is an error."),
		key("slower_than", &r.SlowerThan, 0, "Only what took longer.", between(0, 24*time.Hour)),
		key("conditions", &r.Conditions, []Text{}, "Only that for which one of these holds. They are written as in `filter.trace_conditions`.", conditions),
		key("action", &r.Action, "", "What becomes of it: `keep`, `drop`, `probability`, or `dynamic`, which keeps rare things rather than frequent ones.",
			oneOf("keep", "drop", "probability", "dynamic")),
		key("probability", &r.Probability, 0, "For `probability`: how many are kept, in percent.", between(0, All)),
		key("goal_rate", &r.GoalRate, 10, "For `dynamic`: of how many one is kept, over all keys together.", between(1, 1_000_000)),
		key("keys", &r.Keys, []string{}, "For `dynamic`: names of attributes of the span, or else of its resource. What has the same values is one key; "+
			"each key is sampled more strictly the more frequent it is.", checked("names", notEmpty))).
		checkedBy(r.check)
}

// check looks at what the keys of a rule say together.
func (r *SampleRule) check(l *loader) {
	fail := func(format string, args ...any) { l.fail(origin{line: r.Line}, r.Path, format, args...) }
	said := func(key string) bool { _, ok := l.from[join(r.Path, key)]; return ok }
	switch {
	case l.bad[join(r.Path, "action")]:
	case r.Action == "":
		fail("it needs an action: keep, drop, probability or dynamic")
	case r.Action == "probability" && !said("probability"):
		fail("its action needs a probability")
	case r.Action != "probability" && said("probability"):
		fail("probability is for the action probability")
	case r.Action == "dynamic" && len(r.Keys) == 0:
		fail("its action needs keys")
	case r.Action != "dynamic" && (said("keys") || said("goal_rate")):
		fail("keys and goal_rate are for the action dynamic")
	}
}

// SampleReasons are what metrics and spans call decisions that no rule has taken.
var SampleReasons = []string{"probability", "no_context", "priority", "debug", "errors_always", "unsampled", "budget", "stress"}

// maxRules bounds the rules: each has a number in what is remembered of requests.
const maxRules = 200

// check looks at what all rules say together.
func (s *Sample) check(l *loader) {
	if len(s.Rules) > maxRules {
		l.fail(origin{line: s.Rules[maxRules].Line}, s.Rules[maxRules].Path, "there are more than %d rules", maxRules)
	}
	first := map[string]string{}
	n := 0
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.Name == "" {
			r.Name = fmt.Sprintf("rules[%d]", i)
		}
		if slices.Contains(SampleReasons, r.Name) {
			l.fail(origin{line: r.Line}, join(r.Path, "name"), "%q has a meaning of its own, as have %s", r.Name, strings.Join(SampleReasons, ", "))
		}
		if other, twice := first[r.Name]; twice {
			l.fail(origin{line: r.Line}, join(r.Path, "name"), "%q is the name of %s", r.Name, other)
		}
		first[r.Name] = r.Path
		if n += len(r.Conditions); n > maxConditions {
			l.fail(origin{line: r.Line}, r.Path, "there are more than %d conditions in all rules", maxConditions)
			return
		}
	}
}
