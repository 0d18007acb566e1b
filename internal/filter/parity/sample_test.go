package parity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
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

// collector gives the collector's verdict in a word, for what parse gave of the condition.
func (s *sample) collector(ctx context.Context, c *ottlCondition, err error) string {
	if err != nil {
		return word(false, err)
	}
	return word(s.evaluate(ctx, c))
}

// alspan gives alspan's verdict in a word.
func (s *sample) alspan() string { return word(verdict(s.condition, s.resource, s.scope, s.span)) }

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

// differs tells whether the verdicts do.
func (s *sample) differs(ctx context.Context) bool {
	c, err := parse(s.condition)
	return s.collector(ctx, c, err) != s.alspan()
}

// check reports verdicts that differ.
func (s *sample) check(t *testing.T) {
	t.Helper()
	if !s.differs(t.Context()) {
		return
	}
	c, err := parse(s.condition)
	want := s.collector(t.Context(), c, err)
	if err == nil {
		_, err = s.evaluate(t.Context(), c)
	}
	_, alspanErr := verdict(s.condition, s.resource, s.scope, s.span)
	text := fmt.Sprintf("%s\nthe collector says %s (%v), alspan says %s (%v), of", s.condition, want, err, s.alspan(), alspanErr)
	for _, l := range flatten(t, s.request()) {
		text += "\n" + strings.Join(l.lines(), "\n")
	}
	t.Error(text)
}

// shrink gives a simpler sample of which the verdicts differ.
func shrink(t *testing.T, condition, span []byte) *sample {
	t.Helper()
	condition = simpler(condition, func(c []byte) bool { return newSample(randomCondition(c), span).differs(t.Context()) })
	text := randomCondition(condition)
	span = simpler(span, func(s []byte) bool { return newSample(text, s).differs(t.Context()) })
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
