package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const spanType protoreflect.FullName = "opentelemetry.proto.trace.v1.Span"

// checkSpan holds Walk, and what repairs and leaves out, against the official runtime. One deviation is meant: strings
// that are nested more than maxNesting deep make a span broken, where the official runtime goes on to 10,000.
func checkSpan(t *testing.T, s *Span, b []byte) Health {
	t.Helper()
	h := s.Walk(b)
	m, lenient := ask(spanType, b)
	strict := proto.Unmarshal(b, new(tracepb.Span))
	switch {
	case h == Broken && lenient == nil && spanTexts.depth(b) <= maxNesting, h != Broken && lenient != nil:
		t.Fatalf("walked: %d, the official runtime: %v\n%x", h, lenient, b)
	case h != Broken && (h == Sound) != (strict == nil):
		t.Fatalf("walked: %d, the official runtime, strict: %v\n%x", h, strict, b)
	case h == Broken:
		return h
	}
	checkFacts(t, s, m)
	if h == Poisoned {
		checkRepaired(t, m, b, func(dst []byte) ([]byte, int) { return s.AppendRepaired(dst) })
	}
	facts := s.SpanFacts
	if s.Scan(b); s.SpanFacts != facts {
		t.Errorf("Scan and Walk differ: %v and %v", s.SpanFacts, facts)
	}
	for i := range min(s.Len(), 3) {
		key := string(s.Key(i))
		without, _ := ask(spanType, s.AppendWithout(nil, key))
		want := message{proto.CloneOf[protoreflect.ProtoMessage](m.Interface()).ProtoReflect()}
		kept := want.NewField(want.field("attributes")).List()
		for l, i := m.get("attributes").List(), 0; i < l.Len(); i++ {
			if string((message{l.Get(i).Message()}).text("key")) != key {
				kept.Append(l.Get(i))
			}
		}
		want.Set(want.field("attributes"), protoreflect.ValueOfList(kept))
		if !proto.Equal(without.Interface(), want.Interface()) {
			t.Fatalf("without %q: %v, want %v\n%x", key, without, want, b)
		}
	}
	return h
}

