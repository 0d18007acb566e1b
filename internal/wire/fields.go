package wire

import "encoding/binary"

// MapField is a logged map of an entry.
type MapField uint8

const (
	CustomTags MapField = iota
	RequestHeaders
	ResponseHeaders
	ResponseTrailers
	NumMaps
)

type member struct{ key, value Place }

// Fields is a logged map in wire order. A key that is there twice counts with its last value.
type Fields struct {
	in  []byte
	all []member
}

// Fields gives a map of the entry. It lives as long as the entry.
func (e *Entry) Fields(m MapField) Fields { return Fields{e.in, e.maps[m]} }

// Len gives the number of members.
func (f Fields) Len() int { return len(f.all) }

// Key gives the key of a member.
func (f Fields) Key(i int) []byte { return f.all[i].key.of(f.in) }

// Value gives the value of a member.
func (f Fields) Value(i int) []byte { return f.all[i].value.of(f.in) }

// At gives where a member stands.
func (f Fields) At(i int) (key, value Place) { return f.all[i].key, f.all[i].value }

// Get gives the value of key, and whether the key is there at all: an empty value is evidence, too.
func (f Fields) Get(key string) ([]byte, bool) {
	for i := len(f.all) - 1; i >= 0; i-- {
		if f.all[i].key.Len() == len(key) && string(f.Key(i)) == key {
			return f.Value(i), true
		}
	}
	return nil, false
}

// Add adds a member to a map of e, as a walk does. It copies key and value: for entries that come from elsewhere.
func (e *Entry) Add(m MapField, key, value []byte) {
	e.add(m, member{e.Keep(key), e.Keep(value)})
}

// Clear empties a map.
func (e *Entry) Clear(m MapField) { e.maps[m] = nil }

func (e *Entry) add(m MapField, f member) {
	if len(e.maps[m]) < maxFields {
		e.maps[m] = append(e.maps[m], f)
	}
}

// A map field is a repeated message { string key = 1; string value = 2; }.
func (e *Entry) walkMember(m MapField, b []byte, i, end int) bool {
	// Nearly always it is exactly a key and a value of less than 128 bytes each.
	if i+4 <= end && end <= len(b) {
		w := binary.LittleEndian.Uint16(b[i : i+2])
		k := i + 2 + int(w>>8)
		if w&0x80ff == 1<<3|Bytes && k+2 <= end {
			w := binary.LittleEndian.Uint16(b[k : k+2])
			if w&0x80ff == 2<<3|Bytes && k+2+int(w>>8) == end {
				e.add(m, member{Place{uint32(i + 2), uint32(k)}, Place{uint32(k + 2), uint32(end)}})
				return true
			}
		}
	}
	var f member
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		switch key {
		case 1<<3 | Bytes:
			f.key = Place{uint32(v), uint32(next)}
		case 2<<3 | Bytes:
			f.value = Place{uint32(v), uint32(next)}
		}
	}
	e.add(m, f)
	return true
}

// A map field of two bytes becomes one of 16 in memory, so there is a limit; Envoy's own is 100 headers by default. What is
// above is not looked at, and the storage of an unusual entry is not kept.
const (
	maxFields  = 4096
	keepFields = 256
)

func emptied(f []member) []member {
	if cap(f) > keepFields {
		return nil
	}
	return f[:0]
}
