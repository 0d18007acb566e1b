package sampler

import (
	"errors"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

// Each rule matches what all that it asks holds for, and the first that matches decides.
func TestRules(t *testing.T) {
	const low, high = uint64(half) - 1, uint64(half)
	checkout := conditions(`span.attributes["http.route"] == "/checkout"`)
	either := conditions(`span.attributes["http.route"] == "/checkout"`, `resource.attributes["service.name"] == "edge"`)
	isCheckout, isCart := text("http.route", "/checkout"), text("http.route", "/cart")
	ok := spanOf(100, unset, "")
	for _, tt := range []struct {
		name   string
		rules  []Rule
		sub    *Subject
		span   *tracepb.Span
		head   *commonpb.KeyValue
		keep   bool
		reason string
	}{
		{"no rule matches, above", []Rule{{Name: "failed", Error: true}}, subjectOf(high), ok, nil, true, "probability"},
		{"no rule matches, below", []Rule{{Name: "failed", Error: true}}, subjectOf(low), ok, nil, false, "probability"},
		{"failed", []Rule{{Name: "failed", Error: true}}, subjectOf(0), spanOf(1, failed, ""), nil, true, "failed"},
		{"ok is no failure", []Rule{{Name: "failed", Error: true}}, subjectOf(0), spanOf(1, tracepb.Status_STATUS_CODE_OK, ""), nil, false, "probability"},
		{"slow", []Rule{{Name: "slow", SlowerThan: time.Second}}, subjectOf(0), spanOf(1001, unset, ""), nil, true, "slow"},
		{"not slower", []Rule{{Name: "slow", SlowerThan: time.Second}}, subjectOf(0), spanOf(1000, unset, ""), nil, false, "probability"},
		{"ends before it begins", []Rule{{Name: "slow", SlowerThan: time.Nanosecond}}, subjectOf(0), &tracepb.Span{StartTimeUnixNano: 2, EndTimeUnixNano: 1}, nil, false, "probability"},
		{"takes longer than can be said", []Rule{{Name: "slow", SlowerThan: time.Second}}, subjectOf(0), &tracepb.Span{EndTimeUnixNano: 1 << 63}, nil, true, "slow"},
		{"a condition", []Rule{{Name: "r", Conditions: checkout}}, subjectOf(0), spanOf(1, unset, "", isCheckout), nil, true, "r"},
		{"no condition", []Rule{{Name: "r", Conditions: either}}, subjectOf(0), spanOf(1, unset, "", isCart), nil, false, "probability"},
		{"one of the conditions", []Rule{{Name: "r", Conditions: either}}, subjectOf(0), spanOf(1, unset, "", isCart), text("service.name", "edge"), true, "r"},
		{"all that it asks", []Rule{{Name: "r", Error: true, SlowerThan: time.Second, Conditions: checkout}}, subjectOf(0), spanOf(2000, failed, "", isCheckout), nil, true, "r"},
		{"all but the failure", []Rule{{Name: "r", Error: true, SlowerThan: time.Second, Conditions: checkout}}, subjectOf(0), spanOf(2000, unset, "", isCheckout), nil, false, "probability"},
		{"all but the time", []Rule{{Name: "r", Error: true, SlowerThan: time.Second, Conditions: checkout}}, subjectOf(0), spanOf(1000, failed, "", isCheckout), nil, false, "probability"},
		{"all but the condition", []Rule{{Name: "r", Error: true, SlowerThan: time.Second, Conditions: checkout}}, subjectOf(0), spanOf(2000, failed, "", isCart), nil, false, "probability"},
		{"for all others", []Rule{{Name: "failed", Error: true}, {Name: "rest", Action: Drop}}, subjectOf(high), ok, nil, false, "rest"},
		{"the first one keeps", []Rule{{Name: "failed", Error: true}, {Name: "rest", Action: Drop}}, subjectOf(0), spanOf(1, failed, ""), nil, true, "failed"},
		{"the first one drops", []Rule{{Name: "rest", Action: Drop}, {Name: "failed", Error: true}}, subjectOf(high), spanOf(1, failed, ""), nil, false, "rest"},
		{"a probability, above", []Rule{{Name: "p", Action: Probability, Probability: 0.25}}, subjectOf(uint64(quarter)), ok, nil, true, "p"},
		{"a probability, below", []Rule{{Name: "p", Action: Probability, Probability: 0.25}}, subjectOf(uint64(quarter) - 1), ok, nil, false, "p"},
		{"no chance", []Rule{{Name: "p", Action: Probability}}, subjectOf(most), ok, nil, false, "p"},
		{"certainty", []Rule{{Name: "p", Action: Probability, Probability: 1}}, subjectOf(0), ok, nil, true, "p"},
		{"dynamic, one of ten", []Rule{{Name: "d", Action: Dynamic, GoalRate: 10, Keys: []string{"http.route"}}}, subjectOf(most / 100 * 89), ok, nil, false, "d"},
		{"dynamic, the tenth", []Rule{{Name: "d", Action: Dynamic, GoalRate: 10, Keys: []string{"http.route"}}}, subjectOf(most / 100 * 91), ok, nil, true, "d"},

		{"without context, above", nil, &Subject{Trace: idOf(uint64(quarter)), Contextless: true}, ok, nil, true, "no_context"},
		{"without context, below", nil, &Subject{Trace: idOf(high), Contextless: true}, ok, nil, false, "no_context"},
		{"without context, a rule", []Rule{{Name: "failed", Error: true}}, &Subject{Contextless: true}, spanOf(1, failed, ""), nil, true, "failed"},
		{"not sampled, failed", nil, &Subject{Unsampled: true}, spanOf(1, failed, ""), nil, true, "errors_always"},
		{"not sampled, a rule drops", []Rule{{Name: "rest", Action: Drop}}, &Subject{Unsampled: true}, spanOf(1, failed, ""), nil, false, "rest"},
		{"debug", []Rule{{Name: "rest", Action: Drop}}, &Subject{Debug: true, Priority: -1}, ok, nil, true, "debug"},
		{"priority", []Rule{{Name: "rest", Action: Drop}}, &Subject{Priority: 1}, ok, nil, true, "priority"},
		{"no priority", []Rule{{Name: "failed", Error: true}}, &Subject{Trace: idOf(most), Priority: -1}, spanOf(1, failed, ""), nil, false, "priority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustNew(t, Options{Probability: 0.5, NoContext: 0.25, Rules: tt.rules, WriteTH: true, WriteReason: true})
			j := s.Judge()
			var head []byte
			if tt.head != nil {
				head = headOf(t, tt.head)
			}
			span := encoded(t, tt.span)
			v := j.Judge(tt.sub, span, head, nil, false)
			if got := s.Name(v.Reason); v.Keep != tt.keep || got != tt.reason {
				t.Fatalf("kept %v by %s, want %v by %s", v.Keep, got, tt.keep, tt.reason)
			}
			j.Flush()
			want := [2]int64{0, 1}
			if tt.keep {
				want = [2]int64{1, 0}
				if _, name := noted(t, j, span, v); name != tt.reason {
					t.Errorf("%s is written, want %s", name, tt.reason)
				}
			}
			if got := countsOf(s); len(got) != 1 || got[tt.reason] != want {
				t.Errorf("counted %v, want %v for %s", got, want, tt.reason)
			}
		})
	}
}

