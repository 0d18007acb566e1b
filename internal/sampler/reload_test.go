package sampler

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/sampling"
)

// reload makes the sampler that takes over from another one.
func reload(t *testing.T, old *Sampler, o Options) *Sampler {
	t.Helper()
	s := mustNew(t, o)
	s.Inherit(old)
	return s
}

// Counts go on by the name of what has decided, be it at another place, and also those that come late.
func TestCountsGoOn(t *testing.T) {
	a, b, c := Rule{Name: "a", Error: true}, Rule{Name: "b", SlowerThan: time.Second, Action: Drop}, Rule{Name: "c", Action: Drop}
	old := reload(t, nil, with(a, b, c))
	j := old.Judge()
	isA, isB, isC := encoded(t, spanOf(1, failed, "")), encoded(t, spanOf(2000, unset, "")), encoded(t, spanOf(1, unset, ""))
	for range 3 {
		j.Judge(subjectOf(0), isA, nil, nil, false)
		j.Judge(subjectOf(0), isB, nil, nil, false)
	}
	j.Judge(subjectOf(0), isC, nil, nil, false)
	j.Judge(&Subject{Debug: true}, isC, nil, nil, false)
	j.Flush()
	j.Judge(subjectOf(0), isA, nil, nil, false)
	s := reload(t, old, with(b, Rule{Name: "new", Action: Drop}, a))
	j.Flush()
	k := s.Judge()
	k.Judge(subjectOf(0), isB, nil, nil, false)
	k.Judge(subjectOf(0), isA, nil, nil, false)
	k.Flush()
	k.Flush()
	if got, want := countsOf(s), (map[string][2]int64{"a": {4, 0}, "b": {0, 4}, "new": {0, 1}, "debug": {1, 0}}); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// Frequencies go on where the goal and the keys are the same, also what was counted since the last time they were looked at.
func TestFrequenciesGoOn(t *testing.T) {
	other := dynamic(10, "http.route")
	other.Name = "other"
	for _, tt := range []struct {
		name string
		o    Options
		goes bool
	}{
		{"the same", with(dynamic(10, "http.route")), true},
		{"at another place", with(Rule{Name: "failed", Error: true}, dynamic(10, "http.route")), true},
		{"with more conditions", with(Rule{Name: "dynamic", Action: Dynamic, GoalRate: 10, Keys: []string{"http.route"}, SlowerThan: 1}), true},
		{"another goal", with(dynamic(20, "http.route")), false},
		{"other keys", with(dynamic(10, "http.route", "service.name")), false},
		{"keys that look alike", with(dynamic(10, "http.route ")), false},
		{"another name", with(other), false},
		{"no frequencies", with(Rule{Name: "dynamic", Action: Drop}), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			old := reload(t, nil, with(dynamic(10, "http.route")))
			list := []kind{{rate: 1000}, {rate: 10, attributes: spanOf(1, unset, "", text("http.route", "/rare")).Attributes}}
			kinds(t, old.Judge(), time.Minute, list)
			time.Sleep(adjust / 2)
			s := reload(t, old, tt.o)
			if goes := s.rules[len(s.rules)-1].dynamic == old.rules[0].dynamic; goes != tt.goes {
				t.Fatalf("%s: it goes on with the frequencies is %v", tt.name, goes)
			}
			if tt.goes {
				if kept, _ := kinds(t, s.Judge(), 10*time.Second, list); kept[1] != 10 {
					t.Errorf("%s: %d of 10 rare spans are kept", tt.name, kept[1])
				}
			}
		})
	}
}

// Before anything is known of frequencies a change of the configuration does not make all keys rare.
func TestReloadAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := reload(t, reload(t, nil, with(dynamic(10, "k"))), with(dynamic(10, "k")))
		kept, _ := kinds(t, s.Judge(), 10*time.Second, []kind{{rate: 2000}})
		near(t, "kept", kept[0], 200, 25)
	})
}

