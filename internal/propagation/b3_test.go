package propagation

import (
	"slices"
	"strings"
	"testing"
)

func TestB3Multi(t *testing.T) {
	const (
		trace, span, parent, sampled, flags = "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"
	)
	ids := []string{trace, traceHex, span, spanHex}
	with := func(more ...string) []string { return slices.Concat(ids, more) }
	tests := []struct {
		name     string
		headers  []string
		reason   Reason
		decision Decision
		parent   string
		short    bool
	}{
		{"ids alone defer", ids, Valid, Deferred, "", false},
		{"Envoy, 64-bit trace id", []string{trace, shortHex, span, spanHex, parent, parentHex, sampled, "1"}, Valid, Sampled, parentHex, true},
		{"Envoy root: the span is the low half of the trace", []string{trace, shortHex, span, spanHex, sampled, "0"}, Valid, NotSampled, "", true},
		{"sampled", with(sampled, "1"), Valid, Sampled, "", false},
		{"not sampled", with(sampled, "0"), Valid, NotSampled, "", false},
		{"true", with(sampled, "true"), Valid, Sampled, "", false},
		{"false", with(sampled, "false"), Valid, NotSampled, "", false},
		{"white space", []string{trace, " " + traceHex + "\t", span, "\t" + spanHex, sampled, " 1 ", parent, " " + parentHex}, Valid, Sampled, parentHex, false},
		{"sampled empty", with(sampled, ""), BadSampled, Deferred, "", false},
		{"sampled True", with(sampled, "True"), BadSampled, Deferred, "", false},
		{"sampled d", with(sampled, "d"), BadSampled, Deferred, "", false},
		{"sampled 01", with(sampled, "01"), BadSampled, Deferred, "", false},

		{"debug", with(flags, "1"), Valid, Debug, "", false},
		{"debug wins over sampled", with(sampled, "0", flags, "1"), Valid, Debug, "", false},
		{"debug wins, other order", with(flags, "1", sampled, "0"), Valid, Debug, "", false},
		{"debug wins over nonsense", with(flags, "1", sampled, "x"), Valid, Debug, "", false},
		{"flags 0", with(flags, "0"), Valid, Deferred, "", false},
		{"flags 0 and sampled", with(flags, "0", sampled, "1"), Valid, Sampled, "", false},
		{"flags 3", with(flags, "3"), Valid, Deferred, "", false},
		{"flags empty", with(flags, "", sampled, "0"), Valid, NotSampled, "", false},
		{"flags true", with(flags, "true"), Valid, Deferred, "", false},

		{"parent", with(parent, parentHex), Valid, Deferred, parentHex, false},
		{"parent dash", with(parent, "-", sampled, "1"), Valid, Sampled, "", false},
		{"parent empty", with(parent, ""), Valid, Deferred, "", false},
		{"parent zero", with(parent, zeroSpan), Valid, Deferred, "", false},
		{"parent too long", with(parent, traceHex), Valid, Deferred, "", false},
		{"parent in upper case", with(parent, strings.ToUpper(parentHex)), Valid, Deferred, "", false},
		{"parent is the span", with(parent, spanHex), Valid, Deferred, "", false},

		{"span without trace", []string{span, spanHex}, Incomplete, Deferred, "", false},
		{"trace without span", []string{trace, traceHex, sampled, "1"}, Incomplete, Deferred, "", false},
		{"bad trace without span", []string{trace, "x"}, Incomplete, Deferred, "", false},
		{"one id and a denial", []string{span, spanHex, sampled, "0"}, Incomplete, Deferred, "", false},
		{"parent alone", []string{parent, parentHex}, Incomplete, Deferred, "", false},

		{"trace empty", []string{trace, "", span, spanHex}, BadLength, Deferred, "", false},
		{"trace of 31", []string{trace, traceHex[1:], span, spanHex}, BadLength, Deferred, "", false},
		{"trace of 15", []string{trace, shortHex[1:], span, spanHex}, BadLength, Deferred, "", false},
		{"trace of 17", []string{trace, shortHex + "1", span, spanHex}, BadLength, Deferred, "", false},
		{"trace in upper case", []string{trace, strings.ToUpper(traceHex), span, spanHex}, BadHex, Deferred, "", false},
		{"trace not hex", []string{trace, "g" + traceHex[1:], span, spanHex}, BadHex, Deferred, "", false},
		{"trace zero", []string{trace, zeroTrace, span, spanHex}, ZeroID, Deferred, "", false},
		{"short trace zero", []string{trace, zeroSpan, span, spanHex}, ZeroID, Deferred, "", false},
		{"span empty", []string{trace, traceHex, span, ""}, BadLength, Deferred, "", false},
		{"span of 17", []string{trace, traceHex, span, spanHex + "1"}, BadLength, Deferred, "", false},
		{"span in upper case", []string{trace, traceHex, span, strings.ToUpper(spanHex)}, BadHex, Deferred, "", false},
		{"span zero", []string{trace, traceHex, span, zeroSpan}, ZeroID, Deferred, "", false},
		{"both bad: the trace is named", []string{trace, "", span, zeroSpan, sampled, "x"}, BadLength, Deferred, "", false},

		{"denial alone", []string{sampled, "0"}, NoIDs, NotSampled, "", false},
		{"false alone", []string{sampled, "false"}, NoIDs, NotSampled, "", false},
		{"acceptance alone", []string{sampled, "1"}, NoIDs, Sampled, "", false},
		{"debug alone", []string{flags, "1"}, NoIDs, Debug, "", false},
		{"debug wins over a denial alone", []string{sampled, "0", flags, "1"}, NoIDs, Debug, "", false},
		{"denial with a parent", []string{sampled, "0", parent, parentHex}, NoIDs, NotSampled, "", false},
		{"nonsense alone", []string{sampled, "no"}, BadSampled, Deferred, "", false},
		{"flags 0 alone say nothing", []string{flags, "0"}, Absent, Deferred, "", false},

		{"repeated, the first wins", []string{trace, traceHex + "," + shortHex, span, spanHex + ", " + parentHex, sampled, "1,0", parent, parentHex + ",-"}, Valid, Sampled, parentHex, false},
		{"repeated, the first is bad", []string{trace, "x," + traceHex, span, spanHex}, BadLength, Deferred, "", false},
		{"repeated, the first is empty", with(sampled, ",1"), BadSampled, Deferred, "", false},
		{"repeated flags, the first wins", with(flags, "0,1"), Valid, Deferred, "", false},
		{"two calls, the first wins", with(trace, shortHex, span, parentHex, sampled, "1", sampled, "0"), Valid, Sampled, "", false},
		{"two calls, the first is bad", []string{span, "x", trace, traceHex, span, spanHex}, BadLength, Deferred, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := b3Want(t, tt.decision, tt.parent, tt.short)
			s := newSet(tt.headers...)
			check(t, s, B3Multi, tt.reason, want)
			checkDecision(t, s, B3Multi, tt.reason, tt.decision)
			s.Finish() // once more changes nothing
			check(t, s, B3Multi, tt.reason, want)
			checkDecision(t, s, B3Multi, tt.reason, tt.decision)
		})
	}
}

