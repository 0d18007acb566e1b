package spanbuilder

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// spansOf gives the encoded OTLP spans of a recording.
func spansOf(t testing.TB, mode string) (all [][]byte) {
	frames, err := recordings.Frames(mode)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		var data tracepb.TracesData
		if f.Kind != recordings.KindTraces || proto.Unmarshal(f.Bytes, &data) != nil {
			continue
		}
		for _, rs := range data.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					all = append(all, encoded(t, s))
				}
			}
		}
	}
	return all
}

func stringAttribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// richSpan has all that a span can have, and attributes of the kinds that are appended.
func richSpan() *tracepb.Span {
	return &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"), Name: "ingress", TraceState: "a=b", Flags: 0x301,
		Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: 5, EndTimeUnixNano: 6, DroppedAttributesCount: 1, DroppedEventsCount: 2, DroppedLinksCount: 3,
		Attributes: []*commonpb.KeyValue{stringAttribute("component", "proxy"), stringAttribute("http.url", "http://h/?a=b&token=x"), stringAttribute("url.path", "/own"),
			stringAttribute("url.scheme", "gopher"), stringAttribute("http.request.header.x-a", "own"), stringAttribute("envoy.tag.a", "own"), stringAttribute("error.type", "own"),
			stringAttribute("envoy.overhead_ms", "own"), stringAttribute("http.request.body.size", "own"), {Key: "n", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 1}}}},
		Events: []*tracepb.Span_Event{{TimeUnixNano: 1, Name: "last_upstream_tx_byte_sent"}, {TimeUnixNano: 2, Name: completeEvent, Attributes: []*commonpb.KeyValue{stringAttribute("k", "v")}}},
		Links:  []*tracepb.Span_Link{{TraceId: []byte("fedcba9876543210"), SpanId: []byte("l1nk1d00"), TraceState: "c=d", Flags: 1}}}
}

// seedSpans gives spans to begin with: such as Envoy sends, and odd ones.
func seedSpans(t testing.TB) (all [][]byte) {
	for _, mode := range []string{"otel", "otel-tags"} {
		list := spansOf(t, mode)
		all = append(all, list[:min(len(list), 4)]...)
	}
	s := richSpan()
	all = append(all, encoded(t, s), slices.Concat(encoded(t, s), []byte("\x98\x06\x05\x7b\x08\x05\x7c")), nil)
	s.Status = &tracepb.Status{Message: "m"}
	s.DroppedAttributesCount = 1<<32 - 1
	all = append(all, encoded(t, s))
	s.Status.Code = 1
	s.Attributes[0].Key, s.TraceState = "component"+bad, bad
	all = append(all, encoded(t, s))
	s.Attributes = append(s.Attributes, stringAttribute("http.url", "?b=token"), stringAttribute("component", "proxy"), stringAttribute("url.path", "twice"))
	return append(all, encoded(t, s))
}

func seedEntries(t testing.TB) (all [][]byte) {
	for _, mode := range []string{"otel", "none", "otel-tags"} {
		list := entriesOf(t, mode)
		all = append(all, list[:min(len(list), 4)]...)
	}
	m := &alsdata.HTTPAccessLogEntry{}
	fill(m.ProtoReflect(), "x"+bad, ":method", "x-a", bad+"tag", "a")
	full := fullEntry()
	for i := range 140 {
		full.CommonProperties.CustomTags[fmt.Sprint(i)] = strings.Repeat("v", i)
	}
	return append(all, encoded(t, m), encoded(t, fullEntry()), encoded(t, full))
}

// extended is what is asked of an Extender.
type extended struct {
	span, entry []byte
	what        uint8
}

func (x *extended) item() *Item {
	i := &Item{Bytes: x.span}
	i.What = []What{ProxySpan, AttemptSpan, ZipkinSpan}[x.what>>4%3]
	return i
}

func (x *extended) change() (c Change) {
	if x.what&1 != 0 {
		c.ID = mustSpan(idA)
	}
	if x.what&2 != 0 {
		c.Parent = mustSpan(idB)
	}
	c.Inner = x.what&4 != 0
	return c
}

// check extends the span and tells by the official runtime whether all that was there still is, and nothing is there twice.
func (x *extended) check(t *testing.T, b *Builder, ext *Extender, l *Logger) {
	t.Helper()
	var view wire.Entry
	var e *wire.Entry
	c := fullClaim()
	if x.what&8 == 0 {
		if !view.WalkHTTP(x.entry) {
			return
		}
		e = &view
		c = claimOf(b.Identity(), e, l)
	}
	var before tracepb.Span
	if err := proto.Unmarshal(x.span, &before); err != nil {
		t.Fatal(err)
	}
	item, change := x.item(), x.change()
	room := make([]byte, 0, b.SpanBound(item, e))
	got, _ := ext.Span(b, room, item, change, e, l, c)
	checkRoom(t, room, got)
	num, typ, n := protowire.ConsumeTag(got)
	body, m := protowire.ConsumeBytes(got[max(n, 0):])
	if num != 2 || typ != protowire.BytesType || n+m != len(got) || len(body) < len(x.span) || string(body[:len(x.span)]) != string(x.span) {
		t.Fatalf("not one field 2 of ScopeSpans that begins with the span: %x", got)
	}
	var after tracepb.Span
	if err := proto.Unmarshal(body, &after); err != nil {
		t.Fatalf("%v: %x", err, body)
	}
	checkAdded(t, &before, &after, e)
	if want := cmpOr(change.ID[:], before.SpanId); string(after.SpanId) != string(want) {
		t.Errorf("the id is %x, want %x", after.SpanId, want)
	}
	if want := cmpOr(change.Parent[:], before.ParentSpanId); string(after.ParentSpanId) != string(want) {
		t.Errorf("the parent is %x, want %x", after.ParentSpanId, want)
	}
	kind := before.Kind
	if change.Inner {
		kind = tracepb.Span_SPAN_KIND_INTERNAL
	}
	if after.Kind != kind {
		t.Errorf("the kind is %v, want %v", after.Kind, kind)
	}
	after.SpanId, after.ParentSpanId, after.Kind = before.SpanId, before.ParentSpanId, before.Kind
	if !proto.Equal(&before, &after) {
		t.Errorf("something else is changed: %v\nwas %v", &after, &before)
	}
}

