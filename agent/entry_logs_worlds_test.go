package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/sampler"
)

// spanOf gives the ids of a span or a record.
func spanOf(of interface {
	GetTraceId() []byte
	GetSpanId() []byte
}) string {
	return fmt.Sprintf("%x/%x", of.GetTraceId(), of.GetSpanId())
}

// said gives the attributes of a span or a record, but for what the sampler adds.
func said(list []*commonpb.KeyValue) string {
	var all []string
	for _, a := range list {
		if a.Key != sampler.RuleAttribute {
			all = append(all, fmt.Sprint(a.Key, "=", a.Value))
		}
	}
	return strings.Join(all, "\n")
}

// checkRecords checks that each entry that was used has one record, with the ids, the times and the attributes of the span that it is in,
// and that the record says whether that has left.
func checkRecords(t *testing.T, r *rig) {
	t.Helper()
	if n := r.p.Entries.Used.Load(); int64(len(r.records)) != n {
		t.Errorf("%d records of %d entries", len(r.records), n)
	}
	spans := map[string][]*leaving{}
	for _, s := range r.out {
		spans[spanOf(s)] = append(spans[spanOf(s)], s)
	}
	for _, l := range r.records {
		id := spanOf(l)
		i := slices.IndexFunc(spans[id], func(s *leaving) bool {
			return l.TimeUnixNano == s.StartTimeUnixNano && l.ObservedTimeUnixNano == s.EndTimeUnixNano && said(l.Attributes) == said(s.Attributes) &&
				proto.Equal(l.Resource, s.Resource) && l.Scope == s.Scope.GetName()
		})
		if kept := l.Flags&1 != 0; kept != (i >= 0) {
			t.Errorf("the record\n%v\nis not that of a span with its ids: %v", l, spans[id])
		}
		if i >= 0 {
			spans[id] = slices.Delete(spans[id], i, i+1)
		}
	}
}

// logWorlds are what decides about spans beside samplings, and wholeWorlds those of them that drop nothing.
var logWorlds = map[string]func(*config.Config){
	"everything":                       nil,
	"nothing":                          func(c *config.Config) { c.Sample.Probability, c.Sample.NoContext = 0, 0 },
	"half of the traces":               func(c *config.Config) { c.Sample.Probability, c.Sample.NoContext = config.All/2, config.All/4 },
	"what the tracer sampled":          func(c *config.Config) { c.Sample.Unsampled = "follow" },
	"what failed, too":                 func(c *config.Config) { c.Sample.Unsampled = "errors_always" },
	"half, of what the tracer sampled": func(c *config.Config) { c.Sample.Unsampled, c.Sample.Probability = "follow", config.All/2 },
	"the upstream's span, too":         func(c *config.Config) { c.Spans.Upstream = "always" },
}

var wholeWorlds = []string{"everything", "the upstream's span, too"}

// Whatever is sampled, each entry has its record. Where nothing is dropped before both halves of a request are known, log records change
// nothing about spans, and sampling changes nothing about records; else more is known of requests with them.
func TestRecordsInWorlds(t *testing.T) {
	changes := maps.Clone(samplings)
	maps.Copy(changes, logWorlds)
	names := slices.Sorted(maps.Keys(changes))
	kept, all := 0, 0
	for n := range uint64(*sampledWorlds) {
		name := names[n%uint64(len(names))]
		t.Run(fmt.Sprint(name, "/", n), func(t *testing.T) {
			w, change := worlds.Generate(n), changes[name]
			r, whole := lived(t, w, withLogs(change)), lived(t, w, withLogs(upstreamOf(change)))
			checkRecords(t, r)
			_, strict := samplings[name]
			if strict = strict || slices.Contains(wholeWorlds, name); strict {
				if diff := cmp.Diff(leftSpans(t, lived(t, w, change)), leftSpans(t, r)); diff != "" {
					t.Errorf("the spans are others than without records:\n%s", diff)
				}
			}
			if diff := cmp.Diff(recorded(whole, strict), recorded(r, strict)); diff != "" {
				t.Errorf("the records are others than without sampling:\n%s", diff)
			}
			for _, l := range r.records {
				kept += int(l.Flags & 1)
			}
			all += len(r.records)
		})
	}
	if *sampledWorlds >= 100 && (kept < all/4 || kept > all*9/10) {
		t.Errorf("%d of %d entries are sampled: too few, or too many, to say anything", kept, all)
	}
}

// leftSpans gives the spans that left in a world, encoded, in an order of their own.
func leftSpans(t *testing.T, r *rig) (all []string) {
	for _, s := range r.out {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.Span)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %q", spanOf(s), b))
	}
	slices.Sort(all)
	return all
}

// upstreamOf gives what a change makes of the spans of upstreams, and nothing of sampling.
func upstreamOf(change func(*config.Config)) func(*config.Config) {
	changed := config.Default()
	if change != nil {
		change(changed)
	}
	return func(c *config.Config) { c.Spans.Upstream = changed.Spans.Upstream }
}

// recorded gives what records say; with ids, but for those of attempts, which may know more of their requests or less.
func recorded(r *rig, ids bool) (all []string) {
	attempt := func(a *commonpb.KeyValue) bool {
		return a.Key == "envoy.log_name" && strings.HasSuffix(a.Value.GetStringValue(), "-upstream")
	}
	for _, l := range r.records {
		line := fmt.Sprint(l.TimeUnixNano, " ", l.ObservedTimeUnixNano, " ", l.Body)
		if ids && !slices.ContainsFunc(l.Attributes, attempt) {
			line += " " + spanOf(l)
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}