// A status that comes in two pieces is one, and of two numbers the last one counts.
func TestStatusInPieces(t *testing.T) {
	j := mustNew(t, with(Rule{Name: "failed", Error: true}, Rule{Name: "rest", Action: Drop})).Judge()
	message, ok := []byte("\x7a\x04\x12\x02no"), []byte("\x7a\x02\x18\x01")
	span := append(encoded(t, spanOf(1, failed, "")), message...)
	if !j.Judge(subjectOf(0), span, nil, nil, false).Keep {
		t.Error("a message without a code has taken the failure away")
	}
	if j.Judge(subjectOf(0), append(span, ok...), nil, nil, false).Keep {
		t.Error("the code that comes last does not count")
	}
}

func TestNames(t *testing.T) {
	s := mustNew(t, with(Rule{Name: "a"}, Rule{Name: "b", Action: Drop}))
	var names []string
	s.Reasons(func(name string, _, _ int64) { names = append(names, name) })
	if got, want := strings.Join(names, " "), strings.Join(ReasonNames(), " ")+" a b"; got != want {
		t.Errorf("reasons are %s, want %s", got, want)
	}
	if s.Name(ByStress) != "stress" || s.Name(firstRule) != "a" || s.Name(firstRule+1) != "b" || s.Name(firstRule+2) != "" {
		t.Error("a reason has the name of another one")
	}
	for i, name := range []string{"keep", "drop", "probability", "dynamic"} {
		if a, ok := ParseAction(name); !ok || a != Action(i) {
			t.Errorf("%s is the action %d, %v", name, a, ok)
		}
	}
	if _, ok := ParseAction("other"); ok {
		t.Error("there is an action that nobody knows")
	}
}

