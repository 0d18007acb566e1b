package parity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/filter"
)

// sample is a condition and a span.
type sample struct {
	condition             string
	resource, scope, span []byte
}

// newSample gives a condition and the span that the choices stand for.
func newSample(condition string, choices []byte) *sample {
	d := dice(choices)
	s := &sample{condition: condition}
	s.resource, s.scope, s.span = randomSpan(&d)
	return s
}

// request is the span as a request.
func (s *sample) request() []byte {
	return message(nil).bytes(1, message(nil).bytes(1, s.resource).bytes(2, message(nil).bytes(1, s.scope).bytes(2, s.span)))
}

// judges are both of one condition; where it is refused, the error says why.
type judges struct {
	collector, alspan       judge
	way                     filter.Way // alspan's
	collectorErr, alspanErr error
}

func newJudges(ctx context.Context, condition string) *judges {
	j := new(judges)
	j.collector, j.collectorErr = collectorJudge(ctx, condition)
	j.alspan, j.way, j.alspanErr = alspanJudge(condition)
	return j
}

// words gives the verdicts on a sample, each in a word and with its error.
func (j *judges) words(s *sample) (collector, alspan string, collectorErr, alspanErr error) {
	collector, collectorErr = word(j.collector, j.collectorErr, s)
	alspan, alspanErr = word(j.alspan, j.alspanErr, s)
	return collector, alspan, collectorErr, alspanErr
}

func word(j judge, refused error, s *sample) (string, error) {
	if refused != nil {
		return "refuses it", refused
	}
	switch drop, err := j(s.resource, s.scope, s.span); {
	case err != nil:
		return "fails", err
	case drop:
		return "drops", nil
	}
	return "keeps", nil
}

// differ tells whether they do.
func (j *judges) differ(s *sample) bool {
	a, b, _, _ := j.words(s)
	return a != b
}

// check reports verdicts that differ.
func (s *sample) check(t *testing.T) {
	t.Helper()
	want, got, wantErr, gotErr := newJudges(t.Context(), s.condition).words(s)
	if want == got {
		return
	}
	text := fmt.Sprintf("%s\nthe collector %s (%v), alspan %s (%v):", s.condition, want, wantErr, got, gotErr)
	for _, l := range flatten(t, s.request()) {
		text += "\n" + strings.Join(l.lines(), "\n")
	}
	t.Error(text)
}

// shrink gives a simpler sample of which the verdicts differ.
func shrink(t *testing.T, condition, span []byte) *sample {
	t.Helper()
	condition = simpler(condition, func(c []byte) bool {
		s := newSample(randomCondition(c), span)
		return newJudges(t.Context(), s.condition).differ(s)
	})
	text := randomCondition(condition)
	j := newJudges(t.Context(), text)
	span = simpler(span, func(s []byte) bool { return j.differ(newSample(text, s)) })
	return newSample(text, span)
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
