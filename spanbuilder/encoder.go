package spanbuilder

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/alspan/alspan/internal/wire"
)

// Field numbers of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.
const (
	spanTraceID, spanID, spanTraceState, spanParentID = 1, 2, 3, 4
	spanName, spanKind, spanStart, spanEnd            = 5, 6, 7, 8
	spanAttributes, spanDroppedAttributes             = 9, 10
	spanEvents, spanLinks, spanStatus, spanFlags      = 11, 13, 15, 16
	resourceSpansResource, resourceAttributes         = 1, 1
	scopeSpansScope, scopeSpans                       = 1, 2
	valueString, valueInt, valueDouble, valueArray    = 1, 3, 4, 5
)

// maxAttributes is the limit of attributes of one span; what is above is counted in the span (OpenTelemetry's default).
const maxAttributes = 128

// Repairs counts what had to be done to the strings of a span.
type Repairs struct {
	UTF8 int // values with bytes that were not UTF-8
	Cut  int // values that were longer than the limit
}

// encoder appends attributes to dst. An attribute with an empty value is not written.
type encoder struct {
	dst     []byte
	in      []byte // the entry
	field   uint32 // of the list of attributes in the message being written
	limit   int    // bytes of a value
	count   int
	dropped int
	fixed   Repairs
	// What the span had when it came: an attribute that is there already is not written again.
	came  *came
	taken uint64 // the bits of its keys
}

// scratch gives room to put a value together before it is appended: the last fifth of what is free behind dst. A value from
// there is not overwritten while it is read, even if each of its bytes becomes three.
func (s *encoder) scratch() []byte {
	free := s.dst[len(s.dst):cap(s.dst)]
	if len(free) < 5*quickRoom {
		return nil
	}
	return free[len(free)-len(free)/5:][:0]
}

// isQuick tells whether a string of n bytes can be written with all lengths in their places, as far as its size goes.
func (s *encoder) isQuick(k *key, n int) bool {
	return n <= k.short && n <= s.limit && s.count < maxAttributes && cap(s.dst)-len(s.dst) >= quickRoom && k.bit&s.taken == 0
}

// text appends a string of the entry. Where there is room it is copied with some of what follows it, in constant sizes.
func (s *encoder) text(k *key, p wire.Place) {
	n, at := p.Len(), len(s.dst)
	if n == 0 {
		return
	}
	in := s.in[p.From():]
	if !s.isQuick(k, n) || len(in) < valueRoom ||
		!wire.CopyShort(k.begin((*[quickRoom]byte)(s.dst[at:at+quickRoom]), n), (*[valueRoom]byte)(in), n) {
		s.bytes(k, in[:n])
		return
	}
	s.dst = s.dst[:at+int(k.size)+n]
	s.count++
}

// hostAndPort appends host:port if that is a matter of copying, and tells whether it was.
func (s *encoder) hostAndPort(k *key, a *wire.Address) bool {
	var digits [10]byte
	i, port := len(digits)-1, a.Port
	for ; port > 9 && i > 0; i-- {
		digits[i] = '0' + byte(port%10)
		port /= 10
	}
	digits[i] = '0' + byte(port)
	host, at := a.Host.Len(), len(s.dst)
	n := host + 1 + len(digits) - i
	if !s.isQuick(k, n) || a.Host.From()+valueRoom > len(s.in) {
		return false
	}
	d := k.begin((*[quickRoom]byte)(s.dst[at:at+quickRoom]), n)
	if !wire.CopyShort(d, (*[valueRoom]byte)(s.in[a.Host.From():]), host) {
		return false
	}
	d[host] = ':'
	copy(d[host+1:], digits[i:])
	s.dst = s.dst[:at+int(k.size)+n]
	s.count++
	return true
}

// bytes appends a string that came from outside.
func (s *encoder) bytes(k *key, v []byte) {
	at, n := len(s.dst), len(v)
	if n == 0 {
		return
	}
	if !s.isQuick(k, n) ||
		!wire.CopyASCII(k.begin((*[quickRoom]byte)(s.dst[at:at+quickRoom]), n)[:], v) {
		s.textOf(k.name, v)
		return
	}
	s.dst = s.dst[:at+int(k.size)+n]
	s.count++
}

// block appends attributes that were rendered ahead.
func (s *encoder) block(b *block) {
	at := len(s.dst)
	if cap(s.dst)-at < headRoom || s.count+b.count > maxAttributes || b.bits&s.taken != 0 {
		s.blockOf(b)
		return
	}
	*(*[headRoom]byte)(s.dst[at : at+headRoom]) = b.bytes
	s.dst = s.dst[:at+b.size]
	s.count += b.count
}

