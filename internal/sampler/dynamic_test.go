package sampler

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/alspan/alspan/internal/sampling"
)

func dynamic(goal int, keys ...string) Rule {
	return Rule{Name: "dynamic", Action: Dynamic, GoalRate: goal, Keys: keys}
}

// kind is spans that come with the same values.
type kind struct {
	rate       int // in ten seconds
	attributes []*commonpb.KeyValue
	head       []byte
}

// kinds lets spans of several kinds come for some time. It gives how many are kept of each, and for how many those stand.
func kinds(t *testing.T, j *Judge, d time.Duration, list []kind) (kept []int, stand []tally) {
	r := random(14)
	kept, stand = make([]int, len(list)), make([]tally, len(list))
	for range d / (10 * time.Second) {
		for i, k := range list {
			span := encoded(t, spanOf(1, unset, "", k.attributes...))
			for range k.rate {
				sub := Subject{Trace: idOf(randomness(r)), All: true}
				if v := j.Judge(&sub, span, k.head, nil, false); v.Keep {
					if kept[i]++; !v.known {
						t.Fatal("the probability is not known")
					}
					stand[i].count(v.th)
				}
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
	return kept, stand
}

// What is rare is kept rather than what is frequent; all together it is one of the goal, and what is kept stands for what came.
func TestDynamic(t *testing.T) {
	for _, goal := range []int{5, 20, 50} {
		synctest.Test(t, func(t *testing.T) {
			j := mustNew(t, with(dynamic(goal, "http.route", "service.name"))).Judge()
			edge := headOf(t, text("service.name", "edge"))
			list := []kind{
				{rate: 8000, attributes: []*commonpb.KeyValue{text("http.route", "/")}, head: edge},
				{rate: 1000, attributes: []*commonpb.KeyValue{text("http.route", "/cart")}, head: edge},
				{rate: 150, attributes: []*commonpb.KeyValue{text("http.route", "/"), text("service.name", "shop")}, head: edge},
				{rate: 20, attributes: []*commonpb.KeyValue{text("http.route", "/")}, head: headOf(t, text("service.name", "cron"))},
			}
			first, _ := kinds(t, j, 10*time.Second, list)
			for i, k := range list { // as long as nothing is known of frequencies, the goal is for all
				p := 1 / float64(goal)
				if sigma := math.Sqrt(float64(k.rate) * p * (1 - p)); math.Abs(float64(first[i])-float64(k.rate)*p) > 5*sigma {
					t.Errorf("goal %d, kind %d: at first %d of %d are kept", goal, i, first[i], k.rate)
				}
			}
			kinds(t, j, time.Minute, list)
			kept, stand := kinds(t, j, 2*time.Minute, list)
			came, went := 0, 0
			for i, k := range list {
				n := k.rate * 12
				came, went = came+n, went+kept[i]
				if c := &stand[i]; !c.is(n) {
					t.Errorf("goal %d, kind %d: an estimate of %.0f, but there were %d", goal, i, c.sum, n)
				}
				if i > 0 && kept[i]*list[i-1].rate < kept[i-1]*k.rate {
					t.Errorf("goal %d: %d of kind %d are kept, and %d of the more frequent one before", goal, kept[i], i, kept[i-1])
				}
			}
			if kept[3]*list[0].rate <= 2*kept[0]*list[3].rate {
				t.Errorf("goal %d: %d of the rarest kind are kept, and %d of the most frequent one", goal, kept[3], kept[0])
			}
			if best := came / goal; went > best*11/10 || went < best*7/10 { // rates are whole numbers, rounded up
				t.Errorf("goal %d: %d of %d are kept", goal, went, came)
			}
		})
	}
}

// A key that was not there before is kept, a flood of one comes to be sampled.
func TestNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := mustNew(t, with(dynamic(10, "http.route"))).Judge()
		usual := kind{rate: 2000, attributes: []*commonpb.KeyValue{text("http.route", "/")}}
		kinds(t, j, time.Minute, []kind{usual})
		if kept, _ := kinds(t, j, 10*time.Second, []kind{{rate: 10, attributes: []*commonpb.KeyValue{text("http.route", "/new")}}}); kept[0] != 10 {
			t.Errorf("%d of 10 with a new key are kept", kept[0])
		}
		if kept, _ := kinds(t, j, 10*time.Second, []kind{{rate: 10}}); kept[0] != 10 {
			t.Errorf("%d of 10 without the key are kept", kept[0])
		}
		flood := kind{rate: 20_000, attributes: []*commonpb.KeyValue{text("http.route", "/flood")}}
		kinds(t, j, time.Minute, []kind{usual, flood})
		kept, _ := kinds(t, j, time.Minute, []kind{usual, flood})
		near(t, "all", kept[0]+kept[1], 13_200, 20)
		if kept[1] > 3*kept[0] {
			t.Errorf("%d of the flood are kept, and %d of what is usual", kept[1], kept[0])
		}
	})
}

