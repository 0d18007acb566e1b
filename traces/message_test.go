package traces

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// skeleton is a request as Message sees it: lists of lists of spans, which are bytes. All else are unknown fields, so that
// the official runtime keeps them as they were: they are the heads.
var skeleton = func() protoreflect.MessageDescriptor {
	list := func(name string, number int32, of string) *descriptorpb.DescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: new("list"), Number: new(number), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()}
		if of != "" {
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), new("."+of)
		}
		return &descriptorpb.DescriptorProto{Name: new(name), Field: []*descriptorpb.FieldDescriptorProto{f}}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: new("skeleton.proto"), Syntax: new("proto3"), MessageType: []*descriptorpb.DescriptorProto{
		list("Request", requestResourceSpans, "Resource"), list("Resource", resourceScopeSpans, "Scope"), list("Scope", scopeSpans, "")}}, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().ByName("Request")
}()

func listOf(m protoreflect.Message) protoreflect.List {
	return m.Get(m.Descriptor().Fields().ByNumber(m.Descriptor().Fields().Get(0).Number())).List()
}

// scope is one ScopeSpans, taken apart.
type scope struct{ resource, scope string }

type contents struct {
	scopes []scope
	spans  []string // of them all, with the number of the scope
}

func official(body []byte) (c contents, err error) {
	m := dynamicpb.NewMessage(skeleton)
	if err := proto.Unmarshal(body, m); err != nil {
		return c, err
	}
	for rs, i := listOf(m), 0; i < rs.Len(); i++ {
		resource := rs.Get(i).Message()
		for ss, i := listOf(resource), 0; i < ss.Len(); i++ {
			s := ss.Get(i).Message()
			c.scopes = append(c.scopes, scope{string(resource.GetUnknown()), string(s.GetUnknown())})
			for spans, i := listOf(s), 0; i < spans.Len(); i++ {
				c.spans = append(c.spans, fmt.Sprintf("%d: %x", len(c.scopes), spans.Get(i).Bytes()))
			}
		}
	}
	return c, nil
}

func read(m *Message) (c contents) {
	var s wire.Span
	for m.NextScope() {
		c.scopes = append(c.scopes, scope{string(m.Resource()), string(m.Scope())})
		for {
			read := m.NextSpan(&s)
			if read == End {
				break
			}
			c.spans = append(c.spans, fmt.Sprintf("%d: %x", len(c.scopes), s.Input()))
		}
	}
	return c
}

// checkMessage holds a message against the official runtime, and its heads against what that makes of the whole request.
func checkMessage(t *testing.T, m *Message, body []byte) {
	t.Helper()
	m.begin(body, nil, netip.Addr{})
	got := read(m)
	want, err := official(body)
	if (err != nil) != m.Truncated() {
		t.Fatalf("truncated: %v, the official runtime: %v\n%x", m.Truncated(), err, body)
	}
	if err != nil {
		return
	}
	if !slices.Equal(got.scopes, want.scopes) || !slices.Equal(got.spans, want.spans) {
		t.Fatalf("got %x\nwant %x\nof %x", got, want, body)
	}
	var whole tracepb.TracesData
	if proto.Unmarshal(body, &whole) != nil {
		return
	}
	n := 0
	for _, rs := range whole.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			var resource tracepb.ResourceSpans
			var scope tracepb.ScopeSpans
			if err := proto.Unmarshal([]byte(got.scopes[n].resource), &resource); err != nil {
				t.Fatalf("%v: %x", err, got.scopes[n].resource)
			}
			if err := proto.Unmarshal([]byte(got.scopes[n].scope), &scope); err != nil {
				t.Fatalf("%v: %x", err, got.scopes[n].scope)
			}
			resource.ScopeSpans, scope.Spans = rs.ScopeSpans, ss.Spans
			if !proto.Equal(&resource, rs) || !proto.Equal(&scope, ss) {
				t.Fatalf("the heads %v and %v are those of %v and %v", &resource, &scope, rs, ss)
			}
			n++
		}
	}
}

