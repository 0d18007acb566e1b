package parity

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/sampling"
)

// stage is a configuration of a sampler.
type stage struct {
	mode    sampling.Mode
	percent float32
}

// tested is a span before a sampler: its tracestate, and the randomness in its trace id.
type tested struct {
	state string
	id    uint64
}

// fates are what both make of a span: "drops", or "keeps" and the tracestate.
type fates struct{ collector, alspan string }

func words(keep bool, state string) string {
	if !keep {
		return "drops"
	}
	return "keeps " + state
}

// traceID gives an id whose first bytes say nothing about sampling.
func (s *tested) traceID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], 0x4bf92f3577b34da6)
	binary.BigEndian.PutUint64(id[8:], 0xa3<<56|s.id)
	return id
}

// collectorSamples gives what the collector's sampler makes of spans, in their order.
func (st stage) collectorSamples(t *testing.T, list []tested) []string {
	t.Helper()
	mode := map[sampling.Mode]string{sampling.Equalizing: "equalizing", sampling.Proportional: "proportional"}[st.mode]
	conf := confmap.NewFromStringMap(map[string]any{"sampler": map[string]any{"mode": mode, "sampling_percentage": st.percent}})
	c := &collector{sink: new(consumertest.TracesSink)}
	var err error
	if c.head, err = start(t.Context(), conf, "sampler", probabilisticsamplerprocessor.NewFactory(), c.sink); err != nil {
		t.Fatal(err)
	}
	spans := make([]*tracepb.Span, len(list))
	for i := range list {
		id := list[i].traceID()
		spans[i] = &tracepb.Span{TraceId: id[:], SpanId: binary.BigEndian.AppendUint64(nil, uint64(i)+1), TraceState: list[i].state}
	}
	out, err := c.run(t.Context(), marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{from(nil, by("", "", spans...))}}))
	if err != nil {
		t.Fatal(err)
	}
	result := make([]string, len(list))
	for i := range result {
		result[i] = words(false, "")
	}
	for _, l := range flatten(t, out) {
		result[binary.BigEndian.Uint64(l.span.SpanId)-1] = words(true, l.span.TraceState)
	}
	return result
}

// alspanSamples gives what alspan makes of a span. The collector takes a span without th for one that nobody has sampled yet.
func (st stage) alspanSamples(in tested) string {
	s, bad := sampling.ReadState([]byte(in.state))
	id := in.traceID()
	o := st.mode.Sample(&s, s.Of(&id), st.threshold(), sampling.Always, true)
	if !bad && !o.Changes(&s) {
		return words(o.Keep, in.state)
	}
	return words(o.Keep, string(sampling.AppendTraceState(nil, []byte(in.state), o.Threshold, o.Known)))
}

func (st stage) threshold() sampling.Threshold {
	p := float64(st.percent) / 100
	if st.mode == sampling.Proportional {
		return sampling.Exactly(p)
	}
	return sampling.FromProbability(p)
}

// Spans with all kinds of tracestates go through both samplers. What alspan leaves, a collector behind it keeps.
func TestSampledSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	differ, equal, kept := map[string]int{}, 0, 0
	var onward []tested
	for _, mode := range []sampling.Mode{sampling.Equalizing, sampling.Proportional} {
		for _, percent := range []float32{100, 99.9, 50, 33.3, 25, 10, 1, 0.1, 0} {
			st := stage{mode, percent}
			list := make([]tested, 4000)
			for i := range list {
				list[i] = st.randomSpan(r)
			}
			for i, want := range st.collectorSamples(t, list) {
				f := fates{want, st.alspanSamples(list[i])}
				if f.collector == f.alspan {
					equal++
				} else if reason := st.differenceOf(list[i], f); reason != "" {
					differ[reason]++
				} else {
					t.Errorf("%+v, %q with %014x:\nthe collector %s\nalspan        %s", st, list[i].state, list[i].id, f.collector, f.alspan)
				}
				if state, ok := strings.CutPrefix(f.alspan, "keeps "); ok {
					kept++
					if collectorReads(state) == alspanReads(state) {
						onward = append(onward, tested{state, list[i].id})
					}
				}
			}
		}
	}
	for i, f := range (stage{sampling.Equalizing, 100}).collectorSamples(t, onward) {
		if f == "drops" {
			t.Errorf("%q with %014x, which alspan kept, is dropped", onward[i].state, onward[i].id)
		}
	}
	t.Logf("%d fare alike; alspan keeps %d, of which the collector reads %d", equal, kept, len(onward))
	for _, d := range sampledDifferences {
		if t.Logf("%6d: %s", differ[d.reason], d.reason); differ[d.reason] == 0 {
			t.Errorf("no span is like %q: %s", d.in.state, d.reason)
		}
	}
	if equal < 40000 || len(onward) < 20000 {
		t.Error("these are too few to say anything")
	}
}

// randomSpan gives a span that most often has passed what its tracestate says, or is at the edge of what st keeps.
func (st stage) randomSpan(r *rand.Rand) tested {
	s := tested{state: randomTraceState(r), id: r.Uint64N(1 << 56)}
	read, _ := sampling.ReadState([]byte(s.state))
	switch r.IntN(8) {
	case 0:
	case 1:
		o := st.mode.Sample(&read, high, st.threshold(), sampling.Always, true)
		s.id = (uint64(o.Threshold) + r.Uint64N(3) - 1) & high
	default:
		s.id = uint64(read.Threshold) + r.Uint64N(1<<56-uint64(read.Threshold))
	}
	return s
}

// differenceOf gives the reason why both may differ about a span, "" if there is none.
func (st stage) differenceOf(in tested, f fates) string {
	for _, d := range sampledDifferences {
		if d.like(st, in, f) {
			return d.reason
		}
	}
	return ""
}

func TestSampledDifferences(t *testing.T) {
	for _, d := range sampledDifferences {
		f := fates{d.stage.collectorSamples(t, []tested{d.in})[0], d.stage.alspanSamples(d.in)}
		if f != d.want {
			t.Errorf("%s: %+v with %q, %014x:\n got %q\nwant %q", d.reason, d.stage, d.in.state, d.in.id, f, d.want)
		} else if !d.like(d.stage, d.in, f) {
			t.Errorf("%s: %q is not like that", d.reason, d.in.state)
		}
	}
}