func (s *encoder) blockOf(b *block) {
	if s.count+b.count > maxAttributes {
		s.dropped += b.count
		return
	}
	if b.bits&s.taken != 0 {
		for r := wire.Read(b.bytes[:b.size]); r.Next(); {
			if key, _, _ := wire.StringAttribute(r.Bytes); !s.has(string(key)) {
				s.dst = wire.AppendBytes(s.dst, s.field, r.Bytes)
				s.count++
			}
		}
		return
	}
	s.dst = append(s.dst, b.bytes[:b.size]...)
	s.count += b.count
}

// textOf is text for any key and any value.
func (s *encoder) textOf(name string, v []byte) {
	if len(v) == 0 || s.has(name) {
		return
	}
	if len(v) <= s.limit && wire.ASCII(v) {
		if size := stringSize(len(v)); s.begin(len(name), size) {
			s.key(name, size)
			s.dst = wire.AppendBytes(s.dst, valueString, v)
		}
		return
	}
	t := s.look(v)
	if size := stringSize(t.Len()); s.begin(len(name), size) {
		s.key(name, size)
		s.value(t)
	}
}

// begin writes an attribute up to its value: size is that of the AnyValue.
func (s *encoder) begin(keyLen, size int) bool {
	if s.count >= maxAttributes {
		s.dropped++
		return false
	}
	s.count++
	kv := 1 + wire.SizeVarint(uint64(keyLen)) + keyLen + 1 + wire.SizeVarint(uint64(size)) + size
	s.dst = wire.AppendVarint(s.dst, uint64(s.field)<<3|wire.Bytes)
	s.dst = wire.AppendVarint(s.dst, uint64(kv))
	return true
}

func (s *encoder) key(key string, size int) {
	s.dst = wire.AppendBytes(s.dst, 1, key)
	s.valueOf(size)
}

func (s *encoder) valueOf(size int) {
	s.dst = append(s.dst, 2<<3|wire.Bytes)
	s.dst = wire.AppendVarint(s.dst, uint64(size))
}

// look measures v and counts what will be done to it.
func (s *encoder) look(v []byte) wire.Text {
	t := wire.NewText(v, s.limit)
	if t.Repaired() {
		s.fixed.UTF8++
	}
	if t.Cut {
		s.fixed.Cut++
	}
	return t
}

func stringSize(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }

func (s *encoder) value(t wire.Text) {
	s.dst = append(s.dst, valueString<<3|wire.Bytes)
	s.dst = wire.AppendVarint(s.dst, uint64(t.Len()))
	s.dst = t.Append(s.dst)
}

// texts appends an array of the one string v; its key is prefix and name.
func (s *encoder) texts(prefix, name string, v []byte) {
	if s.taken != 0 && s.has(prefix+name) {
		return
	}
	t := s.look(v)
	inner := stringSize(t.Len())
	list := 1 + wire.SizeVarint(uint64(inner)) + inner
	size := 1 + wire.SizeVarint(uint64(list)) + list
	if s.begin(len(prefix)+len(name), size) {
		s.dst = append(s.dst, 1<<3|wire.Bytes)
		s.dst = wire.AppendVarint(s.dst, uint64(len(prefix)+len(name)))
		s.dst = append(append(s.dst, prefix...), name...)
		s.valueOf(size)
		s.dst = wire.AppendVarint(append(s.dst, valueArray<<3|wire.Bytes), uint64(list))
		s.dst = wire.AppendVarint(append(s.dst, 1<<3|wire.Bytes), uint64(inner))
		s.value(t)
	}
}

const tagPrefix = "envoy.tag."

// quickTag appends a tag of the entry if that is a matter of copying, and tells whether it was.
func (s *encoder) quickTag(key, v wire.Place) bool {
	k, n, at := key.Len(), v.Len(), len(s.dst)
	if n == 0 || s.taken != 0 || k+n > 127-6-len(tagPrefix) || max(k+len(tagPrefix), n) > s.limit || s.count >= maxAttributes ||
		cap(s.dst)-at < quickRoom || max(key.From(), v.From())+valueRoom > len(s.in) {
		return false
	}
	d := (*[quickRoom]byte)(s.dst[at : at+quickRoom])
	*(*[len(tagHead)]byte)(d[:]) = tagHead
	size := uint8(len(tagHead) + k)
	d[1], d[3] = size+uint8(n+2), size-4
	plain := wire.CopyShort((*[valueRoom]byte)(d[len(tagHead):]), (*[valueRoom]byte)(s.in[key.From():]), k)
	binary.LittleEndian.PutUint32(d[size:], shortString(n))
	if !wire.CopyShort((*[valueRoom]byte)(d[size+4:]), (*[valueRoom]byte)(s.in[v.From():]), n) || !plain {
		return false
	}
	s.dst = s.dst[:at+int(size)+4+n]
	s.count++
	return true
}

