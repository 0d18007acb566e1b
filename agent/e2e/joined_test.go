package e2e

import (
	"slices"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// How a span that left the agent came to be.
const (
	made   = "made"   // from an entry
	joined = "joined" // it came from Envoy's tracer, and has an entry's detail
	sent   = "sent"   // it came from Envoy's tracer and went on as it was
)

func (s *span) origin() string {
	switch {
	case s.text("component") != "proxy":
		return made
	case s.text("envoy.log_name") != "":
		return joined
	}
	return sent
}

// ofRequest tells whether a span is about a request rather than about one attempt of it: only that has the path, or as
// Envoy's own the node.
func (s *span) ofRequest() bool {
	return s.Kind != trace.Span_SPAN_KIND_CLIENT || s.text("url.path") != "" || s.text("node_id") != ""
}

// checkOwn compares a span that Envoy exported with what left the agent: nothing of it may be lost or changed, but for its
// id where another span has the same, and its kind where it came too late.
func (v *view) checkOwn(t *testing.T, s *span, fail func(format string, args ...any)) {
	t.Helper()
	own, ok := v.ownOf(s)
	if !ok && !utf8.ValidString(v.Header) {
		return // it could not be read; here it was repaired
	}
	if !ok {
		fail("Envoy exported no such span")
		return
	}
	if s.trace() != own.Trace {
		fail("its trace is %s, Envoy's is %s", s.trace(), own.Trace)
	}
	if s.id() != own.ID && s.parent() != own.ID {
		fail("its id is %s and its parent %s, Envoy's id is %s", s.id(), s.parent(), own.ID)
	}
	if s.Kind != trace.Span_SPAN_KIND_INTERNAL && kindName(s.Kind) != own.Kind {
		fail("it is a %s, Envoy's is a %s", kindName(s.Kind), own.Kind)
	}
	if own.raw == nil {
		for key, value := range own.Tags {
			if got := s.text(key); got != value {
				fail("attribute %s is %q, Envoy's tag is %q", key, got, value)
			}
		}
		return
	}
	want, got := own.raw, proto.Clone(s.Span).(*trace.Span)
	// What the agent is told to add is in the wants.
	got.Attributes = slices.DeleteFunc(got.Attributes, func(a *common.KeyValue) bool { return a.Key == "cluster" || a.Key == samplingRule })
	if len(got.Attributes) < len(want.Attributes) || len(got.Events) < len(want.Events) || len(got.Links) < len(want.Links) {
		fail("it has lost something: %d attributes of %d, %d events of %d", len(got.Attributes), len(want.Attributes), len(got.Events), len(want.Events))
		return
	}
	if s.origin() == joined { // what was added stands behind what was there
		got.Attributes, got.Events, got.Links = got.Attributes[:len(want.Attributes)], got.Events[:len(want.Events)], got.Links[:len(want.Links)]
		if want.Status.GetCode() == trace.Status_STATUS_CODE_UNSET {
			got.Status = want.Status
		}
	}
	got.SpanId, got.ParentSpanId, got.Kind = want.SpanId, want.ParentSpanId, want.Kind
	if diff := gocmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreEmptyMessages()); diff != "" {
		fail("(-Envoy's +span):\n%s", diff)
	}
}

// ownOf gives the span of Envoy's that s was.
func (v *view) ownOf(s *span) (best ownSpan, ok bool) {
	for _, own := range slices.Concat(v.passes, v.children) {
		if own.Hop != s.Service || own.Start != int64(s.StartTimeUnixNano) || own.End != int64(s.EndTimeUnixNano) || own.Name != s.Name {
			continue
		}
		if !ok || own.ID == s.id() {
			best, ok = own, true
		}
	}
	return best, ok
}

// checkJoins compares what the agent says that it has joined with the spans that are there and pairs that were dropped, and
// counts the spans of each request: one for each pass on each hop, and no second one.
func checkJoins(t *testing.T, views []*view, page metrics) {
	t.Helper()
	pairs := 0
	for _, v := range views {
		servers, passes := map[string]int{}, map[string]int{}
		for _, r := range v.records {
			passes[r.Hop]++
		}
		for _, s := range v.made {
			if s.origin() == joined {
				pairs++
			}
			if s.Kind == trace.Span_SPAN_KIND_SERVER || s.ofRequest() && s.Kind != trace.Span_SPAN_KIND_INTERNAL {
				servers[s.Service]++
			}
		}
		for hop, n := range servers {
			if n > passes[hop] {
				t.Errorf("%s: %s has %d spans of %d passes", v.Name, hop, n, passes[hop])
			}
		}
	}
	if dropped := page[filteredSpans] + page[sampledOutSpans]; dropped > 0 { // some of them were pairs: the counts of the wants say how many
		pairs = max(pairs, int(page[joinedEntries]))
	}
	for _, name := range []string{joinedEntries, "alspan_join_spans_total{fate=\"joined\"}"} {
		if page[name] != float64(pairs) {
			t.Errorf("%s is %v, there are %d joined spans", name, page[name], pairs)
		}
	}
}
