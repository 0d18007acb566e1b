package filter

import (
	"github.com/alspan/alspan/internal/wire"
)

// keys are the attributes that rules ask for: each has a slot.
type keys struct {
	names []string
	byLen [maxQuickKey + 1][]uint8 // slots of the names of that length
	long  []uint8
	// lengths has bit n set where a name has n bytes, own where one has by which a rule asks; the others are only what those may be
	// made of.
	lengths, own uint64
}

// Longer keys are compared one by one; more of them than that have no slot.
const (
	maxQuickKey = 63
	maxSlots    = 200
)

// slot gives that of a key by which a rule asks, a new one if it has none yet. It gives false when there are too many.
func (k *keys) slot(name string) (uint8, bool) {
	if n := len(name); n <= maxQuickKey {
		k.own |= 1 << n
	}
	return k.source(name)
}

// source is slot for a key of which an attribute by another name may be made.
func (k *keys) source(name string) (uint8, bool) {
	for i, n := range k.names {
		if n == name {
			return uint8(i), true
		}
	}
	if len(k.names) >= maxSlots {
		return 0, false
	}
	i := uint8(len(k.names))
	k.names = append(k.names, name)
	if n := len(name); n <= maxQuickKey {
		k.byLen[n] = append(k.byLen[n], i)
		k.lengths |= 1 << n
	} else {
		k.long = append(k.long, i)
	}
	return i, true
}

func (k *keys) find(name []byte) (uint8, bool) {
	list := k.long
	if len(name) <= maxQuickKey {
		list = k.byLen[len(name)]
	}
	for _, i := range list {
		if n := k.names[i]; len(name) > 0 && n[0] != name[0] {
			continue
		} else if n == string(name) {
			return i, true
		}
	}
	return 0, false
}

// Field numbers of a Span (opentelemetry/proto/trace/v1/trace.proto) and of a Resource.
const (
	spanTraceID    = 1<<3 | wire.Bytes
	spanNameField  = 5<<3 | wire.Bytes
	spanKindField  = 6<<3 | wire.Varint
	spanAttributes = 9<<3 | wire.Bytes
	spanStatus     = 15<<3 | wire.Bytes
	resAttributes  = 1<<3 | wire.Bytes
)

// facts are what the quick rules ask of one span.
type facts struct {
	traceID []byte
	name    []byte
	kind    int32
	status  int32
	values  []value // by slot; of the first 64 only where their bit is set
	there   uint64  // bit: the attribute in that slot is there
}

// read looks at a span once. Among attributes with one key the first counts, as in a collector; of all other fields the last.
func (f *facts) read(span []byte, k *keys, made bool) {
	lengths := k.own
	if made {
		lengths = k.lengths
	}
	if f.there = 0; len(f.values) > 64 {
		clear(f.values[64:])
	}
	f.traceID, f.name, f.kind, f.status = nil, nil, 0, 0
	for i := 0; i < len(span); {
		// Nearly all fields are what this takes: an attribute of up to 16 KiB, or a short field.
		if i+2 < len(span) {
			n, from := int(span[i+1]), i+2
			switch tag := span[i]; {
			case tag == spanAttributes:
				if n >= 0x80 { // with a third byte it comes to 16 KiB or more
					n, from = n&0x7f|int(span[i+2])<<7, i+3
				}
				if n < 1<<14 && from+n <= len(span) {
					if !isPassed(span[from:from+n], lengths) {
						f.attribute(span[from:from+n], k, lengths)
					}
					i = from + n
					continue
				}
			case tag&7 == wire.Fixed64 && tag < 0x80 && i+9 <= len(span):
				i += 9
				continue
			case tag&7 == wire.Bytes && tag < spanAttributes && n < 0x80 && from+n <= len(span):
				f.short(tag, span[from:from+n])
				i = from + n
				continue
			}
		}
		r := wire.Read(span[i:])
		if !r.Next() {
			return
		}
		i = len(span) - r.Rest()
		switch r.Key {
		case spanAttributes:
			f.attribute(r.Bytes, k, lengths)
		case spanTraceID, spanNameField:
			f.short(byte(r.Key), r.Bytes)
		case spanKindField:
			f.kind = int32(r.Int)
		case spanStatus: // message Status { string message = 2; StatusCode code = 3; }
			for s := wire.Read(r.Bytes); s.Next(); {
				if s.Key == 3<<3|wire.Varint {
					f.status = int32(s.Int)
				}
			}
		}
	}
}

// isPassed tells that nobody asks for an encoded KeyValue, which is so for most: it is a key of a length that nobody asks for, and a
// value of less than 128 bytes. It is small enough to cost no call.
func isPassed(b []byte, lengths uint64) bool {
	if len(b) < 4 || b[0] != 1<<3|wire.Bytes || lengths>>b[1]&1 != 0 {
		return false
	}
	rest := len(b) - 4 - int(b[1])
	return rest >= 0 && b[1] <= maxQuickKey && b[2+b[1]] == 2<<3|wire.Bytes && int(b[3+b[1]]) == rest && rest < 0x80
}

func (f *facts) short(key byte, b []byte) {
	switch key {
	case spanTraceID:
		f.traceID = b
	case spanNameField:
		f.name = b
	}
}

// attribute takes one KeyValue, if its key is one that is asked for, whose lengths those are.
func (f *facts) attribute(b []byte, k *keys, lengths uint64) {
	// Nearly always it is a key, and a value that ends it.
	if len(b) >= 4 && b[0] == 1<<3|wire.Bytes && b[1] <= maxQuickKey && 4+int(b[1]) <= len(b) {
		at := 2 + int(b[1])
		n, from := int(b[at+1]), at+2
		if n >= 0x80 && from < len(b) {
			n, from = n&0x7f|int(b[from])<<7, from+1
		}
		if b[at] == 2<<3|wire.Bytes && from+n == len(b) {
			if lengths>>b[1]&1 == 0 {
				return
			}
			if slot, ok := k.find(b[2:at]); ok && !f.has(slot) {
				f.set(slot, plainValue(b[from:]))
			}
			return
		}
	}
	key, v := attribute(b)
	if slot, ok := k.find(key); ok && !f.has(slot) {
		f.set(slot, v)
	}
}

func (f *facts) set(slot uint8, v value) {
	f.values[slot] = v
	f.there |= 1 << slot // nothing for those above 63
}

func (f *facts) has(slot uint8) bool {
	if slot < 64 {
		return f.there>>slot&1 != 0
	}
	return f.values[slot].kind != isNil
}

// at gives the attribute in a slot.
func (f *facts) at(slot uint8) *value {
	if !f.has(slot) {
		return &nothing
	}
	return &f.values[slot]
}

// nothing is the value of an attribute that is not there.
var nothing value
