package agent

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/alspan/alspan/internal/ledger"
)

// strange gives m a field that is newer than this agent.
func strange[M protoreflect.ProtoMessage](m M) M {
	m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(m.ProtoReflect().GetUnknown(), 200, protowire.BytesType), "newer"))
	return m
}

// everything gives spans all that OTLP has, on every level.
func everything(spans ...*tracepb.Span) *tracepb.TracesData {
	for _, s := range spans {
		strange(s)
		s.TraceState, s.Flags, s.DroppedAttributesCount, s.DroppedEventsCount, s.DroppedLinksCount = "a=b,c=d", 0x301, 1, 2, 3
		s.Status = strange(&tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK, Message: "fine"})
		s.Events = []*tracepb.Span_Event{strange(&tracepb.Span_Event{TimeUnixNano: 5, Name: "event", Attributes: []*commonpb.KeyValue{text("k", "v")}, DroppedAttributesCount: 1})}
		s.Links = []*tracepb.Span_Link{strange(&tracepb.Span_Link{TraceId: s.TraceId, SpanId: s.SpanId, TraceState: "e=f", Flags: 1, Attributes: []*commonpb.KeyValue{text("k", "v")}})}
		s.Attributes = append(s.Attributes, strange(text("newer", "attribute")), &commonpb.KeyValue{Key: "list", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{
			ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 1.5}}, {}}}}}})
	}
	scope := strange(&commonpb.InstrumentationScope{Name: "envoy", Version: "1.39.3", Attributes: []*commonpb.KeyValue{text("scope", "attribute")}, DroppedAttributesCount: 4})
	resource := strange(&resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "edge"), text("other", "attribute")}, DroppedAttributesCount: 5,
		EntityRefs: []*commonpb.EntityRef{{SchemaUrl: "entity-schema", Type: "service", IdKeys: []string{"service.name"}}}})
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{strange(&tracepb.ResourceSpans{Resource: resource, SchemaUrl: "resource-schema",
		ScopeSpans: []*tracepb.ScopeSpans{strange(&tracepb.ScopeSpans{Scope: scope, SchemaUrl: "scope-schema", Spans: spans})}})}}
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent gives the ResourceSpans that came out with a span of that name.
func (r *rig) sent(name string) (found []*tracepb.ResourceSpans) {
	for _, b := range r.batches {
		for _, rs := range b.Spans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					if s.Name == name {
						one, scope := proto.CloneOf(rs), proto.CloneOf(ss)
						scope.Spans = []*tracepb.Span{s}
						one.ScopeSpans = []*tracepb.ScopeSpans{scope}
						found = append(found, one)
					}
				}
			}
		}
	}
	return found
}

// Whatever stands in a span, its scope and its resource comes out as it went in, be it joined or not. What an entry adds
// stands behind it.
func TestNothingOfASpanIsLost(t *testing.T) {
	for _, joins := range []string{"never", "first", "last"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			e, s := pair(1)
			s.Attributes[4] = text("http.url", "http://shop.example/cart?a=b")
			_, other := pair(2)
			other.Attributes, other.Name = nil, "other"
			in := everything(s, other)
			body := encode(t, in)
			if joins == "first" {
				r.logs(1, alsMessage(t, e))
			}
			r.request(body)
			if joins == "last" {
				r.logs(1, alsMessage(t, e))
			}
			r.after(20 * time.Second)
			for _, s := range []*tracepb.Span{s, other} {
				got := r.sent(s.Name)
				if len(got) != 1 {
					t.Fatalf("%s: %d are sent", s.Name, len(got))
				}
				want := proto.CloneOf(in.ResourceSpans[0])
				want.ScopeSpans[0].Spans = []*tracepb.Span{s}
				out := got[0].ScopeSpans[0].Spans[0]
				joined := joins != "never" && s != other
				if more := len(out.Attributes) - len(s.Attributes); (more > 0) != joined {
					t.Errorf("%s, %s: %d attributes are added", joins, s.Name, more)
				}
				out.Attributes, out.Events, out.Links = out.Attributes[:len(s.Attributes)], out.Events[:len(s.Events)], out.Links[:len(s.Links)]
				if !proto.Equal(got[0], want) {
					t.Errorf("%s: got %v\nwant %v", joins, got[0], want)
				}
			}
			r.end()
		})
	}
}

