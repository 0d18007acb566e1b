package parity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	generated = 4000 // conditions of one run
	spansEach = 12   // for each of them

	conditionRolls = 120 // choices for a condition
	spanRolls      = 200 // for a span
)

// sample is a condition and a span.
type sample struct {
	condition             string
	resource, scope, span []byte
}

// newSample gives the one that the choices stand for.
func newSample(condition, span []byte) *sample {
	c, s := dice(condition), dice(span)
	x := &sample{condition: randomCondition(&c)}
	x.resource, x.scope, x.span = randomSpan(&s)
	return x
}

// verdicts gives what both say of a sample, each in a word.
func (s *sample) verdicts(t testing.TB) (collector, alspan string) {
	t.Helper()
	return word(collectorVerdict(t.Context(), s.condition, s.resource, s.scope, s.span)), word(verdict(s.condition, s.resource, s.scope, s.span))
}

// request is the sample's span as a request.
func (s *sample) request() []byte {
	return message(nil).bytes(1, message(nil).bytes(1, s.resource).bytes(2, message(nil).bytes(1, s.scope).bytes(2, s.span)))
}

func word(drop bool, err error) string {
	switch {
	case errors.Is(err, errRefused):
		return "refused"
	case err != nil:
		return "error"
	case drop:
		return "drop"
	}
	return "keep"
}

// generate calls f with the choices of random conditions, each with several spans, the same in every run.
func generate(f func(n int, condition, span []byte)) {
	r := rand.NewChaCha8([32]byte{'p', 'a', 'r', 'i', 't', 'y'})
	condition, span := make([]byte, conditionRolls), make([]byte, spanRolls)
	for n := range generated {
		r.Read(condition)
		for range spansEach {
			r.Read(span)
			f(n, condition, span)
		}
	}
}

// On random conditions and spans both come to the same verdict.
func TestGenerated(t *testing.T) {
	failed := map[int]bool{}
	generate(func(n int, condition, span []byte) {
		if failed[n] || len(failed) == 10 {
			return
		}
		if want, got := newSample(condition, span).verdicts(t); want != got {
			failed[n] = true
			newSample(shrink(t, condition, span)).report(t)
		}
	})
}

// Random conditions are worth something: most are accepted, and many tell spans apart.
func TestGeneratedDecides(t *testing.T) {
	seen, words := map[int]map[string]bool{}, map[string]int{}
	generate(func(n int, condition, span []byte) {
		s := newSample(condition, span)
		w := word(collectorVerdict(t.Context(), s.condition, s.resource, s.scope, s.span))
		words[w]++
		if seen[n] == nil {
			seen[n] = map[string]bool{}
		}
		seen[n][w] = true
	})
	apart := 0
	for _, w := range seen {
		if len(w) > 1 {
			apart++
		}
	}
	t.Logf("%d of %d conditions tell spans apart; the verdicts are %v", apart, generated, words)
	if all := generated * spansEach; apart < generated/4 || words["refused"] > all/4 || words["error"] > all/3 || words["drop"] < all/10 {
		t.Errorf("%d of %d conditions tell spans apart; the verdicts are %v", apart, generated, words)
	}
}

// FuzzGenerated goes on where TestGenerated ends.
func FuzzGenerated(f *testing.F) {
	n := 0
	generate(func(_ int, condition, span []byte) {
		if n++; n%2000 == 0 {
			f.Add(slices.Clone(condition), slices.Clone(span))
		}
	})
	f.Fuzz(func(t *testing.T, condition, span []byte) { check(t, newSample(condition, span)) })
}

// FuzzText takes any text for a condition; it begins with those of the corpus.
func FuzzText(f *testing.F) {
	for _, e := range corpus(f) {
		conf, err := resolve(f.Context(), e.text)
		if err != nil {
			continue // not YAML
		}
		walk(conf.ToStringMap()["filter"], func(condition string) { f.Add(condition, []byte{}) })
	}
	f.Fuzz(func(t *testing.T, condition string, span []byte) {
		s := newSample(nil, span)
		s.condition = condition
		check(t, s)
	})
}

func check(t *testing.T, s *sample) {
	t.Helper()
	if want, got := s.verdicts(t); want != got {
		s.report(t)
	}
}

// report tells that the verdicts differ.
func (s *sample) report(t *testing.T) {
	t.Helper()
	drop, err := collectorVerdict(t.Context(), s.condition, s.resource, s.scope, s.span)
	want := fmt.Sprintf("the collector says %s (%v)", word(drop, err), err)
	drop, err = verdict(s.condition, s.resource, s.scope, s.span)
	t.Errorf("%s\n%s, alspan says %s (%v)", s.condition, want, word(drop, err), err)
	for _, l := range flatten(t, s.request()) {
		t.Log(strings.Join(l.lines(), "\n"))
	}
}

// shrink gives smaller choices for which the verdicts differ, too.
func shrink(t *testing.T, condition, span []byte) ([]byte, []byte) {
	t.Helper()
	condition = simpler(condition, func(c []byte) bool {
		want, got := newSample(c, span).verdicts(t)
		return want != got
	})
	span = simpler(span, func(s []byte) bool {
		want, got := newSample(condition, s).verdicts(t)
		return want != got
	})
	return condition, span
}

// simpler takes away from b, and makes zeros of what is left, as long as ok holds.
func simpler(b []byte, ok func([]byte) bool) []byte {
	for size := len(b) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(b); {
			if less := slices.Delete(slices.Clone(b), i, i+size); ok(less) {
				b = less
			} else {
				i += size
			}
		}
	}
	for i := range b {
		zero := slices.Clone(b)
		if zero[i] = 0; ok(zero) {
			b = zero
		}
	}
	return b
}