// More keys than may be kept do not keep more: all are as rare as the others.
func TestManyKeys(t *testing.T) {
	for _, n := range []int{300, 3000, 30_000} {
		synctest.Test(t, func(t *testing.T) {
			s := mustNew(t, with(dynamic(10, "id")))
			j, r, kept := s.Judge(), random(16), 0
			for i := range 12 * n { // in two minutes, each with a key of its own
				time.Sleep(2 * time.Minute / time.Duration(12*n))
				span := encoded(t, spanOf(1, unset, "", text("id", fmt.Sprint(i))))
				if j.Judge(&Subject{Trace: idOf(randomness(r))}, span, nil, nil, false).Keep {
					kept++
				}
			}
			if best := 12 * n / 10; kept > best*3/2 || kept < best/3 {
				t.Errorf("%d of %d are kept", kept, 12*n)
			}
			if d := s.rules[0].dynamic; len(d.now) > mostKey+1 || len(d.mean) > 4*mostKey {
				t.Errorf("%d and %d keys are remembered", len(d.now), len(d.mean))
			}
		})
	}
}

// A burst is known soon.
func TestBurstOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := mustNew(t, with(dynamic(10, "http.route"))).Judge()
		usual := kind{rate: 2000, attributes: []*commonpb.KeyValue{text("http.route", "/")}}
		kinds(t, j, time.Minute, []kind{usual})
		r, kept := random(17), 0
		const n = 100_000
		for range n { // in five seconds, all new
			time.Sleep(5 * time.Second / n)
			if j.Judge(&Subject{Trace: idOf(randomness(r))}, nil, nil, nil, false).Keep {
				kept++
			}
		}
		if kept > n/2 {
			t.Errorf("%d of %d are kept", kept, n)
		}
	})
}

// Different values make different keys, and the same values the same one.
func TestKeys(t *testing.T) {
	s := mustNew(t, with(dynamic(10, "a", "b", "c")))
	j := s.Judge()
	number := func(key string, n int64) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}}
	}
	seen := map[string]int{}
	for i, attributes := range [][]*commonpb.KeyValue{
		{}, {text("a", "a"), text("b", "bc")}, {text("a", "ab"), text("b", "c")}, {text("a", "abc")}, {text("b", "abc")}, {text("c", "abc")}, {text("a", "a"), text("b", "b"), text("c", "c")},
		{text("a", "\x00"), text("b", "")}, {text("a", ""), text("b", "\x00")}, {text("a", "\x001"), text("b", "")}, {text("a", "a\x00"), text("b", "c")}, {text("a", "a"), text("b", "\x00c")},
		{text("a", "a\x002\x00"), text("b", "c")}, {text("a", "a"), text("b", "c\x002\x00")}, {text("a", "\x001\x00\x001\x00\x001\x00")}, {text("a", "x"), text("b", "y\x000\x00z")}, {text("a", "x\x000\x00y"), text("b", "z")},
		{number("a", 12), number("b", 3)}, {number("a", 1), number("b", 23)},
	} {
		j.chooser.See(encoded(t, spanOf(1, unset, "", attributes...)), nil, nil, false)
		key := string(j.appendKey(nil, &s.rules[0]))
		if was, ok := seen[key]; ok {
			t.Errorf("%v has the key %q, as has the one with number %d", attributes, key, was)
		}
		seen[key] = i
	}
	j.chooser.See(encoded(t, spanOf(9, failed, "", text("c", "abc"), text("d", "e"))), nil, nil, false)
	if i := seen[string(j.appendKey(nil, &s.rules[0]))]; i != 5 {
		t.Errorf("what is no key has a part in it: it is as number %d", i)
	}
}

// Dynamic rates are thresholds, too: a trace that is kept at one rate is kept at every smaller one.
func TestDynamicNests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, mode := range []sampling.Mode{sampling.Equalizing, sampling.Proportional} {
			strict, lax := with(dynamic(30, "k")), with(dynamic(10, "k"))
			strict.Mode, lax.Mode = mode, mode
			a, b, r := mustNew(t, strict).Judge(), mustNew(t, lax).Judge(), random(15)
			kept := 0
			for range 20_000 {
				sub := subjectOf(randomness(r))
				if a.Judge(sub, nil, nil, nil, false).Keep {
					if kept++; !b.Judge(sub, nil, nil, nil, false).Keep {
						t.Fatalf("%v: one of 30, but not one of 10", sub.Trace)
					}
				}
			}
			near(t, "one of 30", kept, 20_000/30, 20)
		}
	})
}
