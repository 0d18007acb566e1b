package sampler

import (
	"bytes"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

// fuzzed are samplers of all kinds, with thresholds that stay.
func fuzzed(f *testing.F) (list []*Sampler) {
	base := Options{Probability: 0.5, NoContext: 0.25, WriteTH: true, WriteReason: true}
	proportional, off := base, base
	proportional.Mode, proportional.Upstream, off.WriteTH = sampling.Proportional, 0.5, false
	rules := with(keepFailed, Rule{Name: "cart", Conditions: conditions(`IsMatch(span.attributes["http.route"], "/cart")`, `Len(span.events) > 2`), Action: Probability, Probability: 0.5},
		Rule{Name: "slow", SlowerThan: time.Second, Action: Drop}, dynamic(2, "http.route", "k"))
	rules.Upstream = 0.5
	full := base
	full.Rules, full.Spans, full.StressAbove = []Rule{keepFailed}, 10, 70
	for _, o := range []Options{base, proportional, off, rules, full} {
		list = append(list, mustNew(f, o))
	}
	last := list[4]
	last.budget.usual.limit.Store(0xa0 << 48)
	last.budget.must.limit.Store(0x40 << 48)
	last.stress.set(0.5)
	return list
}

// FuzzJudge takes any bytes for a span: nothing panics, and what goes on is the span with its tracestate, which is true, and an
// attribute.
func FuzzJudge(f *testing.F) {
	for i, traceState := range []string{"", "foo=1", "ot=th:8", "foo=1,ot=th:c;rv:" + rv + ";x:1", "ot=th:X;rv:" + lowRV, "=,", "ot=th:0"} {
		span := encoded(f, spanOf(uint64(i)*500, tracepb.Status_StatusCode(i%3), traceState, text("http.route", "/cart"), text("k", "\x00")))
		for how := range uint16(5) {
			f.Add(span, uint64(i)<<53|1<<52, how<<8|uint16(i)*37)
		}
		f.Add(append(span, span...), uint64(i)<<53, uint16(i)<<8)
		f.Add(span[:len(span)-i], most, uint16(i))
	}
	samplers := fuzzed(f)
	f.Fuzz(func(t *testing.T, span []byte, r uint64, how uint16) {
		s := samplers[int(how>>8)%len(samplers)]
		j, before := s.Judge(), bytes.Clone(span)
		sub := Subject{Trace: idOf(r & most), Contextless: how&1 != 0, All: how&2 != 0, Unsampled: how&4 != 0, Debug: how&24 == 24, Priority: int8(how>>5&3) % 3}
		var in, slowly facts
		in.read(span)
		for r := wire.Read(span); r.Next(); {
			slowly.field(&r)
		}
		if in.start != slowly.start || in.end != slowly.end || in.status != slowly.status || !bytes.Equal(in.traceState, slowly.traceState) {
			t.Fatalf("%+v, one field after the other %+v", in, slowly)
		}
		why, drops := j.Early(&sub, in.traceState)
		v := j.Judge(&sub, span, nil, nil, how&128 != 0)
		if drops && (v.Keep || v.Reason != why) {
			t.Fatalf("dropped early by %d, but %+v", why, v)
		}
		if v.Keep {
			checkNote(t, j, &sub, span, v)
		}
		checkNote(t, j, &sub, span, j.Follow(&sub, v.Reason, span))
		if !bytes.Equal(span, before) {
			t.Fatal("the span was changed")
		}
	})
}

// checkNote checks what goes on of a span that is kept.
func checkNote(t *testing.T, j *Judge, sub *Subject, span []byte, v Verdict) {
	t.Helper()
	out := j.Note(bytes.Clone(span), v)
	if !bytes.HasPrefix(out, span) {
		t.Fatal("what was there is gone")
	}
	was, is := new(tracepb.Span), new(tracepb.Span)
	if proto.Unmarshal(span, was) != nil {
		return
	}
	if err := proto.Unmarshal(out, is); err != nil {
		t.Fatal(err)
	}
	if n := len(was.Attributes); len(is.Attributes) != n+1 || is.Attributes[n].Key != RuleAttribute || is.Attributes[n].Value.GetStringValue() != j.s.Name(v.Reason) {
		t.Fatalf("the attributes become %v", is.Attributes)
	}
	before, _ := sampling.ReadState([]byte(was.TraceState))
	after, bad := sampling.ReadState([]byte(is.TraceState))
	if bad {
		t.Fatalf("%q becomes %q, which cannot be read", was.TraceState, is.TraceState)
	}
	if before.HasRandomness != after.HasRandomness || before.Randomness != after.Randomness {
		t.Fatalf("%q becomes %q", was.TraceState, is.TraceState)
	}
	if after.HasThreshold && (after.Of((*[16]byte)(&sub.Trace)) < uint64(after.Threshold) || after.Threshold < before.Threshold || after.Threshold == 0 && !before.HasThreshold) {
		t.Fatalf("R %x: %q becomes %q, which is not true", sub.Trace[8:], was.TraceState, is.TraceState)
	}
	if after.HasThreshold && !j.s.o.WriteTH && after != before {
		t.Fatalf("%q becomes %q, and nothing was to be written", was.TraceState, is.TraceState)
	}
	is.TraceState, is.Attributes = was.TraceState, is.Attributes[:len(was.Attributes)]
	if !proto.Equal(was, is) {
		t.Fatalf("%v becomes %v", was, is)
	}
}
