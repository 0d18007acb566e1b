package agent

import (
	"encoding/binary"
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/zipkin"
)

var sampledWorlds = flag.Int("sampled", 60, "how many random worlds to sample")
var firstWorld = flag.Int("first", 0, "first")
var traceOnly = flag.String("tid", "", "trace")
var kindOf = flag.String("kind", "", "kind")

func liveWith(t *testing.T, w *correlation.World, change func(*config.Config)) (out []check.Out) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		r.running.Go(func() { r.p.govern(r.parted) })
		var decode zipkin.Decoder
		for _, e := range w.Events {
			r.after(time.Until(r.began.Add(e.At)))
			switch e.Kind {
			case correlation.ALS:
				r.logs(e.Stream, e.Bytes)
			case correlation.OTLP:
				r.request(e.Bytes)
			case correlation.Zipkin:
				d, err := decode.JSON(e.Bytes, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				r.request(d.Request, d.Marks...)
			}
			r.after(0)
		}
		r.after(time.Minute)
		r.end()
		out = r.batches
	})
	return out
}

func all(out []check.Out) (list []*tracepb.Span) {
	for _, o := range out {
		for _, rs := range o.Spans {
			for _, ss := range rs.ScopeSpans {
				list = append(list, ss.Spans...)
			}
		}
	}
	return list
}

func bare(s *tracepb.Span) string {
	s = proto.CloneOf(s)
	s.TraceState = ""
	if s.Kind == tracepb.Span_SPAN_KIND_CLIENT && strings.HasPrefix(s.Name, "router") {
		s.ParentSpanId = nil
	}
	for i, a := range s.Attributes {
		if a.Key == "alspan.sampling.rule" {
			s.Attributes = append(s.Attributes[:i], s.Attributes[i+1:]...)
			break
		}
	}
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	return string(b)
}

func randomness(s *tracepb.Span) uint64 { return binary.BigEndian.Uint64(s.TraceId[8:]) & (1<<56 - 1) }

func TestSampledWorlds(t *testing.T) {
	kinds := map[string]func(c *config.Config){
		"trace": func(c *config.Config) {
			c.Sample.Probability, c.Sample.NoContext = 50*config.All/100, 50*config.All/100
		},
		"traceall": func(c *config.Config) { c.Sample.Probability = 50 * config.All / 100 },
		"errors": func(c *config.Config) {
			c.Sample.Probability = 0
			c.Sample.NoContext = 0
			c.Sample.Rules = []config.SampleRule{{Name: "e", Error: true, Action: "keep"}}
		},
		"errors50": func(c *config.Config) {
			c.Sample.Probability = 50 * config.All / 100
			c.Sample.Rules = []config.SampleRule{{Name: "e", Error: true, Action: "keep"}}
		},
		"entryhalf": func(c *config.Config) {
			c.Sample.Probability = 0
			c.Sample.NoContext = 0
			c.Sample.Rules = []config.SampleRule{{Name: "e", Conditions: []config.Text{{Value: `IsMatch(span.attributes["envoy.request_id"], "[0-7]$")`, Path: "a"}}, Action: "keep"}}
		},
		"kind": func(c *config.Config) {
			c.Sample.Probability = 50 * config.All / 100
			c.Sample.Rules = []config.SampleRule{{Name: "e", Conditions: []config.Text{{Value: `span.kind == SPAN_KIND_CLIENT`, Path: "a"}}, Action: "drop"}}
		},
	}
	for name, change := range kinds {
		if *kindOf != "" && *kindOf != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for n := range uint64(*sampledWorlds) {
				n := n + uint64(*firstWorld)
				w := worlds.Generate(n)
				t.Run(fmt.Sprint(n), func(t *testing.T) { compare(t, w, change) })
			}
		})
	}
}

type made struct {
	*tracepb.Span
	check.Request
	at   time.Duration
	kept bool
	g    int
}

func compare(t *testing.T, w *correlation.World, change func(*config.Config)) {
	before, after := liveWith(t, w, nil), liveWith(t, w, change)
	ofA, err := check.Requests(w, before)
	if err != nil {
		t.Fatal(err)
	}
	ofB, err := check.Requests(w, after)
	if err != nil {
		t.Fatal(err)
	}
	passes := map[*correlation.Pass][]*made{}
	known := map[string][]*made{}
	for _, o := range before {
		for _, s := range all([]check.Out{o}) {
			m := &made{Span: s, Request: ofA[s], at: o.At}
			known[bare(s)] = append(known[bare(s)], m)
			if m.Pass != nil {
				m.g = len(passes[m.Pass])
				passes[m.Pass] = append(passes[m.Pass], m)
			}
		}
	}
	for _, s := range all(after) {
		k := known[bare(s)]
		if len(k) == 0 {
			t.Errorf("FOREIGN: %s %s", ofB[s].What, attributesOf(s)["alspan.sampling.rule"])
			continue
		}
		k[0].kept = true
		known[bare(s)] = k[1:]
	}
	for p, list := range passes {
		_ = p
		for i, a := range list {
			for _, b := range list[:i] {
				if a.g != b.g && belong(a, b) {
					was := a.g
					for _, c := range list {
						if c.g == was {
							c.g = b.g
						}
					}
				}
			}
		}
		for i, a := range list {
			for _, b := range list[:i] {
				if a.g == b.g && a.kept != b.kept {
					t.Errorf("HALF %v %s\n%v %s\n%v %s", p, "", a.kept, a.What, b.kept, b.What)
				}
			}
		}
	}
	if *traceOnly != "" {
		for i, o := range [][]check.Out{before, after} {
			of := ofA
			if i == 1 {
				of = ofB
			}
			for _, s := range all(o) {
				if fmt.Sprintf("%x", s.TraceId) == *traceOnly {
					t.Log(i, of[s].What, attributesOf(s)["alspan.sampling.rule"], func() string {
						if of[s].Pass != nil {
							return of[s].Node
						}
						return ""
					}())
				}
			}
		}
	}
}

func belong(a, b *made) bool {
	if b.at < a.at {
		a, b = b, a
	}
	gap := b.at - a.at
	side := func(m *made) bool {
		return m.Kind != tracepb.Span_SPAN_KIND_CLIENT && (m.Entry == nil || m.Entry.Type != correlation.TypeUp) || strings.Contains(m.What, "ingress") || strings.Contains(m.What, "egress") && !strings.Contains(m.What, "router")
	}
	related := func(a, b *made) bool {
		return a.Kind == tracepb.Span_SPAN_KIND_CLIENT && string(a.TraceId) == string(b.TraceId) && string(a.ParentSpanId) == string(b.SpanId)
	}
	switch {
	case side(a) && side(b):
		return gap < 19*time.Second
	case related(a, b):
		return gap < 5*time.Second && !strings.Contains(b.What, "unpaired")
	case related(b, a):
		return gap < 19*time.Second
	}
	return false
}
