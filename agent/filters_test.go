package agent

import (
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/attributes"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// spanFilter gives a configuration with conditions on spans.
func spanFilter(conditions ...string) func(*config.Config) {
	return func(c *config.Config) {
		for _, text := range conditions {
			c.Filter.Traces.Span = append(c.Filter.Traces.Span, config.Text{Value: text, Path: text})
		}
	}
}

// dropped checks that so many spans came out and so many were dropped by a filter.
func (r *rig) dropped(out int, filtered int64) {
	r.t.Helper()
	if n := r.p.Spans.Dropped[ledger.SpanFiltered].Load(); len(r.out) != out || n != filtered {
		r.t.Errorf("%d spans came out and %d were dropped, want %d and %d: %v", len(r.out), n, out, filtered, r.out)
	}
}

// A pair is dropped as one span, by what the entry says and by what the span says.
func TestFilterDropsThePair(t *testing.T) {
	for _, condition := range []string{`attributes["envoy.upstream_cluster"] == "shop"`, `attributes["node_id"] == "envoy-1"`, `attributes["node_id"] == "envoy-1" and attributes["envoy.log_name"] == "edge"`} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, spanFilter(condition))
			e, s := pair(1)
			r.logs(1, alsMessage(t, e))
			r.after(time.Second)
			r.request(otlpMessage(t, s))
			r.after(time.Second)
			r.dropped(0, 1)
			r.end()
		})
	}
}

// What a filter has dropped does not come back by its other half, whichever is late.
func TestFilterDropsTheLateHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, spanFilter(`attributes["envoy.log_name"] == "edge"`))
		e, s := pair(1)
		r.logs(1, alsMessage(t, e))
		r.after(9 * time.Second)
		r.dropped(0, 1)
		r.request(otlpMessage(t, s))
		r.after(5 * time.Second)
		r.dropped(0, 2)
		r.end()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, spanFilter(`attributes["node_id"] == "envoy-1"`))
		e, s := pair(1)
		r.request(otlpMessage(t, s))
		r.after(3 * time.Second)
		r.dropped(0, 1)
		r.logs(1, alsMessage(t, e))
		r.after(20 * time.Second)
		r.dropped(0, 2)
		r.end()
	})
	synctest.Test(t, func(t *testing.T) { // of a log that has met spans: what the entry makes is INTERNAL
		r := newRig(t, spanFilter(`attributes["envoy.log_name"] == "edge"`))
		e, s := pair(1)
		r.logs(1, alsMessage(t, e))
		r.request(otlpMessage(t, s))
		r.after(time.Second)
		r.dropped(0, 1)
		e, s = pair(2)
		r.logs(1, alsMessage(t, e))
		r.after(9 * time.Second)
		r.dropped(0, 2)
		r.request(otlpMessage(t, s))
		r.after(5 * time.Second)
		r.dropped(0, 3)
		r.end()
	})
}

// A request whose SERVER is dropped makes no CLIENT either; one whose CLIENT is dropped keeps its SERVER.
func TestFilterDropsTheClientWithTheServer(t *testing.T) {
	for condition, want := range map[string]struct {
		out      int
		filtered int64
	}{`kind == SPAN_KIND_SERVER`: {0, 2}, `kind == SPAN_KIND_CLIENT`: {1, 1}, `kind == SPAN_KIND_INTERNAL`: {2, 0}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *config.Config) {
				spanFilter(condition)(c)
				c.Spans.Upstream = "always"
			})
			e, _ := pair(1)
			r.logs(1, alsMessage(t, e))
			r.after(20 * time.Second)
			r.dropped(want.out, want.filtered)
			r.end()
		})
	}
}

// Envoy's own CLIENT span goes with the pair below which it hangs.
func TestFilterDropsEnvoysClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, spanFilter(`attributes["envoy.log_name"] == "edge"`))
		e, s := pair(1)
		client := &tracepb.Span{TraceId: s.TraceId, SpanId: []byte("client-1"), ParentSpanId: s.SpanId, Name: "router shop egress", Kind: tracepb.Span_SPAN_KIND_CLIENT,
			StartTimeUnixNano: s.StartTimeUnixNano, EndTimeUnixNano: s.EndTimeUnixNano, Attributes: []*commonpb.KeyValue{text("component", "proxy"), text("upstream_cluster", "shop")}}
		r.logs(1, alsMessage(t, e))
		r.after(time.Second)
		r.request(otlpMessage(t, s, client))
		r.after(5 * time.Second)
		r.request(otlpMessage(t, proto.CloneOf(client)))
		r.after(5 * time.Second)
		r.dropped(1, 2) // the first one had left before its SERVER was known
		r.end()
	})
}

// The record of an attempt goes with its request.
func TestFilterDropsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, spanFilter(`kind == SPAN_KIND_SERVER`))
		end, ups, _, _ := tried(1)
		r.logs(1, alsMessage(t, append(ups, end)...))
		r.after(20 * time.Second)
		r.dropped(0, int64(1+len(ups)))
		r.end()
	})
}