// A map has no order: the ids must not depend on it.
func TestB3MultiInAnyOrder(t *testing.T) {
	headers := [][]string{{"x-b3-traceid", traceHex}, {"x-b3-spanid", spanHex}, {"x-b3-parentspanid", parentHex}, {"x-b3-sampled", "0"}, {"x-b3-flags", "1"}}
	var permute func(done, rest [][]string)
	permute = func(done, rest [][]string) {
		if len(rest) == 0 {
			check(t, newSet(slices.Concat(done...)...), B3Multi, Valid, b3Want(t, Debug, parentHex, false))
		}
		for i := range rest {
			permute(append(slices.Clone(done), rest[i]), slices.Delete(slices.Clone(rest), i, i+1))
		}
	}
	permute(nil, headers)
}

func TestB3MultiBeforeFinish(t *testing.T) {
	var s Set
	s.Header([]byte("x-b3-traceid"), []byte(traceHex))
	s.Header([]byte("x-b3-spanid"), []byte(spanHex))
	check(t, &s, B3Multi, Incomplete, Context{})
}

func TestB3Single(t *testing.T) {
	const ids = traceHex + "-" + spanHex
	tests := []struct {
		name, value string
		reason      Reason
		decision    Decision
		parent      string
		short       bool
	}{
		{"ids alone defer", ids, Valid, Deferred, "", false},
		{"sampled", ids + "-1", Valid, Sampled, "", false},
		{"not sampled", ids + "-0", Valid, NotSampled, "", false},
		{"debug", ids + "-d", Valid, Debug, "", false},
		{"parent", ids + "-1-" + parentHex, Valid, Sampled, parentHex, false},
		{"not sampled, parent", ids + "-0-" + parentHex, Valid, NotSampled, parentHex, false},
		{"debug, parent", ids + "-d-" + parentHex, Valid, Debug, parentHex, false},
		{"Envoy 1.40, 64-bit trace id", shortHex + "-" + spanHex + "-1-" + parentHex, Valid, Sampled, parentHex, true},
		{"64-bit trace id, ids alone", shortHex + "-" + spanHex, Valid, Deferred, "", true},
		{"white space", " \t" + ids + "-1 ", Valid, Sampled, "", false},

		{"denial alone", "0", NoIDs, NotSampled, "", false},
		{"acceptance alone", "1", NoIDs, Sampled, "", false},
		{"debug alone", "d", NoIDs, Debug, "", false},
		{"denial alone, white space", "\t0 ", NoIDs, NotSampled, "", false},
		{"other state alone", "2", BadSampled, Deferred, "", false},
		{"upper case state alone", "D", BadSampled, Deferred, "", false},

		{"empty", "", BadLength, Deferred, "", false},
		{"white space alone", " ", BadLength, Deferred, "", false},
		{"dash alone", "-", BadLayout, Deferred, "", false},
		{"two characters", "00", BadLayout, Deferred, "", false},
		{"true", "true", BadLayout, Deferred, "", false},
		{"trace id alone", traceHex, BadLayout, Deferred, "", false},
		{"64-bit trace id alone", shortHex, BadLayout, Deferred, "", false},
		{"parent without state", ids + "-" + parentHex, BadLayout, Deferred, "", false},
		{"trailing dash after trace", traceHex + "-", BadLayout, Deferred, "", false},
		{"trailing dash after ids", ids + "-", BadLayout, Deferred, "", false},
		{"trailing dash after state", ids + "-1-", BadLayout, Deferred, "", false},
		{"trailing dash after parent", ids + "-1-" + parentHex + "-", BadLayout, Deferred, "", false},
		{"trailing dash after denial", "0-", BadLayout, Deferred, "", false},
		{"five parts", ids + "-1-" + parentHex + "-1", BadLayout, Deferred, "", false},
		{"state empty", ids + "--" + parentHex, BadLayout, Deferred, "", false},
		{"state true", ids + "-true", BadLayout, Deferred, "", false},
		{"state 2", ids + "-2", BadSampled, Deferred, "", false},
		{"state D", ids + "-D-" + parentHex, BadSampled, Deferred, "", false},
		{"leading dash", "-" + ids, BadLength, Deferred, "", false},
		{"traceparent", "00-" + ids + "-01", BadLength, Deferred, "", false},

		{"parent too short", ids + "-1-" + parentHex[1:], Valid, Sampled, "", false},
		{"parent not hex", ids + "-1-x" + parentHex[1:], Valid, Sampled, "", false},
		{"parent in upper case", ids + "-0-" + strings.ToUpper(parentHex), Valid, NotSampled, "", false},
		{"parent zero", ids + "-1-" + zeroSpan, Valid, Sampled, "", false},
		{"parent is the span", ids + "-1-" + spanHex, Valid, Sampled, "", false},

		{"trace too short", traceHex[1:] + "-" + spanHex, BadLength, Deferred, "", false},
		{"trace in upper case", strings.ToUpper(traceHex) + "-" + spanHex, BadHex, Deferred, "", false},
		{"trace not hex", "x" + traceHex[1:] + "-" + spanHex, BadHex, Deferred, "", false},
		{"trace zero", zeroTrace + "-" + spanHex + "-1", ZeroID, Deferred, "", false},
		{"short trace zero", zeroSpan + "-" + spanHex, ZeroID, Deferred, "", false},
		{"span too long", ids + "0-1", BadLength, Deferred, "", false},
		{"span empty", traceHex + "--1", BadLength, Deferred, "", false},
		{"span in upper case", traceHex + "-" + strings.ToUpper(spanHex), BadHex, Deferred, "", false},
		{"span zero", traceHex + "-" + zeroSpan, ZeroID, Deferred, "", false},

		{"repeated, the first wins", ids + "-1," + shortHex + "-" + parentHex + "-0", Valid, Sampled, "", false},
		{"repeated, the first is a denial", "0, " + ids + "-1", NoIDs, NotSampled, "", false},
		{"repeated, the first is bad", "x," + ids, BadSampled, Deferred, "", false},
		{"repeated, the first is empty", "," + ids, BadLength, Deferred, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := b3Want(t, tt.decision, tt.parent, tt.short)
			s := newSet("b3", tt.value)
			check(t, s, B3Single, tt.reason, want)
			checkDecision(t, s, B3Single, tt.reason, tt.decision)
			again := newSet("b3", tt.value, "b3", shortHex+"-"+parentHex+"-d")
			check(t, again, B3Single, tt.reason, want)
		})
	}
}

