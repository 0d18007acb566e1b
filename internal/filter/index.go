package filter

import (
	"github.com/alspan/alspan/internal/wire"
)

// keys are the attributes that rules ask for: each has a slot.
type keys struct {
	names []string
	byLen [maxQuickKey + 1][]uint8 // slots of the names of that length
	long  []uint8
	// lengths has bit n set where a name has n bytes.
	lengths uint64
}

// Longer keys are compared one by one; more of them than that have no slot.
const (
	maxQuickKey = 63
	maxSlots    = 200
)

// slot gives that of a key, a new one if it has none yet. It gives false when there are too many.
func (k *keys) slot(name string) (uint8, bool) {
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
		if k.names[i] == string(name) {
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
	values  []value // by slot
}

// read looks at a span once. Among attributes with one key the first counts, as in a collector; of all other fields the last.
func (f *facts) read(span []byte, k *keys) {
	clear(f.values)
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
					if b := span[from : from+n]; k.asked(b) {
						f.attribute(b, k)
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
			f.attribute(r.Bytes, k)
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

func (f *facts) short(key byte, b []byte) {
	switch key {
	case spanTraceID:
		f.traceID = b
	case spanNameField:
		f.name = b
	}
}

// asked tells whether anybody may ask for an encoded KeyValue: no, where it is a key and a value, and no key that is asked for has
// the length of its key.
func (k *keys) asked(b []byte) bool {
	if len(b) < 4 || b[0] != 1<<3|wire.Bytes || b[1] > maxQuickKey {
		return true
	}
	at := 2 + int(b[1])
	if k.lengths>>b[1]&1 != 0 || at+2 >= len(b) || b[at] != 2<<3|wire.Bytes {
		return true
	}
	n, from := int(b[at+1]), at+2
	if n >= 0x80 {
		n, from = n&0x7f|int(b[at+2])<<7, at+3
	}
	return from+n != len(b) // there may be another key
}

// attribute takes one KeyValue.
func (f *facts) attribute(b []byte, k *keys) {
	key, v := attribute(b)
	if slot, ok := k.find(key); ok && f.values[slot].kind == isNil {
		f.values[slot] = v
	}
}
