package attributes

import (
	"encoding/binary"

	"github.com/alspan/alspan/internal/wire"
)

// Editor applies Actions. It belongs to one goroutine: its room is used anew for each message. A nil Editor changes nothing.
type Editor struct {
	a      *Actions
	fields []field // of the message that is changed, in its order; new ones at the end
	inner  []field // of an event in it
	texts  []byte  // new values
	out    []byte  // the message from its first change on
	facts  map[string]*facts
	masks  int // that are left for the message
	mask   func(match []byte) []byte
}

// Editor gives a new Editor, and of nil a nil one.
func (a *Actions) Editor() *Editor {
	if a == nil {
		return nil
	}
	e := &Editor{a: a, facts: map[string]*facts{}}
	e.mask = func(match []byte) []byte {
		if e.masks--; e.masks < 0 {
			return nil
		}
		return a.redact.mask(match)
	}
	return e
}

// mostMasks are written into a message: a hash is much longer than what may match. What is masked beyond that is left out.
const mostMasks = 1 << 16

// message tells where a message has attributes, by keys of a wire.Reader.
type message struct {
	attributes byte
	events     uint32 // 0 if it has none
}

// opentelemetry/proto/trace/v1/trace.proto, resource/v1/resource.proto
var (
	spanMessage     = message{attributes: 9<<3 | wire.Bytes, events: 11<<3 | wire.Bytes}
	resourceMessage = message{attributes: 1<<3 | wire.Bytes}
	scopeMessage    = message{attributes: 3<<3 | wire.Bytes} // common/v1/common.proto, InstrumentationScope
	eventMessage    = message{attributes: 3<<3 | wire.Bytes}
)

// Span gives the encoded opentelemetry.proto.trace.v1.Span, changed. It writes into span and into the capacity behind it; where
// that is not enough the result is elsewhere, as with append. Where nothing changes, and where what is looked at is
// malformed, span is given back as it is.
func (e *Editor) Span(span []byte) []byte { return e.edit(span, spanMessage) }

// Resource is Span for an encoded opentelemetry.proto.resource.v1.Resource.
func (e *Editor) Resource(resource []byte) []byte { return e.edit(resource, resourceMessage) }

// Scope is Span for an encoded opentelemetry.proto.common.v1.InstrumentationScope.
func (e *Editor) Scope(scope []byte) []byte { return e.edit(scope, scopeMessage) }

func (e *Editor) edit(b []byte, m message) []byte {
	if e == nil {
		return b
	}
	e.masks = mostMasks
	changed := e.change(b, m)
	e.tidy()
	return changed
}

func (e *Editor) change(b []byte, m message) []byte {
	var ok bool
	if e.fields, ok = e.walk(e.fields, b, m); !ok {
		return b
	}
	for i := range e.a.actions {
		e.act(&e.a.actions[i], len(b))
	}
	for i := range e.fields {
		if f := &e.fields[i]; f.isAttribute() && f.isActed() {
			e.redact(f)
		}
	}
	at := firstChange(e.fields)
	switch {
	case at < 0:
		return b
	case at == len(b):
		return render(b, b, at, e.fields, m.attributes)
	}
	e.out = render(e.out[:0], b, at, e.fields, m.attributes) // values may be parts of b
	return append(b[:at], e.out...)
}

// Room of this size is kept from one message to the next, which may be long in coming.
const (
	keepBytes  = 64 << 10
	keepFields = 256
)

func (e *Editor) tidy() {
	e.fields, e.inner, e.texts = e.fields[:0], e.inner[:0], e.texts[:0]
	if max(cap(e.texts), cap(e.out)) > keepBytes {
		e.texts, e.out = nil, nil
	}
	if max(cap(e.fields), cap(e.inner)) > keepFields {
		e.fields, e.inner = nil, nil
	}
}

// walk appends to list what is of interest in b: attributes that actions may touch, and attributes and events that are masked
// already, since no action does. It gives false if b is malformed.
func (e *Editor) walk(list []field, b []byte, m message) ([]field, bool) {
	for i := 0; i < len(b); {
		if b[i] == m.attributes && !e.a.every {
			if i = e.a.skip(b, i, m.attributes); i == len(b) {
				break
			}
		}
		from := i
		tag, v, next := wire.Field(b, i, len(b))
		if i = next; next < 0 {
			return list, false
		}
		isAttribute := tag == uint32(m.attributes)
		if !isAttribute && (tag != m.events || e.a.redact == nil) {
			continue
		}
		f := field{from: from, to: next}
		var wanted, ok bool
		if isAttribute {
			wanted, ok = e.look(&f, b, int(v), m)
		} else {
			wanted, ok = e.event(&f, b[v:next])
		}
		if !ok {
			return list, false
		}
		if wanted {
			list = append(list, f)
		}
	}
	return list, true
}

// skip passes over attributes that are of no interest: from the one at b[i] to the first field that is none, or has a key that
// is known, or is not what nearly all are: exactly a key and a value, in less than 128 bytes.
func (a *Actions) skip(b []byte, i int, tag byte) int {
	want := uint32(tag) | keyField<<16
	for i+4 <= len(b) {
		w := binary.LittleEndian.Uint32(b[i:]) // tag, length, tag of the key, length of the key
		next, k := i+2+int(w>>8&0xff), i+4+int(w>>24)
		if w&0x80ff80ff != want || next > len(b) || k+2 > next {
			break
		}
		if v := binary.LittleEndian.Uint16(b[k : k+2]); v&0xff != valueField || k+2+int(v>>8) != next {
			break
		}
		if len(a.byLength[w>>24]) > 0 && a.id(b[i+4:k]) >= 0 {
			break
		}
		i = next
	}
	return i
}

// look reads the attribute f of b, an m, whose KeyValue begins at from, and masks it if no action may touch it. It tells whether
// an action may, or f was masked, and gives false if f is malformed.
func (e *Editor) look(f *field, b []byte, from int, m message) (wanted, ok bool) {
	raw, ok := f.parse(b, from, f.to)
	if !ok {
		return false, false
	}
	f.id = e.a.id(f.key)
	f.facts = e.factsOf(f)
	acted := f.isActed() && m != eventMessage
	if !acted && !f.facts.masked {
		return false, true
	}
	if !f.value.parse(raw) {
		return false, false
	}
	if !acted {
		e.redact(f)
	}
	return acted || f.state != kept, true
}

// event masks the attributes of the Event b, which f is to become, and tells whether there was anything to mask. It gives false
// if b is malformed.
func (e *Editor) event(f *field, b []byte) (masked, ok bool) {
	if e.inner, ok = e.walk(e.inner[:0], b, eventMessage); !ok {
		return false, false
	}
	at := firstChange(e.inner)
	if at < 0 {
		return false, true
	}
	event := render(append([]byte(nil), b[:at]...), b, at, e.inner, eventMessage.attributes)
	f.id, f.state, f.value.raw = -1, replaced, wire.AppendBytes(nil, spanMessage.events>>3, event)
	return true, true
}