// The two forms are separate: a denial in one says nothing about the other.
func TestB3FormsAreSeparate(t *testing.T) {
	s := newSet("b3", "0", "x-b3-traceid", traceHex, "x-b3-spanid", spanHex)
	checkDecision(t, s, B3Single, NoIDs, NotSampled)
	check(t, s, B3Multi, Valid, b3Want(t, Deferred, "", false))
	s = newSet("x-b3-sampled", "0", "b3", traceHex+"-"+spanHex+"-1")
	checkDecision(t, s, B3Multi, NoIDs, NotSampled)
	check(t, s, B3Single, Valid, b3Want(t, Sampled, "", false))
	if s.Denied(TraceParent) {
		t.Error("traceparent is denied by B3")
	}
}

func b3Want(t *testing.T, decision Decision, parent string, short bool) Context {
	t.Helper()
	want := Context{Trace: traceID(t, traceHex), Span: spanID(t, spanHex), Parent: spanID(t, parent), Decision: decision}
	if short {
		want.Trace = traceID(t, zeroSpan+shortHex)
	}
	if decision == Sampled || decision == Debug {
		want.Flags = FlagSampled
	}
	return want
}

func checkDecision(t *testing.T, s *Set, f Format, reason Reason, want Decision) {
	t.Helper()
	if got := s.Decision(f); got != want {
		t.Errorf("Decision(%s) = %d, want %d", f, got, want)
	}
	if denied := reason == NoIDs && want == NotSampled; s.Denied(f) != denied {
		t.Errorf("Denied(%s) = %v, want %v", f, s.Denied(f), denied)
	}
}