func checkFacts(t *testing.T, s *Span, m message) {
	t.Helper()
	type facts struct {
		Trace, ID, Parent, Name string
		Kind                    int32
		Flags                   uint32
		Start, End              uint64
		Status                  int32
		Dropped                 uint32
		Events                  bool
		Keys                    []string
		Values                  []string
	}
	text := func(p Place) string { return string(s.Bytes(p)) }
	got := facts{text(s.TraceID), text(s.SpanID), text(s.ParentID), text(s.Name), s.Kind, s.Flags, s.Start, s.End, s.StatusCode, s.Dropped, s.HasEvents(), nil, nil}
	for i := range s.Len() {
		key, value, ok := s.Attribute(i)
		got.Keys = append(got.Keys, string(key))
		if v := "no string"; ok {
			got.Values = append(got.Values, "string "+text(value))
		} else {
			got.Values = append(got.Values, v)
		}
	}
	want := facts{string(m.get("trace_id").Bytes()), string(m.get("span_id").Bytes()), string(m.get("parent_span_id").Bytes()), string(m.text("name")),
		m.enum("kind"), uint32(m.uint("flags")), m.uint("start_time_unix_nano"), m.uint("end_time_unix_nano"), m.sub("status").enum("code"),
		uint32(m.uint("dropped_attributes_count")), m.get("events").List().Len() > 0, nil, nil}
	for l, i := m.get("attributes").List(), 0; i < min(l.Len(), maxFields); i++ {
		kv := message{l.Get(i).Message()}
		want.Keys = append(want.Keys, string(kv.text("key")))
		if v := kv.sub("value"); v.has("string_value") {
			want.Values = append(want.Values, "string "+string(v.text("string_value")))
		} else {
			want.Values = append(want.Values, "no string")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the official runtime (-) has another span (+):\n%s\n%x", diff, s.Input())
	}
	names := map[string]bool{"": false, "no such event": false}
	for l, i := m.get("events").List(), 0; i < l.Len(); i++ {
		names[string((message{l.Get(i).Message()}).text("name"))] = true
	}
	for name, want := range names {
		if s.HasEvent(name) != want {
			t.Fatalf("event %q is there: %v\n%x", name, want, s.Input())
		}
	}
}

// depth gives how deep the messages that are looked into are nested.
func (t *texts) depth(b []byte) (n int) {
	for r := Read(b); r.Next(); {
		if _, message := t.of(r.Key); message != nil {
			n = max(n, 1+message.depth(r.Bytes))
		}
	}
	return n
}

// checkRepaired tells whether what f appends is what m, decoded from b, is with its strings repaired.
func checkRepaired(t *testing.T, m message, b []byte, f func([]byte) ([]byte, int)) {
	t.Helper()
	repaired, n := f([]byte("before"))
	if string(repaired[:6]) != "before" {
		t.Fatalf("what stood before is lost: %x", repaired)
	}
	repaired = repaired[6:]
	got, err := ask(m.Descriptor().FullName(), repaired)
	want := proto.CloneOf[protoreflect.ProtoMessage](m.Interface())
	left := repairStrings(want.ProtoReflect())
	if err != nil || n < left || n == 0 && !bytes.Equal(repaired, b) || !proto.Equal(got.Interface(), want) {
		t.Fatalf("%d strings repaired, %d are left of those, %v:\n%v, want\n%v\n%x", n, left, err, got, want, b)
	}
}

// repairStrings repairs the strings of m, and gives how many there were.
func repairStrings(m protoreflect.Message) (n int) {
	text := func(v protoreflect.Value) (protoreflect.Value, bool) {
		if utf8.ValidString(v.String()) {
			return v, false
		}
		n++
		return protoreflect.ValueOfString(strings.ToValidUTF8(v.String(), "\uFFFD")), true
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			for l, i := v.List(), 0; i < l.Len(); i++ {
				if fd.Message() != nil {
					n += repairStrings(l.Get(i).Message())
				} else if s, bad := text(l.Get(i)); fd.Kind() == protoreflect.StringKind && bad {
					l.Set(i, s)
				}
			}
		case fd.Message() != nil:
			n += repairStrings(v.Message())
		case fd.Kind() == protoreflect.StringKind:
			if s, bad := text(v); bad {
				m.Set(fd, s)
			}
		}
		return true
	})
	return n
}

// checkHead holds AppendResource or AppendScope against the official runtime.
func checkHead(t *testing.T, b []byte, official proto.Message, f func(dst, b []byte) ([]byte, int), looked *texts) {
	t.Helper()
	name := official.ProtoReflect().Descriptor().FullName()
	m, err := ask(name, b)
	got, n := f(nil, b)
	if strict := proto.Unmarshal(got, official); strict != nil {
		t.Fatalf("%x, from %x: %v", got, b, strict)
	}
	switch {
	case err != nil || looked.depth(b) > maxNesting:
		if len(got) > 0 || n != 1 {
			t.Fatalf("%x is kept of %x, %d", got, b, n)
		}
	default:
		checkRepaired(t, m, b, func(dst []byte) ([]byte, int) { return f(dst, b) })
	}
}

func checkHeads(t *testing.T, b []byte) {
	t.Helper()
	checkHead(t, without(b, 2), new(tracepb.ResourceSpans), AppendResource, &resourceSpansTexts)
	checkHead(t, without(b, 2), new(tracepb.ScopeSpans), AppendScope, &scopeSpansTexts)
}

// without leaves out the fields of b with that number and a length: a head has none. What is malformed stays.
func without(b []byte, num uint32) (rest []byte) {
	for r := Read(b); len(b) > 0; {
		before := r.Rest()
		if !r.Next() {
			return append(rest, b...)
		}
		n := before - r.Rest()
		if r.Key != num<<3|Bytes {
			rest = append(rest, b[:n]...)
		}
		b = b[n:]
	}
	return rest
}