// A budget goes on with what it knows, and pressure with what it has come to.
func TestStrictnessGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := budget(1000, 0, keepFailed)
		o.StressAbove = 70
		f := newFlow(t, o)
		load := []source{{rate: 10_000}, {rate: 2000, failed: true}}
		f.run(2*time.Second, load...)
		old := f.judges[0].s
		old.Tick(100)
		old.Tick(100)
		b, forced, stress := old.Thresholds()
		if b == sampling.Always || forced == sampling.Always || stress != half {
			t.Fatalf("the thresholds are %014x, %014x, %014x", uint64(b), uint64(forced), uint64(stress))
		}
		s := reload(t, old, o)
		if b2, forced2, stress2 := s.Thresholds(); b2 != b || forced2 != forced || stress2 != stress {
			t.Errorf("they become %014x, %014x, %014x", uint64(b2), uint64(forced2), uint64(stress2))
		}
		time.Sleep(10 * time.Millisecond) // in which nothing comes
		s.Tick(60)
		b2, forced2, _ := s.Thresholds()
		near(t, "kept of others, in a million", int(1e6*b2.Probability()), int(1e6*b.Probability()), 10)
		near(t, "kept of what rules keep, in a million", int(1e6*forced2.Probability()), int(1e6*forced.Probability()), 10)
		f.judges[0] = s.Judge()
		kept := f.run(time.Second, load...)
		near(t, "kept", kept[0].spans+kept[1].spans, 1000, 10)

		o.Spans, o.StressAbove = 3000, 0
		if s = reload(t, s, o); s.stress != nil {
			t.Error("there is stress")
		}
		f.judges[0] = s.Judge()
		f.run(time.Second, load...)
		kept = f.run(time.Second, load...)
		near(t, "failed with more room", kept[1].spans, 2000, 0)
		near(t, "others with more room", kept[0].spans, 1000, 15)

		s = reload(t, s, with(keepFailed))
		if b, forced, stress = s.Thresholds(); b|forced|stress != sampling.Always {
			t.Error("it is strict without a reason")
		}
	})
}

// A span goes on with the reason of the request it follows, and with the th that it has by it.
func TestFollow(t *testing.T) {
	o := with(Rule{Name: "keep", Error: true}, Rule{Name: "quarter", SlowerThan: time.Second, Action: Probability, Probability: 0.25}, dynamic(2, "k"))
	o.Probability, o.NoContext = 0.5, 0.125
	s := mustNew(t, o)
	const rule = firstRule
	for _, tt := range []struct {
		name     string
		why      Reason
		sub      Subject
		r        uint64
		in, want string
		label    string
	}{
		{"probability", ByProbability, Subject{All: true}, most, "", "ot=th:8", "probability"},
		{"probability, nothing known", ByProbability, Subject{}, most, "foo=1", "foo=1", "probability"},
		{"probability, sampled before", ByProbability, Subject{}, most, "ot=th:4", "ot=th:8", "probability"},
		{"probability, by which it would not have been kept", ByProbability, Subject{All: true}, 0, "foo=1", "foo=1", "probability"},
		{"probability, by which it would not have been kept, sampled before", ByProbability, Subject{}, uint64(quarter) >> 1, "foo=1,ot=th:4", "foo=1", "probability"},
		{"without context", ByNoContext, Subject{All: true, Contextless: true}, most, "", "ot=th:e", "no_context"},
		{"without context, of which it does not know", ByNoContext, Subject{All: true}, most, "", "ot=th:e", "no_context"},
		{"priority", ByPriority, Subject{All: true}, most, "ot=th:8", "", "priority"},
		{"debug", ByDebug, Subject{All: true}, most, "foo=1,ot=th:8", "foo=1", "debug"},
		{"not sampled before", ByErrorsAlways, Subject{}, most, "ot=th:8", "", "errors_always"},
		{"kept by a rule", rule, Subject{All: true}, 0, "", "", "keep"},
		{"kept by a rule, sampled before", rule, Subject{}, most, "ot=th:8", "ot=th:8", "keep"},
		{"kept by a rule, not sampled before", rule, Subject{Unsampled: true}, most, "ot=th:8", "", "keep"},
		{"kept by a rule, contradicted", rule, Subject{}, 0, "ot=th:8", "", "keep"},
		{"probability of a rule", rule + 1, Subject{All: true}, most, "", "ot=th:c", "quarter"},
		{"probability of a rule, sampled before", rule + 1, Subject{}, most, "ot=th:8", "ot=th:c", "quarter"},
		{"by frequency", rule + 2, Subject{All: true}, most, "ot=th:8", "", "dynamic"},
		{"a rule that is not there", rule + 3, Subject{All: true}, most, "ot=th:8", "", "probability"},
		{"no reason at all", 4095, Subject{All: true}, most, "", "", "probability"},
		{"th is bad", rule + 1, Subject{All: true}, most, "ot=th:X", "ot=th:c", "quarter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := s.Judge()
			tt.sub.Trace = idOf(tt.r)
			span := encoded(t, spanOf(1, unset, tt.in))
			before := countsOf(s)[tt.label]
			v := j.Follow(&tt.sub, tt.why, span)
			if out, label := noted(t, j, span, v); !v.Keep || out.TraceState != tt.want || label != tt.label {
				t.Errorf("kept is %v with %q by %s, want %q by %s", v.Keep, out.TraceState, label, tt.want, tt.label)
			}
			j.Flush()
			if got := countsOf(s)[tt.label]; got != [2]int64{before[0] + 1, before[1]} {
				t.Errorf("%s has counted %v, before %v", tt.label, got, before)
			}
		})
	}
}

