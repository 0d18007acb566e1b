package zipkin

import (
	"math"

	"github.com/alspan/alspan/internal/wire"
)

// Field numbers of opentelemetry/proto/trace/v1/trace.proto, common/v1/common.proto and resource/v1/resource.proto.
const (
	requestResourceSpans                              = 1
	resourceResource, resourceScopeSpans              = 1, 2
	scopeScope, scopeSpans                            = 1, 2
	spanTraceID, spanID, spanTraceState, spanParentID = 1, 2, 3, 4
	spanName, spanKind, spanStart, spanEnd            = 5, 6, 7, 8
	spanAttributes, spanEvents, spanStatus, spanFlags = 9, 11, 15, 16
	eventTime, eventName                              = 1, 2
	statusMessage, statusCodeField                    = 2, 3
	resourceAttributes                                = 1
	scopeNameField, scopeVersionField                 = 1, 2
	attributeKey, attributeValue                      = 1, 2
	valueString, valueBool, valueInt                  = 1, 2, 3
)

// flagSampled: a span that was reported was sampled. Whether its trace id is random is not known.
const flagSampled = 0x01

// noLimit: bodies are bounded, so their strings are.
const noLimit = math.MaxInt

// writer appends parts of OTLP to dst.
type writer struct {
	dst      []byte
	repaired int
	meaning  meaning
}

// text takes a string of the body: what it appends is UTF-8.
func (w *writer) text(s []byte) wire.Text {
	t := wire.NewText(s, noLimit)
	if t.Repaired() {
		w.repaired++
	}
	return t
}

func (w *writer) begin(field uint32, size int) {
	w.dst = wire.AppendVarint(w.dst, uint64(field)<<3|wire.Bytes)
	w.dst = wire.AppendVarint(w.dst, uint64(size))
}

// sizeOf gives the size of a field, numbered below 16, with n bytes in it.
func sizeOf(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }

func (w *writer) string(field uint32, s []byte) {
	t := w.text(s)
	w.begin(field, t.Len())
	w.dst = t.Append(w.dst)
}

// attribute begins an attribute whose AnyValue has size bytes.
func (w *writer) attribute(field uint32, key wire.Text, size int) {
	w.begin(field, sizeOf(key.Len())+sizeOf(size))
	w.begin(attributeKey, key.Len())
	w.dst = key.Append(w.dst)
	w.begin(attributeValue, size)
}

// maxShort is how long key and value may be together so that every length is one byte.
const maxShort = 127 - 6

func (w *writer) stringAttribute(field uint32, key, value []byte) {
	n := len(key) + len(value)
	if n <= maxShort && wire.ASCII(key) && wire.ASCII(value) { // nearly all
		w.dst = append(w.dst, byte(field)<<3|wire.Bytes, byte(n+6), attributeKey<<3|wire.Bytes, byte(len(key)))
		w.dst = append(w.dst, key...)
		w.dst = append(w.dst, attributeValue<<3|wire.Bytes, byte(len(value)+2), valueString<<3|wire.Bytes, byte(len(value)))
		w.dst = append(w.dst, value...)
		return
	}
	k, v := w.text(key), w.text(value)
	w.attribute(field, k, sizeOf(v.Len()))
	w.begin(valueString, v.Len())
	w.dst = v.Append(w.dst)
}

func (w *writer) intAttribute(field uint32, key []byte, value int64) {
	w.attribute(field, w.text(key), 1+wire.SizeVarint(uint64(value)))
	w.dst = wire.AppendUint(w.dst, valueInt, uint64(value))
}

// tag writes a tag, as an integer where its key is one's and it is one.
func (w *writer) tag(field uint32, t *tag, isTyped bool) {
	if isTyped {
		switch t.role {
		case numeric, peerPort, localPort, processID, processParentID:
			if v, ok := integer(t.value); ok {
				w.intAttribute(field, t.key, v)
				return
			}
		}
	}
	w.stringAttribute(field, t.key, t.value)
}

