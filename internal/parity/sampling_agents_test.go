package parity

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/alspan/alspan/internal/sampler"
	"github.com/alspan/alspan/internal/sampling"
)

// agentLeaves gives what an agent that samples like that leaves.
func (st stage) agentLeaves(t *testing.T, reason bool, requests [][]byte) *survivors {
	t.Helper()
	return newSurvivors(t, exports(t, st.config(reason), func(a *running) error { return a.send(requests) }))
}

// config gives the configuration of an agent, with or without the reason in spans.
func (st stage) config(reason bool) string {
	return fmt.Sprintf("sample: {mode: %s, probability: %v, upstream_probability: 100, reason: %t, stress: {enabled: false}}", modeNames[st.mode], st.percent, reason)
}

// leaves gives what the collector's sampler leaves.
func (st stage) leaves(t *testing.T, requests [][]byte) *survivors {
	t.Helper()
	c := st.collector(t)
	var all [][]byte
	for _, r := range requests {
		out, err := c.run(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out)
	}
	return newSurvivors(t, all)
}

// Agents keep the same spans, whatever the order and the requests are in which these come, and say the same of them. A collector
// keeps and says that, too, and one behind an agent does not notice it.
func TestSampledByAgents(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	list := randomTraces(t, r)
	requests, otherwise := requestsOf(list, 7), requestsOf(shuffled(r, list), 29)
	plain := newSurvivors(t, exports(t, "", func(a *running) error { return a.send(requests) }))
	beside, behind := map[string]int{}, map[string]int{}
	for _, mode := range []sampling.Mode{sampling.Equalizing, sampling.Proportional} {
		var agents, collectors []*survivors
		for i, percent := range percents {
			st, reason := stage{mode, percent}, i%2 == int(mode)
			a, c := st.agentLeaves(t, reason, requests), st.leaves(t, requests)
			st.checkSame(t, list, a, st.agentLeaves(t, reason, otherwise))
			st.checkNotes(t, list, plain, a, reason)
			for n := range list {
				beside[st.checkFate(t, &list[n], fates{c.fate(n), a.fate(n)})]++
				st.checkWhole(t, n, c, a)
			}
			if agents, collectors = append(agents, a), append(collectors, c); i > 0 {
				st.checkNested(t, agents[i-1], a)
			}
		}
		for i := 1; i < len(percents); i++ { // at 100 % an agent changes nothing
			for j := i + 1; j < len(percents); j++ {
				later := stage{sampling.Equalizing, percents[j]}
				both := later.leaves(t, agents[i].requests)
				for n := range list {
					if s, _ := sampling.ReadState([]byte(list[n].state)); mode == sampling.Equalizing || !s.HasThreshold {
						behind[later.checkLater(t, &list[n], fates{collectors[j].fate(n), both.fate(n)})]++
					}
				}
			}
		}
	}
	checkSeen(t, list, agentDifferences, beside)
	checkSeen(t, list, laterDifferences, behind)
}

// checkSeen checks that spans have shown all differences, and that most have shown none.
func checkSeen(t *testing.T, list []traced, differences []agentDifference, seen map[string]int) {
	t.Helper()
	for _, d := range differences {
		if t.Logf("%6d: %s", seen[d.reason], d.reason); seen[d.reason] == 0 {
			t.Errorf("no span is like %q: %s", d.in.state, d.reason)
		}
	}
	if seen["alike"] < 6*len(list) {
		t.Errorf("%d fare alike: too few to say anything", seen["alike"])
	}
}

func shuffled[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// checkSame checks that two agents leave the same, byte by byte.
func (st stage) checkSame(t *testing.T, list []traced, a, b *survivors) {
	t.Helper()
	for n := range list {
		x, kept := a.encoded[n]
		y, too := b.encoded[n]
		if kept != too || !bytes.Equal(x.span, y.span) || !bytes.Equal(x.resource, y.resource) || !bytes.Equal(x.scope, y.scope) {
			t.Errorf("%+v: of %q with %014x one agent %s, and another one %s", st, list[n].state, list[n].id, a.fate(n), b.fate(n))
		}
	}
}

// checkNotes checks that what an agent keeps is what one without sampling gives, byte by byte, with a tracestate behind it that counts
// instead, and with the reason.
func (st stage) checkNotes(t *testing.T, list []traced, plain, a *survivors, reason bool) {
	t.Helper()
	if len(plain.encoded) != len(list) {
		t.Fatalf("of %d spans %d come through an agent", len(list), len(plain.encoded))
	}
	for n, got := range a.encoded {
		want := plain.encoded[n]
		if state := a.decoded[n].span.TraceState; state != plain.decoded[n].span.TraceState {
			want.span = want.span.text(fieldState, state)
		}
		if reason && st.percent < 100 {
			by := "probability"
			if list[n].priority.alspan != 0 {
				by = "priority"
			}
			want.span = want.span.bytes(fieldAttribute, marshal(attrs(sampler.RuleAttribute, by)[0]))
		}
		if !bytes.Equal(got.resource, want.resource) || !bytes.Equal(got.scope, want.scope) || !bytes.Equal(got.span, want.span) {
			t.Errorf("%+v, span %d: the bytes are\n%x, not\n%x", st, n, got.span, want.span)
		}
	}
}

// checkWhole checks that a span that both keep is the same but for what samplers write.
func (st stage) checkWhole(t *testing.T, n int, c, a *survivors) {
	t.Helper()
	want, kept := c.decoded[n]
	got, too := a.decoded[n]
	if kept && too && !want.butSampling().equal(got.butSampling()) {
		t.Errorf("%+v: %s differs:\n%s", st, want, lineByLine(want.butSampling().lines(), got.butSampling().lines()))
	}
}

// checkNested checks that a stricter agent keeps some of the spans that another one keeps.
func (st stage) checkNested(t *testing.T, more, fewer *survivors) {
	t.Helper()
	for n := range fewer.decoded {
		if more.decoded[n] == nil {
			t.Errorf("%+v: span %d is kept, and dropped where more are kept", st, n)
		}
	}
	if len(fewer.decoded) == 0 || len(fewer.decoded) >= len(more.decoded) {
		t.Errorf("%+v: %d are kept, and %d where more should be", st, len(fewer.decoded), len(more.decoded))
	}
}