// Where nothing is ever sampled there is no sampler, and it does nothing.
func TestNothing(t *testing.T) {
	s := mustNew(t, all())
	if s != nil {
		t.Fatal("there is a sampler")
	}
	s.Inherit(nil)
	s.Inherit(mustNew(t, with(keepFailed)))
	s.Tick(100)
	s.Judge().Flush()
	s.Reasons(func(string, int64, int64) { t.Error("there is a reason") })
	if s.Judge() != nil || s.Active() || s.ByRequest() || s.Rules() != nil {
		t.Error("it does something")
	}
	if b, f, st := s.Thresholds(); b|f|st != sampling.Always {
		t.Error("it is strict")
	}
}

func TestActive(t *testing.T) {
	for _, tt := range []struct {
		name              string
		change            func(*Options)
		active, byRequest bool
	}{
		{"probability", func(o *Options) { o.Probability = 0.5 }, true, false},
		{"without context", func(o *Options) { o.NoContext = 0.5 }, true, false},
		{"rules", func(o *Options) { o.Rules = []Rule{{Name: "a"}} }, true, true},
		{"spans", func(o *Options) { o.Spans = 1 }, true, true},
		{"bytes", func(o *Options) { o.Bytes = 1 }, true, true},
		{"stress", func(o *Options) { o.StressAbove = 70 }, false, false},
	} {
		o := all()
		tt.change(&o)
		s := mustNew(t, o)
		if s.Active() != tt.active || s.ByRequest() != tt.byRequest {
			t.Errorf("%s: active %v, by request %v", tt.name, s.Active(), s.ByRequest())
		}
		if tt.name == "stress" {
			s.Tick(70)
			s.Tick(70)
			if !s.Active() || !s.ByRequest() {
				t.Error("stress samples nothing")
			}
		}
	}
}

// Attributes of all sizes are passed on the way to what is asked for.
func TestFactsBehindAttributes(t *testing.T) {
	for _, size := range []int{0, 1, 126, 127, 128, 129, 255, 256, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1<<14 + 200, 1 << 16, 1 << 21} {
		span := wire.AppendBytes(nil, spanAttributes, make([]byte, size))
		span = append(append(span, "\x1a\x03a=b"...), "\x7a\x02\x18\x02"...)
		var f facts
		if f.read(span); f.status != statusError || string(f.traceState) != "a=b" {
			t.Errorf("behind an attribute of %d bytes there is %+v", size, f)
		}
	}
}

// What is multiplied is rounded once, afterwards.
func TestExactly(t *testing.T) {
	o := with(Rule{Name: "p", Action: Probability, Probability: 1.0 / 3})
	if s := mustNew(t, o); s.rules[0].threshold != sampling.FromProbability(1.0/3) {
		t.Errorf("equalizing by %014x", uint64(s.rules[0].threshold))
	}
	o.Mode = sampling.Proportional
	if s := mustNew(t, o); s.rules[0].threshold != sampling.Exactly(1.0/3) {
		t.Errorf("proportional by %014x", uint64(s.rules[0].threshold))
	}
}

func TestRefuses(t *testing.T) {
	_, err := New(with(Rule{Name: "a", Conditions: []filter.Condition{{Name: "one", Text: `span.attributes[`}}},
		Rule{Name: "b", Conditions: []filter.Condition{{Name: "two", Text: `name == "x"`}}}))
	for _, name := range []string{"one", "two"} {
		found := false
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range all.Unwrap() {
				c, is := errors.AsType[*filter.ConditionError](e)
				found = found || is && c.Name == name
			}
		}
		if !found {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if _, err := New(with(make([]Rule, mostRules+1)...)); err == nil {
		t.Error("there is no limit for rules")
	}
}