func cmpOr(id, or []byte) []byte {
	if string(id) != string(make([]byte, len(id))) {
		return id
	}
	return or
}

// checkAdded checks all that an entry may add, and takes it away from after.
func checkAdded(t *testing.T, before, after *tracepb.Span, e *wire.Entry) {
	t.Helper()
	n, events, links := len(before.Attributes), len(before.Events), len(before.Links)
	if len(after.Attributes) < n || len(after.Events) < events || len(after.Links) < links {
		t.Fatalf("something is lost: %v\nwas %v", after, before)
	}
	if e == nil {
		return
	}
	seen, had := map[string]bool{}, map[string]bool{}
	for _, a := range before.Attributes {
		seen[a.Key] = true
	}
	for _, a := range after.Attributes[n:] {
		if seen[a.Key] || a.Key == "" || a.Value.GetValue() == nil {
			t.Errorf("attribute %q is added twice, or without a value", a.Key)
		}
		seen[a.Key] = true
	}
	for _, v := range before.Events {
		had[v.Name] = true
	}
	for _, v := range after.Events[events:] {
		if had[v.Name] || v.Name == "" {
			t.Errorf("event %q is added twice", v.Name)
		}
		had[v.Name] = true
	}
	for _, l := range after.Links[links:] {
		if len(l.TraceId) != 16 || len(l.SpanId) != 8 {
			t.Errorf("the link %v", l)
		}
	}
	switch failed := after.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR && before.Status.GetCode() == 0; {
	case after.Status.GetMessage() != before.Status.GetMessage(), after.Status.GetCode() != before.Status.GetCode() && !failed:
		t.Errorf("the status is %v, was %v", after.Status, before.Status)
	case failed && !seen["error.type"]:
		t.Errorf("an error without error.type: %v", after)
	}
	if dropped := after.DroppedAttributesCount; dropped < before.DroppedAttributesCount {
		t.Errorf("%d attributes dropped, were %d", dropped, before.DroppedAttributesCount)
	}
	after.Attributes, after.Events, after.Links = after.Attributes[:n:n], after.Events[:events:events], after.Links[:links:links]
	after.Status, after.DroppedAttributesCount = before.Status, before.DroppedAttributesCount
}

// FuzzExtend takes any span that may go out with any entry.
func FuzzExtend(f *testing.F) {
	for i, s := range seedSpans(f) {
		for j, e := range seedEntries(f) {
			f.Add(s, e, uint8(i*37+j*11))
			f.Add(s, e, uint8(0))
		}
	}
	builders := fuzzBuilders()
	l := loggerOf("envoy-1", "edge")
	f.Fuzz(func(t *testing.T, span, entry []byte, what uint8) {
		var s wire.Span
		health := s.Walk(span)
		if health == wire.Broken || s.Len() >= 4096 { // those above are not looked at
			return
		}
		for _, b := range builders {
			var ext Extender
			clean, _ := ext.Clean(b, &s, health == wire.Poisoned, nil)
			x := extended{slices.Clone(clean), entry, what}
			x.check(t, b, &ext, l)
		}
	})
}

// From the bytes of a span and of its entry to the bytes of both nothing is allocated.
func TestExtendAllocatesNothing(t *testing.T) {
	b, l := New(options()), loggerOf("envoy-1", "edge")
	id, ext := b.Identity(), new(Extender)
	var e wire.Entry
	var c Claim
	var s wire.Span
	var look Spans
	var item Item
	origin := NewOrigins().Find(nil, nil)
	dst := make([]byte, 0, 1<<18)
	for _, span := range spansOf(t, "otel") {
		if bytes.Contains(span, []byte("token=")) { // to be redacted
			continue
		}
		for _, entry := range entriesOf(t, "otel")[:3] {
			if n := testing.AllocsPerRun(5, func() {
				s.Walk(span)
				look.Look(&item, &s, origin, propagation.TraceParent, 1)
				item.Bytes, _ = ext.Clean(b, &s, false, look.URLs)
				e.WalkHTTP(entry)
				id.Claim(&e, l, &c)
				dst, _ = ext.Span(b, dst[:0], &item, Change{ID: c.Own, Parent: c.Own, Inner: true}, &e, l, &c)
			}); n > 0 {
				t.Fatalf("%v allocations for %x and %x", n, span, entry)
			}
		}
	}
}
