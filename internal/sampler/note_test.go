package sampler

import (
	"bytes"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/sampling"
)

const (
	rv    = "c0000000000000" // a randomness
	lowRV = "10000000000000"
)

// What is written into the tracestate is true: th stands for the probability of the span, and for nothing that is not known.
func TestTraceState(t *testing.T) {
	keep, drop := Rule{Name: "keep"}, Rule{Name: "drop", Action: Drop}
	p := func(share float64) func(*Options) { return func(o *Options) { o.Probability = share } }
	rules := func(list ...Rule) func(*Options) { return func(o *Options) { o.Rules = list } }
	var debug, priority, allOf, refused Subject
	debug.Debug, priority.Priority, allOf.All, refused.Unsampled = true, 1, true, true
	for _, tt := range []struct {
		name     string
		change   func(*Options)
		sub      Subject
		r        uint64
		in, want string
	}{
		{"nothing is known", p(0.5), Subject{}, most, "", ""},
		{"nothing is known, other members", p(0.5), Subject{}, most, "foo=1,ot=x:1", "foo=1,ot=x:1"},
		{"all come here", p(0.5), allOf, most, "", "ot=th:8"},
		{"all come here, none is lost", rules(Rule{Name: "p", Action: Probability, Probability: 1}), allOf, most, "", ""},
		{"all come here, kept by a rule", rules(keep), allOf, most, "", ""},
		{"equalized", p(0.25), Subject{}, most, "ot=th:8", "ot=th:c"},
		{"equalized, others stay", p(0.25), Subject{}, most, "foo=1, ot=x:1;th:8;rv:" + rv + " ,bar=2", "ot=rv:" + rv + ";th:c;x:1,foo=1,bar=2"},
		{"sampled more strictly before", p(0.5), Subject{}, most, "foo=1, ot=th:c", "foo=1, ot=th:c"},
		{"sampled as strictly before", p(0.25), Subject{}, most, "foo=1 ,ot=th:c", "foo=1 ,ot=th:c"},
		{"proportional", func(o *Options) { o.Probability, o.Mode = 0.5, sampling.Proportional }, Subject{}, most, "ot=th:8", "ot=th:c"},
		{"upstream is known", func(o *Options) { o.Probability, o.Upstream = 0.25, 0.5 }, Subject{}, most, "", "ot=th:c"},
		{"upstream is known, and proportional", func(o *Options) { o.Probability, o.Upstream, o.Mode = 0.5, 0.5, sampling.Proportional }, Subject{}, most, "foo=1", "ot=th:c,foo=1"},
		{"upstream has no part in an entry", func(o *Options) { o.Probability, o.Upstream, o.Mode = 0.5, 0.5, sampling.Proportional }, allOf, most, "", "ot=th:8"},
		{"upstream is known, kept by a rule", func(o *Options) { o.Rules, o.Upstream = []Rule{keep}, 0.5 }, Subject{}, most, "", "ot=th:8"},
		{"upstream is known, and contradicts", func(o *Options) { o.Probability, o.Upstream = 0.5, 0.25 }, Subject{}, uint64(half), "foo=1", "foo=1"},

		{"th of all", p(0.5), Subject{}, most, "ot=th:0", "ot=th:8"},
		{"th of all, kept by a rule", rules(keep), Subject{}, most, "ot=th:0", "ot=th:0"},
		{"kept by a rule", rules(keep, drop), Subject{}, most, "foo=1,ot=th:8", "foo=1,ot=th:8"},
		{"kept by a rule, contradicted", rules(keep), Subject{}, 0, "foo=1,ot=th:8;x:1", "ot=x:1,foo=1"},
		{"contradicted", p(0.5), Subject{}, uint64(half), "ot=th:c", ""},
		{"contradicted by rv", rules(keep), Subject{}, most, "ot=th:8;rv:" + lowRV + ",foo=1", "ot=rv:" + lowRV + ",foo=1"},
		{"contradicted by the id, but not by rv", p(0.5), Subject{}, 0, "ot=th:8;rv:" + rv, "ot=th:8;rv:" + rv},
		{"debug", rules(drop), debug, most, "foo=1,ot=th:8;x:1", "ot=x:1,foo=1"},
		{"debug, nothing there", rules(drop), debug, most, "foo=1", "foo=1"},
		{"priority", rules(drop), priority, most, "ot=th:0;rv:" + rv, "ot=rv:" + rv},
		{"not sampled before, failed", p(0.5), refused, most, "ot=th:8", ""},
		{"not sampled before, upstream is known", func(o *Options) { o.Probability, o.Upstream = 0.5, 0.5 }, refused, most, "", ""},
		{"not sampled before, kept by a rule", func(o *Options) { o.Rules, o.Upstream = []Rule{keep}, 0.5 }, refused, most, "foo=1", "foo=1"},

		{"th is bad", p(0.5), allOf, most, "ot=th:XY,foo=1", "ot=th:8,foo=1"},
		{"th is bad, and with it rv", p(0.5), allOf, most, "ot=th:XY;rv:" + lowRV, "ot=th:8"},
		{"a bad list", p(0.5), allOf, most, "ot=th:c,,=", "ot=th:8"},
		{"a bad list, nothing to write", p(0.5), Subject{}, most, "ot=th:c,,=", ""},
		{"th is bad, nothing to write", p(0.5), Subject{}, most, "foo=1,ot=th:X;rv:" + rv, "foo=1"},
		{"off", func(o *Options) { o.Probability, o.WriteTH = 0.25, false }, allOf, most, "", ""},
		{"off, and not true any more", func(o *Options) { o.Probability, o.WriteTH = 0.25, false }, Subject{}, most, "foo=1,ot=th:8", "foo=1"},
		{"off, and still true", func(o *Options) { o.Probability, o.WriteTH = 0.25, false }, Subject{}, most, "foo=1,ot=th:c", "foo=1,ot=th:c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := all()
			tt.change(&o)
			j := mustNew(t, o).Judge()
			tt.sub.Trace = idOf(tt.r)
			in := spanOf(1, unset, tt.in, text("a", "b"))
			span := encoded(t, in)
			v := j.Judge(&tt.sub, span, nil, nil, true)
			if !v.Keep {
				t.Fatal("it is dropped")
			}
			out, reason := noted(t, j, span, v)
			if out.TraceState != tt.want {
				t.Errorf("%q becomes %q, want %q", tt.in, out.TraceState, tt.want)
			}
			if tt.in == tt.want && !bytes.Equal(j.Note(bytes.Clone(span), v), append(span, attributeOf(reason)...)) {
				t.Error("the tracestate is written anew, as it was")
			}
			if n := len(out.Attributes); n != 2 || reason == "" {
				t.Errorf("there are %d attributes, and the reason is %q", n, reason)
			}
			out.TraceState, out.Attributes = in.TraceState, out.Attributes[:1]
			if !proto.Equal(in, out) {
				t.Errorf("the span becomes %v", out)
			}
		})
	}
}