// A threshold by which a span would not have been kept was another one when its request was.
func TestFollowStricter(t *testing.T) {
	o := budget(1, 0, keepFailed)
	o.StressAbove = 70
	for _, tt := range []struct {
		why                   Reason
		usual, forced, stress sampling.Threshold
		want                  string
	}{
		{ByProbability, 0, 0, 0, "ot=th:4"},
		{ByProbability, half, 0, 0, "ot=th:8"},
		{ByProbability, 0, quarter, half, "ot=th:8"},
		{ByProbability, quarter, 0, 0, ""},
		{ByProbability, 0, 0, quarter, ""},
		{firstRule, quarter, half, quarter, "ot=th:8"},
		{firstRule, 0, quarter, 0, ""},
	} {
		s := mustNew(t, o)
		s.budget.usual.limit.Store(uint64(tt.usual))
		s.budget.must.limit.Store(uint64(tt.forced))
		s.stress.set(tt.stress.Probability())
		j, span := s.Judge(), plain("ot=th:4")
		if out, _ := noted(t, j, span, j.Follow(subjectOf(uint64(half)+1), tt.why, span)); out.TraceState != tt.want {
			t.Errorf("%+v: it goes on with %q", tt, out.TraceState)
		}
	}
}

// After a change of the rules the reasons of before are not taken for others; after any other change they stay what they are.
func TestReasonsAfterReload(t *testing.T) {
	a, b := Rule{Name: "a", Error: true}, Rule{Name: "b", Action: Probability, Probability: 0.5}
	old := reload(t, nil, with(a, b))
	span := encoded(t, spanOf(1, failed, "ot=th:8"))
	why := old.Judge().Judge(subjectOf(most), span, nil, nil, false).Reason
	if old.Name(why) != "a" {
		t.Fatalf("kept by %s", old.Name(why))
	}
	same := with(a, b)
	same.Probability, same.Spans = 0.5, 1000
	s := reload(t, old, same)
	j := s.Judge()
	if out, label := noted(t, j, span, j.Follow(subjectOf(most), why, span)); label != "a" || out.TraceState != "ot=th:8" {
		t.Errorf("with the same rules it goes on as %s with %q", label, out.TraceState)
	}
	numbers := map[Reason]bool{}
	for i := range 2 * generations {
		s = reload(t, s, with(b, a, Rule{Name: fmt.Sprint(i)}))
		j = s.Judge()
		if i < generations-1 {
			if out, label := noted(t, j, span, j.Follow(subjectOf(most), why, span)); label != "probability" || out.TraceState != "" {
				t.Errorf("after change %d it goes on as %s with %q", i, label, out.TraceState)
			}
			j.Dropped(why)
		}
		v := j.Judge(subjectOf(most), span, nil, nil, false)
		if v.Reason > 4095 || s.Name(v.Reason) != "b" || s.Name(v.Reason+1) != "a" || s.Name(v.Reason+3) != "" || v.Reason > firstRule && s.Name(v.Reason-1) != "" {
			t.Fatalf("after change %d the reason %d is %s", i, v.Reason, s.Name(v.Reason))
		}
		numbers[v.Reason] = true
		j.Flush()
	}
	if len(numbers) != generations {
		t.Errorf("there are %d numbers", len(numbers))
	}
	if got := countsOf(s)["a"]; got[1] != 0 {
		t.Errorf("%d are counted for another rule", got[1])
	}
	j = s.Judge()
	j.Dropped(s.first + 1)
	j.Dropped(ByBudget)
	j.Dropped(4095)
	j.Flush()
	if got := countsOf(s); got["a"][1] != 1 || got["budget"][1] != 1 {
		t.Errorf("counted %v", got)
	}
}
