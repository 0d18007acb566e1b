package attributes

import (
	"bytes"
	"slices"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/wire"
)

// rules is what is to be done, and an Editor that does it.
type rules struct {
	actions   []Action
	redaction Redaction
	e         *Editor
}

func compiled(t testing.TB, actions []Action, r Redaction) *rules {
	t.Helper()
	a, err := New(actions, r)
	if err != nil {
		t.Fatal(err)
	}
	return &rules{actions, r, a.Editor()}
}

func (r *rules) masks() bool {
	return len(r.redaction.BlockedValues)+len(r.redaction.BlockedKeyPatterns) > 0
}

// attributesOf gives those of the encoded message b, whose fields with that key they are.
func attributesOf(list []*commonpb.KeyValue, b []byte, key uint32) (all attributes) {
	wire.EachField(b, func(k uint32, _, field []byte) {
		if k == key {
			kv := list[len(all)]
			if kv.Value == nil {
				kv.Value = &commonpb.AnyValue{} // there is no difference between none and an empty one
			}
			all = append(all, attribute{kv, field, false})
		}
	})
	return all
}

func (l attributes) list() (list []*commonpb.KeyValue) {
	for _, a := range l {
		list = append(list, a.KeyValue)
	}
	return list
}

// apply is the oracle's.
func (r *rules) apply(l attributes) attributes {
	for _, x := range r.actions {
		l = l.act(x)
	}
	if r.masks() {
		l.mask(r.redaction)
	}
	return l
}

// checkSpan changes the span b and compares with the oracle. It gives what came out.
func (r *rules) checkSpan(t *testing.T, b []byte) *tracepb.Span {
	t.Helper()
	var want, got tracepb.Span
	if err := proto.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	all := r.apply(attributesOf(want.Attributes, b, uint32(spanMessage.attributes)))
	want.Attributes = all.list()
	for _, e := range want.Events {
		if all := attributesOfEvent(e); r.masks() {
			all.mask(r.redaction)
		}
	}
	out := r.changed(t, r.e.Span, b)
	if err := proto.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %x, was %x", err, out, b)
	}
	for _, e := range got.Events {
		attributesOfEvent(e)
	}
	r.compare(t, b, out, all, attributesOf(got.Attributes, out, uint32(spanMessage.attributes)), uint32(spanMessage.attributes), spanMessage.events)
	if !proto.Equal(&got, &want) {
		t.Fatalf("%+v and %+v make\n%v, want\n%v\n%x", r.actions, r.redaction, &got, &want, b)
	}
	return &got
}

// checkResource is checkSpan for a resource.
func (r *rules) checkResource(t *testing.T, b []byte) {
	t.Helper()
	var want, got resourcepb.Resource
	if err := proto.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	all := r.apply(attributesOf(want.Attributes, b, uint32(resourceMessage.attributes)))
	want.Attributes = all.list()
	out := r.changed(t, r.e.Resource, b)
	if err := proto.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %x, was %x", err, out, b)
	}
	r.compare(t, b, out, all, attributesOf(got.Attributes, out, uint32(resourceMessage.attributes)), uint32(resourceMessage.attributes), 0)
	if !proto.Equal(&got, &want) {
		t.Fatalf("%+v and %+v make\n%v, want\n%v\n%x", r.actions, r.redaction, &got, &want, b)
	}
}

func attributesOfEvent(e *tracepb.Span_Event) (all attributes) {
	for _, kv := range e.Attributes {
		if kv.Value == nil {
			kv.Value = &commonpb.AnyValue{}
		}
		all = append(all, attribute{kv, nil, false})
	}
	return all
}

// changed gives b, changed by f: in its capacity if there is any, elsewhere if there is not.
func (r *rules) changed(t *testing.T, f func([]byte) []byte, b []byte) []byte {
	t.Helper()
	buffer := append(make([]byte, 0, 2*len(b)+4096), "before"...)
	span := append(buffer, b...)[len(buffer):]
	out := f(span)
	if len(out) > 0 && len(out) <= cap(span) && &out[0] != &span[:1][0] {
		t.Fatal("there was room, and the result is elsewhere")
	}
	full := f(slices.Clip(bytes.Clone(b)))
	if !bytes.Equal(out, full) {
		t.Fatalf("with room it is %x, without %x", out, full)
	}
	if string(buffer) != "before" {
		t.Fatal("what stands before the span is changed")
	}
	return out
}

// compare tells whether all fields of the message have kept their bytes and their order but attributes that were touched.
func (r *rules) compare(t *testing.T, before, after []byte, want, got attributes, attribute, event uint32) {
	t.Helper()
	others := func(b []byte) (rest []byte) {
		wire.EachField(b, func(key uint32, _, field []byte) {
			if key != attribute && !(key == event && r.masks()) {
				rest = append(rest, field...)
			}
		})
		return rest
	}
	if was, is := others(before), others(after); !bytes.Equal(was, is) {
		t.Fatalf("besides attributes %x is now %x", was, is)
	}
	for i := range min(len(want), len(got)) {
		if !want[i].touched && !bytes.Equal(want[i].field, got[i].field) {
			t.Fatalf("attribute %d is %x, was %x", i, got[i].field, want[i].field)
		}
	}
	touched := len(want) != len(attributesIn(before, attribute))
	for _, a := range want {
		touched = touched || a.touched
	}
	if !touched && !r.masks() && !bytes.Equal(before, after) {
		t.Fatalf("%x is %x without a reason", before, after)
	}
}

func attributesIn(b []byte, key uint32) (all [][]byte) {
	wire.EachField(b, func(k uint32, _, field []byte) {
		if k == key {
			all = append(all, field)
		}
	})
	return all
}
