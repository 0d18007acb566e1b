package sampler

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

const (
	half    sampling.Threshold = 0x80 << 48
	quarter sampling.Threshold = 0xc0 << 48
	most    uint64             = 1<<56 - 1
)

// all are options by which nothing is sampled.
func all() Options {
	return Options{Probability: 1, NoContext: 1, WriteTH: true, WriteReason: true}
}

// with gives options by which nothing is sampled but by these rules.
func with(rules ...Rule) Options {
	o := all()
	o.Rules = rules
	return o
}

func mustNew(t testing.TB, o Options) *Sampler {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// idOf gives the id of a trace with that randomness.
func idOf(r uint64) (id propagation.TraceID) {
	id[0] = 1
	binary.BigEndian.PutUint64(id[8:], r|0xab<<56)
	return id
}

// subjectOf gives what is known of a trace with that randomness.
func subjectOf(r uint64) *Subject { return &Subject{Trace: idOf(r)} }

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spanOf gives a span that took ms milliseconds.
func spanOf(ms uint64, code tracepb.Status_StatusCode, traceState string, attributes ...*commonpb.KeyValue) *tracepb.Span {
	const start = 1_700_000_000_000_000_000
	return &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "GET", TraceState: traceState, StartTimeUnixNano: start,
		EndTimeUnixNano: start + ms*1_000_000, Status: &tracepb.Status{Code: code}, Attributes: attributes}
}

const (
	unset  = tracepb.Status_STATUS_CODE_UNSET
	failed = tracepb.Status_STATUS_CODE_ERROR
)

// plain gives the bytes of a span of which only the tracestate matters.
func plain(traceState string) []byte {
	if traceState == "" {
		return nil
	}
	return wire.AppendBytes(nil, spanTraceState, traceState)
}

func headOf(t testing.TB, attributes ...*commonpb.KeyValue) (head []byte) {
	t.Helper()
	var r []byte
	for _, a := range attributes {
		r = wire.AppendBytes(r, 1, encoded(t, a))
	}
	return wire.AppendBytes(nil, 1, r)
}

func conditions(texts ...string) (list []filter.Condition) {
	for _, text := range texts {
		list = append(list, filter.Condition{Name: "test", Text: text})
	}
	return list
}

// noted gives the span that goes on, as the official runtime reads it, and its reason.
func noted(t testing.TB, j *Judge, span []byte, v Verdict) (*tracepb.Span, string) {
	t.Helper()
	s := new(tracepb.Span)
	if err := proto.Unmarshal(j.Note(append(make([]byte, 0, len(span)+1<<10), span...), v), s); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.Attributes {
		if a.Key == RuleAttribute {
			return s, a.Value.GetStringValue()
		}
	}
	return s, ""
}

// next lets the span of a trace through a stage. It gives its tracestate there.
func next(t testing.TB, j *Judge, r uint64, traceState string) (string, bool) {
	t.Helper()
	span := plain(traceState)
	v := j.Judge(subjectOf(r), span, nil, nil, false)
	if !v.Keep {
		return "", false
	}
	s, _ := noted(t, j, span, v)
	return s.TraceState, true
}

// thOf gives the th of a tracestate.
func thOf(traceState string) (sampling.Threshold, bool) {
	s, _ := sampling.ReadState([]byte(traceState))
	return s.Threshold, s.HasThreshold
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed+1)) }

// randomness draws R.
func randomness(r *rand.Rand) uint64 { return r.Uint64N(1 << 56) }

// countsOf gives what the reasons have counted.
func countsOf(s *Sampler) map[string][2]int64 {
	m := map[string][2]int64{}
	s.Reasons(func(name string, kept, dropped int64) {
		if kept|dropped != 0 {
			m[name] = [2]int64{kept, dropped}
		}
	})
	return m
}