// A span with an invalid id, or a malformed one, is rejected alone.
func TestInvalidSpansAreRejectedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		var spans []*tracepb.Span
		for n := range 8 {
			_, s := pair(n)
			s.Name = []string{"good", "no trace", "zero trace", "short trace", "zero id", "long id", "short parent", "zero parent"}[n]
			spans = append(spans, s)
		}
		spans[1].TraceId, spans[2].TraceId, spans[3].TraceId = nil, make([]byte, 16), spans[3].TraceId[:8]
		spans[4].SpanId, spans[5].SpanId = make([]byte, 8), make([]byte, 16)
		spans[6].ParentSpanId, spans[7].ParentSpanId = spans[6].ParentSpanId[:4], make([]byte, 8)
		body := protowire.AppendTag(nil, 2, protowire.BytesType)
		body = protowire.AppendBytes(body, []byte("\x0a\x7f"))
		for _, s := range spans {
			body = protowire.AppendBytes(protowire.AppendTag(body, 2, protowire.BytesType), encode(t, s))
		}
		body = protowire.AppendBytes([]byte{2<<3 | 2}, body)
		if o := r.request(protowire.AppendBytes([]byte{1<<3 | 2}, body)); o.Rejected != 7 || o.Full {
			t.Errorf("the outcome is %+v", o)
		}
		r.after(20 * time.Second)
		var names []string
		for _, s := range r.end() {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"good", "zero parent"}) {
			t.Errorf("%q came out", names)
		}
		if d := &r.p.Spans.Dropped; d[ledger.SpanInvalidID].Load() != 6 || d[ledger.SpanMalformed].Load() != 1 {
			t.Errorf("%d invalid ids, %d malformed", d[ledger.SpanInvalidID].Load(), d[ledger.SpanMalformed].Load())
		}
	})
}

// One string that is not UTF-8 would make a strict upstream refuse the whole batch, wherever it is.
func TestPoisonIsRepairedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bad, repaired = "BAD", "\uFFFD"
		r := newRig(t, nil)
		e, s := pair(1)
		in := everything(s)
		s.Attributes = append(s.Attributes, text("key"+bad, "v"), text("value", bad))
		s.TraceState, s.Status.Message, s.Events[0].Name, s.Links[0].TraceState = bad, bad, bad, bad
		rs := in.ResourceSpans[0]
		rs.SchemaUrl, rs.ScopeSpans[0].SchemaUrl, rs.ScopeSpans[0].Scope.Name, rs.ScopeSpans[0].Scope.Version = bad, bad, bad, bad
		rs.Resource.Attributes = append(rs.Resource.Attributes, text("k8s", bad))
		rs.Resource.EntityRefs[0].DescriptionKeys = []string{"good", bad}
		body := bytes.ReplaceAll(encode(t, in), []byte(bad), []byte("\xff\xc3\xfe"))
		r.request(body)
		r.logs(1, alsMessage(t, e))
		r.after(time.Second)
		want, err := proto.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		// U+FFFD has three bytes, too.
		if err := proto.Unmarshal(bytes.ReplaceAll(want, []byte(bad), []byte(repaired)), in); err != nil {
			t.Fatal(err)
		}
		got := r.sent("ingress")
		if len(got) != 1 {
			t.Fatalf("%d spans", len(got))
		}
		in.ResourceSpans[0].ScopeSpans[0].Spans[0].Attributes[4] = text("http.url", "")
		out, was := got[0].ScopeSpans[0].Spans[0], in.ResourceSpans[0].ScopeSpans[0].Spans[0]
		other := func(a *commonpb.KeyValue) bool { return a.Key == "http.url" }
		out.Attributes, was.Attributes = slices.DeleteFunc(out.Attributes, other), slices.DeleteFunc(was.Attributes, other)
		out.Attributes, out.Events, out.Links = out.Attributes[:len(was.Attributes)], out.Events[:1], out.Links[:1]
		if !proto.Equal(got[0], in.ResourceSpans[0]) {
			t.Errorf("got %v\nwant %v", got[0], in.ResourceSpans[0])
		}
		if r.p.repaired.Load() < 6 {
			t.Errorf("%d repairs are counted", r.p.repaired.Load())
		}
		r.end()
	})
}

// A span that is larger than a cell of the join's memory, or than a chunk of the core, leaves at once, and as it came. Its
// request has one SERVER all the same.
func TestLargeSpans(t *testing.T) {
	for _, size := range []int{60 << 10, 64<<10 - 800, 64 << 10, 70 << 10, 300 << 10} {
		for _, unpaired := range []string{"child", "span"} {
			for _, spanFirst := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, unpairedIs(unpaired))
					e, s := pair(1)
					s.Attributes = append(s.Attributes, text("large", strings.Repeat("x", size)))
					if spanFirst {
						r.request(otlpMessage(t, s))
						r.after(time.Millisecond)
						r.logs(1, alsMessage(t, e))
					} else {
						r.logs(1, alsMessage(t, e))
						r.after(time.Millisecond)
						r.request(otlpMessage(t, s))
					}
					r.after(20 * time.Second)
					r.end()
					r.complete(1)
					if d := r.p.Spans.Dropped[ledger.SpanOversize].Load() + r.p.Spans.Dropped[ledger.SpanFull].Load(); d != 0 {
						t.Errorf("%d were dropped", d)
					}
				})
			}
		}
	}
}
