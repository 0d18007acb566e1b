package filter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Every rule is asked, the first that matches decides, and what is counted is what Look counts.
func TestExplain(t *testing.T) {
	team := headOf(t, textAttribute("team", "x"))
	other := headOf(t, textAttribute("team", "y"))
	span := envoySpan()
	for _, name := range []string{"a", "b", "a"} {
		span.Events = append(span.Events, &tracepb.Span_Event{Name: name})
	}
	quiet := &tracepb.Span{TraceId: []byte("another-trace-id"), Name: "quiet"}
	same := &tracepb.Span{TraceId: span.TraceId, Name: "same"}
	rules := Options{
		DropTrace: named(`span.name == "ingress"`),
		Resource:  []Condition{{"resource", `attributes["team"] == "x"`}},
		Span:      []Condition{{"name", `name == "ingress"`}, {"kind", `kind == SPAN_KIND_SERVER`}, {"fails", `HasPrefix(attributes["none"], "x")`}},
		SpanEvent: []Condition{{"event", `name == "a"`}},
	}
	for _, c := range []struct {
		span, want string // what each rule says: how often it matches, less how often it fails
		m          *tracepb.Span
		head       []byte
		change     func(*Options)
	}{
		{"dropped by its resource", "1 by resource: span[0] 0, resource 1, name 0, kind 0, fails -1, event 0", quiet, team, func(*Options) {}},
		{"dropped by its resource, and its trace", "2 by span[0]: span[0] 1, resource 1, name 1, kind 1, fails -1, event 2", span, team, func(*Options) {}},
		{"dropped with its trace", "2 by span[0]: span[0] 1, resource 0, name 1, kind 1, fails -1, event 2", span, other, func(*Options) {}},
		{"of a dropped trace", "2 by nobody: span[0] 0, resource 0, name 0, kind 0, fails -1, event 0", same, other, func(o *Options) { o.Traces.Add(same.TraceId) }},
		{"kept", "0 by nobody: span[0] 0, resource 0, name 0, kind 0, fails -1, event 0", quiet, other, func(*Options) {}},
		{"failed", "3 by fails: span[0] 0, resource 0, name 0, kind 0, fails -1, event 0", quiet, other, func(o *Options) { o.ErrorMode = "propagate" }},
	} {
		fresh := func() *Filter {
			o := rules
			o.Traces = NewTraces(1000, time.Minute)
			c.change(&o)
			return mustNew(t, o)
		}
		f, plain, b := fresh(), fresh(), encoded(t, c.m)
		verdict, by, all := f.Evaluator().Explain(b, c.head, nil, false)
		plain.Evaluator().Look(b, c.head, nil, false)
		var says []string
		for i, a := range all {
			says = append(says, fmt.Sprintf("%s %d", a.Name, a.Matches-a.Failures))
			if (a.Err != nil) != (a.Failures > 0) {
				t.Errorf("%s: %s failed %d times: %v", c.span, a.Name, a.Failures, a.Err)
			}
			if was := plain.Rules()[i]; a.Hits.Load() != was.Hits.Load() || a.Errors.Load() != was.Errors.Load() {
				t.Errorf("%s: %s has %d hits and %d errors, Look alone gives %d and %d", c.span, a.Name, a.Hits.Load(), a.Errors.Load(), was.Hits.Load(), was.Errors.Load())
			}
		}
		if got := fmt.Sprintf("%d by %s: %s", verdict, nameOf(by), strings.Join(says, ", ")); got != c.want {
			t.Errorf("%s: %s, want %s", c.span, got, c.want)
		}
	}
	if verdict, by, all := (*Filter)(nil).Evaluator().Explain(nil, nil, nil, false); verdict != Keep || by != nil || all != nil {
		t.Errorf("without a filter: %d by %v, %v", verdict, by, all)
	}
}

func nameOf(r *Rule) string {
	if r == nil {
		return "nobody"
	}
	return r.Name
}