// own writes an attribute that is not from a tag, unless there is a tag with that key: what was said in so many words wins.
func (w *writer) own(t *tags, r role, value []byte) {
	if len(value) > 0 && !t.has(r) {
		w.stringAttribute(spanAttributes, names[r], value)
	}
}

func (w *writer) ownPort(t *tags, r role, port uint16) {
	if port > 0 && !t.has(r) {
		w.intAttribute(spanAttributes, names[r], int64(port))
	}
}

func (w *writer) ownFlag(t *tags, r role, isSet bool) {
	if isSet && !t.has(r) {
		w.attribute(spanAttributes, w.text(names[r]), 2)
		w.dst = wire.AppendUint(w.dst, valueBool, 1)
	}
}

// span appends the fields of s, settled, as an OTLP Span.
func (w *writer) span(s *span, m *meaning) {
	w.dst = wire.AppendBytes(w.dst, spanTraceID, s.traceID[:])
	w.dst = wire.AppendBytes(w.dst, spanID, s.id[:])
	if len(m.state) > 0 {
		w.dst = wire.AppendBytes(w.dst, spanTraceState, m.state)
	}
	if s.parent != [8]byte{} {
		w.dst = wire.AppendBytes(w.dst, spanParentID, s.parent[:])
	}
	w.string(spanName, s.name)
	w.dst = wire.AppendUint(w.dst, spanKind, uint64(s.kind))
	w.dst = wire.AppendFixed64(w.dst, spanStart, s.start)
	w.dst = wire.AppendFixed64(w.dst, spanEnd, s.end)
	w.attributes(s, m)
	for i := range s.annotations {
		w.event(&s.annotations[i], s.start)
	}
	w.status(m)
	w.dst = wire.AppendFixed32(w.dst, spanFlags, flagSampled)
}

func (w *writer) attributes(s *span, m *meaning) {
	t := &s.tags
	for i := range t.list {
		if m.isAttribute(&t.list[i], s) {
			w.tag(spanAttributes, &t.list[i], !m.isEnvoy)
		}
	}
	var room [64]byte
	if a, ok := s.local.address(); ok {
		w.own(t, localAddress, a.AppendTo(room[:0]))
	}
	w.ownPort(t, localPort, s.local.port)
	w.own(t, peerName, s.remote.service)
	w.own(t, peerService, s.remote.service)
	if a, ok := s.remote.address(); ok {
		w.own(t, peerAddress, a.AppendTo(room[:0]))
	}
	w.ownPort(t, peerPort, s.remote.port)
	w.ownFlag(t, debugSpan, s.debug)
	w.ownFlag(t, sharedSpan, s.shared)
	w.ownFlag(t, timestampAbsent, s.timestamp == 0)
}

// event writes an annotation; one without a time happened when the span began, as far as is known.
func (w *writer) event(a *annotation, start uint64) {
	at := start
	if a.timestamp > 0 {
		at = a.timestamp * 1000
	}
	name := w.text(a.value)
	w.begin(spanEvents, 1+8+sizeOf(name.Len()))
	w.dst = wire.AppendFixed64(w.dst, eventTime, at)
	w.begin(eventName, name.Len())
	w.dst = name.Append(w.dst)
}

func (w *writer) status(m *meaning) {
	if m.code == statusUnset && len(m.message) == 0 {
		return
	}
	message, size := w.text(m.message), 0
	if message.Len() > 0 {
		size = sizeOf(message.Len())
	}
	if m.code != statusUnset {
		size += 2
	}
	w.begin(spanStatus, size)
	if message.Len() > 0 {
		w.begin(statusMessage, message.Len())
		w.dst = message.Append(w.dst)
	}
	if m.code != statusUnset {
		w.dst = wire.AppendUint(w.dst, statusCodeField, uint64(m.code))
	}
}
