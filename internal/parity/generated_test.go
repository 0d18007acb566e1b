package parity

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/filter"
)

const (
	generated = 4000 // conditions of one run
	spansEach = 12   // for each of them

	conditionRolls = 120 // choices for a condition
	spanRolls      = 200 // for a span
)

// generate calls f with random conditions, each with its choices, and with those of several spans. They are the same in every run.
func generate(f func(condition string, choices []byte, spans [][]byte)) {
	r := rand.NewChaCha8([32]byte{'p', 'a', 'r', 'i', 't', 'y'})
	choices, spans := make([]byte, conditionRolls), make([][]byte, spansEach)
	for i := range spans {
		spans[i] = make([]byte, spanRolls)
	}
	for range generated {
		r.Read(choices)
		for _, s := range spans {
			r.Read(s)
		}
		f(randomCondition(choices), choices, spans)
	}
}

// On random conditions and spans both come to the same verdict. The conditions are worth something: most are accepted, many tell
// spans apart, and alspan works them out in all ways that it has.
func TestGenerated(t *testing.T) {
	differ, apart, words, ways := 0, 0, map[string]int{}, map[filter.Way]int{}
	generate(func(condition string, choices []byte, spans [][]byte) {
		j := newJudges(t.Context(), condition)
		if j.alspanErr == nil {
			ways[j.way]++
		}
		seen := map[string]bool{}
		for _, span := range spans {
			want, got, _, _ := j.words(newSample(condition, span))
			words[want]++
			seen[want] = true
			if want != got && differ < 10 {
				differ++
				shrink(t, choices, span).check(t)
				break
			}
		}
		if len(seen) > 1 {
			apart++
		}
	})
	t.Logf("%d of %d conditions tell spans apart; the collector %v; the ways of alspan are %v", apart, generated, words, ways)
	if all := generated * spansEach; apart < generated/4 || words["refuses it"] > all/4 || words["fails"] > all/3 || words["drops"] < all/10 {
		t.Error("that is not enough")
	}
	for _, w := range []filter.Way{filter.Quick, filter.Lazy, filter.Decoded} {
		if ways[w] < generated/10 {
			t.Errorf("%d conditions go the way %q", ways[w], w)
		}
	}
}

// FuzzGenerated goes on where TestGenerated ends.
func FuzzGenerated(f *testing.F) {
	n := 0
	generate(func(_ string, choices []byte, spans [][]byte) {
		if n++; n%200 == 0 {
			f.Add(slices.Clone(choices), slices.Clone(spans[0]))
		}
	})
	f.Fuzz(func(t *testing.T, choices, span []byte) { newSample(randomCondition(choices), span).check(t) })
}

// FuzzText takes any text for a condition; it begins with those of the corpus.
func FuzzText(f *testing.F) {
	for _, e := range corpus(f) {
		conf, err := resolve(f.Context(), e.text)
		if err != nil {
			continue // it is not YAML
		}
		walk(conf.ToStringMap()["filter"], func(condition string) { f.Add(condition, []byte{}) })
	}
	f.Fuzz(func(t *testing.T, condition string, span []byte) {
		if !strings.Contains(condition, "otelcol") { // see differences
			newSample(condition, span).check(t)
		}
	})
}
