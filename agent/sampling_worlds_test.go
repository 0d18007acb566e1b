package agent

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/sampler"
)

// keepRule gives a configuration that keeps nothing but what one of the conditions holds for; without any, what failed.
func keepRule(conditions ...string) func(*config.Config) {
	return func(c *config.Config) {
		c.Sample.Probability, c.Sample.NoContext = 0, 0
		sampleRule(c, "keep", conditions...)
	}
}

func sampleRule(c *config.Config, action string, conditions ...string) *config.SampleRule {
	r := config.SampleRule{Name: fmt.Sprint("rule ", len(c.Sample.Rules)), Error: len(conditions) == 0, Action: action}
	for _, text := range conditions {
		r.Conditions = append(r.Conditions, config.Text{Value: text, Path: text})
	}
	c.Sample.Rules = append(c.Sample.Rules, r)
	return &c.Sample.Rules[len(c.Sample.Rules)-1]
}

// What is decided by more than the trace id, in worlds of Envoys of all kinds.
var samplings = map[string]func(*config.Config){
	"errors":                   keepRule(),
	"half, by the entry":       keepRule(`IsMatch(span.attributes["envoy.request_id"], "[0-7]$")`),
	"half, by Envoy's span":    keepRule(`IsMatch(span.attributes["guid:x-request-id"], "[0-7]$")`),
	"attempts are not enough":  keepRule(`span.kind == SPAN_KIND_CLIENT`),
	"nothing of kind INTERNAL": func(c *config.Config) { sampleRule(c, "drop", `span.kind == SPAN_KIND_INTERNAL`) },
	"errors, and half of the traces": func(c *config.Config) {
		keepRule()(c)
		c.Sample.Probability, c.Sample.NoContext = config.All/2, config.All/2
	},
	"a third of what was slow": func(c *config.Config) {
		r := sampleRule(c, "probability")
		r.Error, r.SlowerThan, r.Probability = false, time.Millisecond, config.All/3
	},
	"a budget": func(c *config.Config) { c.Sample.Budget.Spans = 3 },
}

var sampledWorlds = flag.Int("sampled", 240, "how many random worlds to sample")

// Sampled or not, what leaves in a world is the same, request by request.
func TestSampledRequestsAreWhole(t *testing.T) {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range samplings {
			if !yield(name) {
				return
			}
		}
	})
	halves := map[string][2]int{}
	for n := range uint64(*sampledWorlds) {
		name := names[n%uint64(len(names))]
		t.Run(fmt.Sprint(name, "/", n), func(t *testing.T) {
			w := worlds.Generate(n)
			all := sent(t, w, live(t, w, nil))
			mark(t, all, sent(t, w, live(t, w, samplings[name])))
			kept := halves[name]
			for _, request := range byRequest(all) {
				for _, s := range request[1:] {
					if s.kept != request[0].kept {
						t.Errorf("of one request one span is kept, and one is not:\n%v\n%v", request[0], s)
					}
				}
				if kept[0]++; request[0].kept {
					kept[1]++
				}
			}
			halves[name] = kept
		})
	}
	for name, n := range halves {
		if *sampledWorlds >= 100 && (n[1] < n[0]/50 || n[1] > n[0]-n[0]/50) {
			t.Errorf("%s: %d of %d requests are kept: too few, or too many, to say anything", name, n[1], n[0])
		}
	}
}

// sentSpan is a span that left, and what it is of.
type sentSpan struct {
	*tracepb.Span
	of   check.Origin
	at   time.Duration
	kept bool // it left when the world was sampled, too
}

func (s *sentSpan) String() string {
	log := ""
	if e := s.of.Entry; e != nil {
		log = fmt.Sprint(e.Log, " ", e.RequestID, " type ", e.Type)
	}
	return fmt.Sprintf("%v: %s %v %x/%x below %x (%s), kept: %v", s.at, s.of.How, s.Kind, s.TraceId, s.SpanId, s.ParentSpanId, log, s.kept)
}

// sent gives the spans that left in a world.
func sent(t *testing.T, w *correlation.World, out []check.Out) (list []*sentSpan) {
	of, err := check.Origins(w, out)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		for _, rs := range o.Spans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					list = append(list, &sentSpan{Span: s, of: of[s], at: o.At})
				}
			}
		}
	}
	return list
}

// mark marks of all spans those that are among the sampled ones, which have to be among them: as they are, but for what the sampler
// adds. An attempt may have waited for its request, and know more of it.
func mark(t *testing.T, all, sampled []*sentSpan) {
	t.Helper()
	known := map[string][]*sentSpan{}
	for _, s := range all {
		known[s.unsampled(t)] = append(known[s.unsampled(t)], s)
		known[s.what()] = append(known[s.what()], s)
	}
	for _, s := range sampled {
		same := slices.DeleteFunc(slices.Clone(known[s.unsampled(t)]), func(a *sentSpan) bool { return a.kept })
		if len(same) == 0 && s.of.Pass != nil && !s.downstream() {
			same = slices.DeleteFunc(slices.Clone(known[s.what()]), func(a *sentSpan) bool { return a.kept })
		}
		if len(same) == 0 {
			t.Errorf("a span leaves that does not leave without sampling: %v", s)
			continue
		}
		same[0].kept = true
	}
}

// what tells spans apart by what they are of.
func (s *sentSpan) what() string {
	var e correlation.EntryKey
	var in correlation.SpanKey
	if s.of.Entry != nil {
		e = s.of.Entry.Key()
	}
	if s.of.Span != nil {
		in = s.of.Span.Key()
	}
	return fmt.Sprint(e, in, s.of.Below)
}

// unsampled gives the encoded span without what the sampler adds.
func (s *sentSpan) unsampled(t *testing.T) string {
	c := proto.CloneOf(s.Span)
	c.TraceState = ""
	c.Attributes = slices.DeleteFunc(c.Attributes, func(a *commonpb.KeyValue) bool { return a.Key == sampler.RuleAttribute })
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