// A tracestate that stands twice: the last one counts, and so does what is written.
func TestTwoTraceStates(t *testing.T) {
	o := all()
	o.Probability = 0.5
	j := mustNew(t, o).Judge()
	span := append(plain("ot=th:e;x:1"), plain("ot=th:4;y:2")...)
	v := j.Judge(subjectOf(uint64(half)), span, nil, nil, false)
	if !v.Keep {
		t.Fatal("the first one has counted")
	}
	if s, _ := noted(t, j, span, v); s.TraceState != "ot=th:8;y:2" {
		t.Errorf("it becomes %q", s.TraceState)
	}
}

// The switches take away all that is written.
func TestSwitches(t *testing.T) {
	for _, th := range []bool{false, true} {
		for _, reason := range []bool{false, true} {
			j := mustNew(t, Options{Probability: 0.5, NoContext: 1, WriteTH: th, WriteReason: reason}).Judge()
			span := encoded(t, spanOf(1, unset, ""))
			sub := Subject{Trace: idOf(most), All: true}
			out := j.Note(bytes.Clone(span), j.Judge(&sub, span, nil, nil, false))
			s := new(tracepb.Span)
			if err := proto.Unmarshal(out, s); err != nil {
				t.Fatal(err)
			}
			if (s.TraceState != "") != th || (len(s.Attributes) != 0) != reason {
				t.Errorf("th %v, reason %v: %v", th, reason, s)
			}
			if !th && !reason && !bytes.Equal(out, span) {
				t.Error("it changes nothing, and yet the bytes are others")
			}
		}
	}
}

// Without a rule that may keep it, Early says what Judge would, be the tracestate as broken as it may.
func TestEarlyAgreesOnBrokenTraceStates(t *testing.T) {
	o := all()
	o.Probability = 0.5
	j := mustNew(t, o).Judge()
	long := "a=" + strings.Repeat("v", 200)
	for _, traceState := range []string{"", "foo=1", "ot=th:c", "ot=rv:" + rv, "ot=rv:" + lowRV, "ot=th:X;rv:" + lowRV, "ot=th:X;rv:" + rv, "ot=rv:" + lowRV + ";rv:" + rv,
		"ot=rv:" + lowRV + ",=", "ot=rv:" + lowRV + ",ot=rv:" + rv, long + ",b" + long + ",c" + long + ",ot=rv:" + lowRV, "ot=:", "ot=", "rot=rv:" + lowRV} {
		for _, r := range []uint64{0, uint64(half) - 1, uint64(half), most} {
			sub := subjectOf(r)
			_, drops := j.Early(sub, []byte(traceState))
			if v := j.Judge(sub, plain(traceState), nil, nil, false); v.Keep == drops {
				t.Errorf("%q, R %014x: early dropped is %v, later kept is %v", traceState, r, drops, v.Keep)
			}
		}
	}
}

func TestHints(t *testing.T) {
	for traceState, want := range map[string]bool{"": false, "foo=1": false, "ot=th:c": true, "foo=1,ot=rv:" + rv: true} {
		if HasHints([]byte(traceState)) != want {
			t.Errorf("%q: hints are %v", traceState, !want)
		}
	}
}

// The attribute is a field that the official runtime reads, whatever the name of the rule.
func TestAttribute(t *testing.T) {
	for _, name := range []string{"", "a", strings.Repeat("ä", 64), strings.Repeat("x", 300)} {
		s := new(tracepb.Span)
		if err := proto.Unmarshal(attributeOf(name), s); err != nil || len(s.Attributes) != 1 || s.Attributes[0].Key != RuleAttribute || s.Attributes[0].Value.GetStringValue() != name {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
}