func oddSpans() (all [][]byte) {
	attribute := func(key string, value ...byte) []byte {
		return AppendBytes(AppendBytes(nil, 1, key), 2, value)
	}
	value := AppendBytes(nil, 1, "v")
	twice := AppendBytes(attribute("value twice", value...), 2, "")
	deep := func(n int) []byte {
		b := AppendBytes(nil, 1, "deep")
		for range n {
			b = AppendBytes(nil, 5, AppendBytes(nil, 1, b))
		}
		return attribute("deep", b...)
	}
	event := AppendBytes(AppendBytes(AppendFixed64(nil, 1, 5), 2, "first"), 2, "last")
	for _, a := range [][]byte{attribute("plain", value...), attribute("\xff", value...), attribute("bad", AppendBytes(nil, 1, "\xff\xfea\xc3")...), twice,
		attribute("wrong type", AppendUint(value, 1, 7)...), attribute("then a number", AppendUint(value, 3, 7)...), attribute("number as text", AppendBytes(value, 3, "x")...),
		attribute("an index", AppendUint(value, 8, 7)...), deep(48), deep(49), deep(50), deep(51), {0x0a}, {0x12, 1, 0x0a}, {}} {
		b := AppendBytes(AppendBytes(AppendBytes(nil, 1, "0123456789abcdef"), 2, "01234567"), 9, a)
		all = append(all, b, AppendBytes(b, 11, event), AppendUint(AppendBytes(b, 15, AppendUint(nil, 3, 2)), 99, 5), AppendBytes(AppendBytes(b, 15, "\x18\x02"), 15, "\x12\x01m"))
	}
	full := &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"), Name: "name", TraceState: "a=b", Flags: 0x301, Kind: 2,
		StartTimeUnixNano: 5, EndTimeUnixNano: 6, DroppedAttributesCount: 1, DroppedEventsCount: 2, DroppedLinksCount: 3,
		Attributes: []*commonpb.KeyValue{{Key: "k", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "v"}}}, {Key: "n", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 1}}}},
		Events:     []*tracepb.Span_Event{{TimeUnixNano: 1, Name: "one"}, {TimeUnixNano: 2, Name: "two"}}, Links: []*tracepb.Span_Link{{TraceId: []byte("fedcba9876543210"), SpanId: []byte("l1nk1d00"), TraceState: "c=d"}},
		Status: &tracepb.Status{Message: "m", Code: 1}}
	b, err := proto.Marshal(full)
	if err != nil {
		panic(err)
	}
	return append(all, b)
}

// FuzzSpanWalk takes any bytes as a span.
func FuzzSpanWalk(f *testing.F) {
	for _, b := range oddSpans() {
		f.Add(b)
	}
	for _, decisions := range someDecisions(32) {
		f.Add(shapedMessage(decisions, new(tracepb.Span)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Span
		checkSpan(t, &s, b)
		checkSpan(t, &s, b)
	})
}

// FuzzShapedSpan does the same with spans that are nearly right, FuzzShapedHead with what stands around them.
func FuzzShapedSpan(f *testing.F) {
	for _, decisions := range someDecisions(32) {
		f.Add(decisions)
	}
	f.Fuzz(func(t *testing.T, decisions []byte) {
		var s Span
		checkSpan(t, &s, shapedMessage(decisions, new(tracepb.Span)))
	})
}

// FuzzShapedHead is explained at FuzzShapedSpan.
func FuzzShapedHead(f *testing.F) {
	for _, decisions := range someDecisions(32) {
		f.Add(decisions, true)
		f.Add(decisions, false)
	}
	f.Fuzz(func(t *testing.T, decisions []byte, scope bool) {
		checkHeads(t, decisions)
		if scope {
			checkHeads(t, shapedMessage(decisions, new(tracepb.ScopeSpans)))
		} else {
			checkHeads(t, shapedMessage(decisions, new(tracepb.ResourceSpans)))
		}
	})
}

func shapedMessage(decisions []byte, m proto.Message) []byte {
	return (&shaper{decisions: decisions}).message(m.ProtoReflect().Descriptor())
}

func TestShapedSpans(t *testing.T) {
	var s Span
	var count [3]int
	for _, decisions := range someDecisions(6000) {
		count[checkSpan(t, &s, shapedMessage(decisions, new(tracepb.Span)))]++
		checkHeads(t, shapedMessage(decisions, new(tracepb.ResourceSpans)))
	}
	for h, n := range count {
		if n < 500 {
			t.Errorf("%d spans of health %d: the test does not try what it should", n, h)
		}
	}
}
