package sampler

import (
	"fmt"
	"testing"
	"time"
)

// usual are the spans that benchmarks judge: of many traces, and as large as those that entries make.
type usual struct {
	subjects   [1024]Subject
	span, head []byte
	room       []byte
}

func newUsual(t testing.TB, traceState string) *usual {
	u := &usual{head: headOf(t, text("service.name", "edge"), text("k8s.pod.name", "edge-1"))}
	s := spanOf(12, unset, traceState)
	for i := range 18 {
		s.Attributes = append(s.Attributes, text(fmt.Sprintf("http.request.header.%d", i), "some value of it"))
	}
	s.Attributes = append(s.Attributes, text("http.route", "/products"))
	u.span = encoded(t, s)
	u.room = make([]byte, 0, len(u.span)+1<<10)
	r := random(16)
	for i := range u.subjects {
		u.subjects[i] = Subject{Trace: idOf(randomness(r)), All: true}
	}
	return u
}

// ruled are rules as many have them.
func ruled() Options {
	o := with(keepFailed, Rule{Name: "slow", SlowerThan: 2 * time.Second}, Rule{Name: "checkout", Conditions: conditions(`span.attributes["http.route"] == "/checkout"`), Action: Probability, Probability: 0.25})
	o.Probability = 0.01
	return o
}

func onePercent() Options {
	o := all()
	o.Probability = 0.01
	return o
}

func withBudget(o Options) Options {
	o.Spans, o.Bytes = 1000, 1<<20
	return o
}

var benchmarks = []struct {
	name string
	o    Options
}{{"1%", onePercent()}, {"rules", ruled()}, {"rules, budget", withBudget(ruled())}, {"dynamic", with(dynamic(100, "http.route", "service.name"))}}

func BenchmarkEarly(b *testing.B) {
	for _, traceState := range []string{"", "ot=th:8"} {
		b.Run(traceState, func(b *testing.B) {
			j, u, state := mustNew(b, onePercent()).Judge(), newUsual(b, ""), []byte(traceState)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				j.Early(&u.subjects[i%len(u.subjects)], state)
			}
		})
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			j, u := mustNew(b, bb.o).Judge(), newUsual(b, "")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				j.Judge(&u.subjects[i%len(u.subjects)], u.span, u.head, nil, true)
			}
		})
	}
}

func BenchmarkJudgeAtOnce(b *testing.B) {
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			s, u := mustNew(b, bb.o), newUsual(b, "")
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				j := s.Judge()
				for i := 0; pb.Next(); i++ {
					j.Judge(&u.subjects[i%len(u.subjects)], u.span, u.head, nil, true)
				}
			})
		})
	}
}

func BenchmarkNote(b *testing.B) {
	for _, traceState := range []string{"", "foo=1,ot=th:8"} {
		b.Run(traceState, func(b *testing.B) {
			j, u := mustNew(b, onePercent()).Judge(), newUsual(b, traceState)
			v := j.Judge(&Subject{Trace: idOf(most), All: true}, u.span, u.head, nil, true)
			u.room = append(u.room, u.span...)
			b.ReportAllocs()
			for b.Loop() {
				j.Note(u.room, v)
			}
		})
	}
}

func BenchmarkTick(b *testing.B) {
	s := mustNew(b, withBudget(all()))
	for b.Loop() {
		s.Tick(0)
	}
}

// Nothing that is done for a span costs memory, but the key of a dynamic rule.
func TestNoAllocation(t *testing.T) {
	for _, tt := range benchmarks {
		for _, traceState := range []string{"", "foo=1,ot=th:8", "foo=1,ot=rv:" + rv} {
			j, u := mustNew(t, tt.o).Judge(), newUsual(t, traceState)
			state := []byte(traceState)
			i, kept := 0, 0
			n := testing.AllocsPerRun(2000, func() {
				sub := &u.subjects[i%len(u.subjects)]
				i++
				j.Early(sub, state)
				v := j.Judge(sub, u.span, u.head, nil, true)
				if v.Keep {
					kept++
					u.room = j.Note(append(u.room[:0], u.span...), v)
					v = j.Follow(sub, v.Reason, u.span)
				}
			})
			if most := map[string]float64{"dynamic": 1}[tt.name]; n > most {
				t.Errorf("%s, %q: %v allocations for a span", tt.name, traceState, n)
			}
			if kept == 0 && traceState == "" {
				t.Errorf("%s: none is kept", tt.name)
			}
		}
	}
}