// tagHead is what a tag begins with; its two lengths are written later.
var tagHead = func() (head [4 + len(tagPrefix)]byte) {
	copy(head[:], "\x4a\x00\x0a\x00"+tagPrefix) // as in key
	return head
}()

// tag appends a string whose key comes from outside, too.
func (s *encoder) tag(key, v []byte) {
	if len(v) == 0 {
		return
	}
	name, t := s.look(key), s.look(v)
	if s.taken != 0 && s.has(tagPrefix+string(name.Append(nil))) {
		return
	}
	if size := stringSize(t.Len()); s.begin(len(tagPrefix)+name.Len(), size) {
		s.dst = append(s.dst, 1<<3|wire.Bytes)
		s.dst = wire.AppendVarint(s.dst, uint64(len(tagPrefix)+name.Len()))
		s.dst = name.Append(append(s.dst, tagPrefix...))
		s.valueOf(size)
		s.value(t)
	}
}

// str appends a string of our own.
func (s *encoder) str(k *key, v string) {
	at, n := len(s.dst), len(v)
	if n > k.short || s.count >= maxAttributes || cap(s.dst)-at < quickRoom || k.bit&s.taken != 0 {
		s.strOf(k.name, v)
		return
	}
	if n == 0 {
		return
	}
	copy(k.begin((*[quickRoom]byte)(s.dst[at:at+quickRoom]), n)[:], v)
	s.dst = s.dst[:at+int(k.size)+n]
	s.count++
}

// strOf is str for any key and any value.
func (s *encoder) strOf(name, v string) {
	if v == "" || s.has(name) {
		return
	}
	if size := stringSize(len(v)); s.begin(len(name), size) {
		s.key(name, size)
		s.dst = wire.AppendBytes(s.dst, valueString, v)
	}
}

func (s *encoder) int(k *key, v int64) {
	at := len(s.dst)
	if s.count >= maxAttributes || cap(s.dst)-at < quickRoom || k.bit&s.taken != 0 {
		s.number(k, wire.AppendVarint(make([]byte, 0, binary.MaxVarintLen64), uint64(v)))
		return
	}
	d := (*[quickRoom]byte)(s.dst[at : at+quickRoom])
	*(*[headRoom]byte)(d[:]) = k.head
	n, u := k.size, uint64(v)
	for ; u >= 0x80; n++ {
		d[n] = byte(u) | 0x80
		u >>= 7
	}
	d[n] = byte(u)
	d[1], d[k.tail] = n-1, n-k.size+2
	s.dst = s.dst[:at+int(n)+1]
	s.count++
}

func (s *encoder) double(k *key, v float64) {
	at := len(s.dst)
	if s.count >= maxAttributes || cap(s.dst)-at < quickRoom || k.bit&s.taken != 0 {
		s.number(k, binary.LittleEndian.AppendUint64(make([]byte, 0, 8), math.Float64bits(v)))
		return
	}
	d := (*[quickRoom]byte)(s.dst[at : at+quickRoom])
	*(*[headRoom]byte)(d[:]) = k.head
	d[1], d[k.tail] = k.size+8-2, 1+8
	binary.LittleEndian.PutUint64(d[k.size:], math.Float64bits(v))
	s.dst = s.dst[:at+int(k.size)+8]
	s.count++
}

// number appends a number, encoded, where room is scarce.
func (s *encoder) number(k *key, v []byte) {
	if s.has(k.name) {
		return
	}
	if s.count >= maxAttributes {
		s.dropped++
		return
	}
	s.count++
	at := len(s.dst)
	s.dst = append(append(s.dst, k.head[:k.size]...), v...)
	s.dst[at+1], s.dst[at+int(k.tail)] = k.size-2+byte(len(v)), byte(1+len(v))
}

// room gives the bytes behind dst in which quickRoom can be written.
func (s *encoder) room() []byte {
	at := len(s.dst)
	if cap(s.dst)-at < quickRoom {
		s.dst = slices.Grow(s.dst, quickRoom)
	}
	return s.dst[at : at+quickRoom]
}

// The length of a span is known when it is written. Nearly all are between 128 and 16383 bytes, so two bytes are kept
// for it; others are moved.
const lengthRoom = 2

// closeSpan writes the length of the span that began at start.
func (s *encoder) closeSpan(start int) {
	n := len(s.dst) - start
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	if size > lengthRoom {
		s.dst = append(s.dst, length[:size-lengthRoom]...)
	}
	begin := start - lengthRoom + size
	if begin != start {
		copy(s.dst[begin:], s.dst[start:start+n])
	}
	copy(s.dst[start-lengthRoom:], length[:size])
	s.dst = s.dst[:begin+n]
}