// What is changed on the way out: attributes of spans of any origin and size, and of their resource.
func TestChangesOnTheWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			c.Attributes.Actions = []config.Action{{Key: "cluster", Action: "upsert", Value: "tap-sandbox"}, {Key: "node_id", Action: "delete"}, {Key: "long", Action: "insert", Value: string(make([]byte, 200))}}
			c.Resource.Attributes = []config.Action{{Key: "team", Action: "insert", Value: "web"}}
		})
		e, s := pair(1)
		_, alone := pair(2)
		alone.Attributes = append(alone.Attributes, text("filler", string(make([]byte, 16300))))
		r.request(otlpMessage(t, s, alone, &tracepb.Span{TraceId: s.TraceId, SpanId: []byte("app-span"), Name: "app"}))
		r.logs(1, alsMessage(t, e))
		e3, _ := pair(3)
		r.logs(1, alsMessage(t, e3))
		r.after(20 * time.Second)
		if len(r.out) != 4 {
			t.Fatalf("%d spans", len(r.out))
		}
		for _, s := range r.out {
			a := attributesOf(s.Span)
			if _, has := a["node_id"]; has || a["cluster"] != "tap-sandbox" || len(a["long"]) != 200 {
				t.Errorf("the attributes of %s are %v", s.Name, a)
			}
			if last := s.Resource.Attributes[len(s.Resource.Attributes)-1]; last.Key != "team" || last.Value.GetStringValue() != "web" {
				t.Errorf("its resource is %v", s.Resource)
			}
		}
		if r.p.Spans.Dropped[ledger.SpanOversize].Load() != 0 {
			t.Error("a span was too large")
		}
		r.end()
	})
}

// Of a resource and a scope only what rules say is changed, down to nothing.
func TestChangedFirst(t *testing.T) {
	schema := wire.AppendBytes(nil, 3, "schema")
	one := func([]byte) []byte { return []byte{8, 1} }
	same := func(b []byte) []byte { return b }
	none := func([]byte) []byte { return nil }
	with := append(wire.AppendBytes(nil, 1, []byte{8, 7}), schema...)
	for i, c := range []struct {
		fields []byte
		change func([]byte) []byte
		want   []byte
	}{{nil, same, nil}, {schema, same, schema}, {with, same, with}, {nil, one, []byte{10, 2, 8, 1}}, {with, none, append([]byte{10, 0}, schema...)},
		{append(wire.AppendBytes(nil, 1, []byte{8}), wire.AppendBytes(nil, 1, []byte{9})...), same, []byte{10, 2, 8, 9}}} {
		if got := changedFirst(c.fields, c.change); string(got) != string(c.want) {
			t.Errorf("%d: %x, want %x", i, got, c.want)
		}
	}
}

// What is remembered of resources that were changed is bounded, whatever their size.
func TestChangedResourcesTakeLittleMemory(t *testing.T) {
	a, err := attributes.New([]attributes.Action{{Key: "team", Action: "insert", Value: "web"}}, attributes.Redaction{})
	if err != nil {
		t.Fatal(err)
	}
	s, editor := newResources(), a.Editor()
	for i, n := range []int{100, 100_000, 1 << 20} {
		r := &ring.Resource{Head: wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, make([]byte, n))))}
		for range 2 {
			if got := s.of(r, editor, nil); len(got.Head) <= len(r.Head) {
				t.Errorf("a resource of %d bytes has %d, want more", len(r.Head), len(got.Head))
			}
		}
		if s.known.Len() != 1 {
			t.Errorf("after %d resources %d are remembered, want the small one", i+1, s.known.Len())
		}
	}
}

// Events that are dropped leave their span.
func TestFilterDropsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			c.Filter.Traces.SpanEvent = []config.Text{{Value: `name != "request_complete"`, Path: "filter.traces.spanevent[0]"}}
		})
		e, _ := pair(1)
		r.logs(1, alsMessage(t, e))
		r.after(20 * time.Second)
		if len(r.out) != 1 || len(r.out[0].Events) != 1 || r.out[0].Events[0].Name != "request_complete" {
			t.Errorf("what came out is %v", r.out)
		}
		r.end()
	})
}

func TestDropTraceTakesWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *config.Config) {
			c.Filter.DropTrace.Conditions = []config.Text{{Value: `span.attributes["envoy.log_name"] == "edge"`, Path: "filter.drop_trace.conditions[0]"}}
		})
		e, s := pair(1)
		app := &tracepb.Span{TraceId: s.TraceId, SpanId: []byte("app-span"), Name: "app"}
		other := &tracepb.Span{TraceId: []byte("another-trace-id"), SpanId: []byte("app-span"), Name: "other"}
		r.request(otlpMessage(t, s))
		r.logs(1, alsMessage(t, e))
		r.after(time.Second)
		r.request(otlpMessage(t, app, other))
		r.after(time.Second)
		if n := r.p.Spans.Dropped[ledger.SpanTraceFiltered].Load(); len(r.out) != 1 || r.out[0].Name != "other" || n != 2 {
			t.Errorf("%d were dropped, %v came out", n, r.out)
		}
		r.after(time.Minute)
		r.request(otlpMessage(t, app))
		r.after(time.Second)
		if len(r.out) != 2 {
			t.Error("the trace is remembered for ever")
		}
		r.end()
	})
}

// A field keeps its message whatever that message grows or shrinks to, and wherever it comes to stand.
func TestReframe(t *testing.T) {
	for _, before := range []int{0, 1, 100, 127, 128, 16383, 16384} {
		for _, after := range []int{0, 1, 100, 127, 128, 16383, 16384, 20000} {
			for _, room := range []int{0, 1, 5, 1 << 15} {
				field := wire.AppendBytes(make([]byte, 0, before+room+5), 2, make([]byte, before))
				head := len(field) - before
				message := body(field)
				for len(message) < after {
					message = append(message, byte(len(message)))
				}
				message = message[:after]
				want := wire.AppendBytes(nil, 2, message)
				if got := reframe(field, head, message); string(got) != string(want) {
					t.Errorf("%d bytes instead of %d with room for %d: it has %d bytes, want %d", after, before, room, len(got), len(want))
				}
			}
		}
	}
}