func field(num protowire.Number, v ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(v, nil))
}

func marshalled(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func oddRequests() [][]byte {
	attribute := func(key string) []*commonpb.KeyValue { return []*commonpb.KeyValue{kv(key, str("v"))} }
	one, two := field(1, marshalled(&resourcepb.Resource{Attributes: attribute("one")})), field(1, marshalled(&resourcepb.Resource{Attributes: attribute("two"), DroppedAttributesCount: 1}))
	scope1, scope2 := field(1, marshalled(&commonpb.InstrumentationScope{Name: "first"})), field(1, marshalled(&commonpb.InstrumentationScope{Version: "second"}))
	span, unknown := field(2, marshalled(&tracepb.Span{Name: "span"})), field(77, []byte("unknown"))
	group := []byte("\x7b\x08\x05\x7c")
	return [][]byte{
		marshalled(everything()),
		request("a", "b"),
		field(1, one, field(2, scope1, span, scope2, span, field(3, []byte("url"))), two, field(2, unknown, span, unknown), field(3, []byte("url")), unknown),
		slices.Concat(field(1, unknown, field(2, span, group, span, unknown)), unknown, field(1, field(2)), field(1)),
		field(1, field(3, []byte("\xff")), field(2, field(3, []byte("\xff")), field(2, []byte("\x2a\x01\xff")), field(2, []byte("\x2a\x09\xff")), span)),
		slices.Concat(field(1, field(2, span)), []byte("\x0a\x7f"), field(1, field(2, span))),
		field(1, field(2, span), []byte("\x10\x05\x12\x7f")),
		field(1, field(2, span, []byte("\x12\x7f")), field(2, span)),
	}
}

// FuzzMessage takes any bytes as a request.
func FuzzMessage(f *testing.F) {
	for _, b := range oddRequests() {
		f.Add(b)
	}
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			f.Fatal(err)
		}
		for _, frame := range frames {
			if frame.Kind == recordings.KindTraces && len(frame.Bytes) < 4096 {
				f.Add(frame.Bytes)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		checkMessage(t, &m, b)
		checkMessage(t, &m, field(1, b)) // as what it may hold
		checkMessage(t, &m, field(1, field(2, b)))
	})
}

// Of a request that is cut short, all ResourceSpans that stand before the cut are read. None is read that is not in it.
func TestCutRequests(t *testing.T) {
	body := slices.Concat(oddRequests()[0], oddRequests()[2], oddRequests()[3])
	whole, err := official(body)
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	for n := range len(body) {
		checkMessage(t, &m, body[:n])
		m.begin(body[:n], nil, netip.Addr{})
		got := read(&m)
		end := 0
		for r := wire.Read(body[:n]); r.Next(); {
			end = n - r.Rest()
		}
		complete, err := official(body[:end])
		if err != nil || len(got.scopes) < len(complete.scopes) || !slices.Equal(got.scopes[:len(complete.scopes)], complete.scopes) {
			t.Fatalf("of %d bytes: %x, %v", n, got, err)
		}
		if !slices.Equal(got.spans, whole.spans[:len(got.spans)]) || len(got.spans) < len(complete.spans) {
			t.Fatalf("of %d bytes: %d spans", n, len(got.spans))
		}
	}
}

// Heads in many pieces cost no more than their bytes.
func TestHeadInManyPieces(t *testing.T) {
	const n = 500_000
	pieces := bytes.Repeat([]byte("\x20\x01\x12\x00"), n)
	var m Message
	began := time.Now()
	m.begin(field(1, field(2, pieces)), nil, netip.Addr{})
	if !m.NextScope() || len(m.Scope()) != 2*n {
		t.Fatalf("a scope of %d bytes", len(m.Scope()))
	}
	m.begin(field(1, pieces), nil, netip.Addr{})
	if !m.NextScope() || len(m.Resource()) != 2*n {
		t.Fatalf("a resource of %d bytes", len(m.Resource()))
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}
