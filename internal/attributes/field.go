package attributes

import (
	"bytes"

	"github.com/alspan/alspan/internal/wire"
)

// state is what became of a field.
type state uint8

const (
	kept     state = iota
	changed        // or new
	removed        // from here on: no attribute
	replaced       // an event: the whole field is value.raw
)

// field is an attribute of the message that is changed, or an event in it.
type field struct {
	from, to int // where it stands in the message: both the end if it is new
	id       int // of its key, -1 if no action knows it
	state    state
	key      []byte // not of a new one
	rest     []byte // the KeyValue without its value: the key, and fields that are unknown
	value    value
	facts    *facts
}

// isAttribute tells whether f is an attribute that is there.
func (f *field) isAttribute() bool { return f.state < removed }

// isActed tells whether an action may touch the attribute f: others are masked when they are met.
func (f *field) isActed() bool { return f.id >= 0 || f.facts.acted }

// set makes v the value of f. It may be the value that f has.
func (f *field) set(v value) {
	if !bytes.Equal(f.value.raw, v.raw) {
		f.value, f.state = v, changed
	}
}

// parse reads key and rest of the KeyValue b[from:end] and gives the AnyValue in it. It gives false if it is malformed.
func (f *field) parse(b []byte, from, end int) (raw []byte, ok bool) {
	// Nearly always it is exactly a key and a value, in less than 128 bytes.
	if n := end - from; n >= 4 && n < 0x80 && b[from] == keyField {
		if k := from + 2 + int(b[from+1]); k+2 <= end && b[k] == valueField && k+2+int(b[k+1]) == end {
			f.key, f.rest = b[from+2:k], b[from:k]
			return b[k+2 : end : end], true
		}
	}
	values, behind := 0, end
	f.rest = b[from:end]
	for i := from; i < end; {
		key, v, next := wire.Field(b, i, end)
		if next < 0 {
			return nil, false
		}
		switch key {
		case keyField:
			f.key = b[v:next]
		case valueField:
			f.rest, raw = b[from:i], b[v:next:next]
			values, behind = values+1, next
		}
		i = next
	}
	if values > 1 || behind < end {
		f.rest, raw = apart(b[from:end])
	}
	return raw, true
}

// apart gives what a KeyValue has besides its value, and the value. Of several that is the pieces one after the other: so
// messages are merged.
func apart(keyValue []byte) (rest, value []byte) {
	wire.EachField(keyValue, func(key uint32, v, field []byte) {
		if key == valueField {
			value = append(value, v...)
		} else {
			rest = append(rest, field...)
		}
	})
	return rest, value
}

// firstChange gives where in the message the first change is, -1 if there is none.
func firstChange(list []field) int {
	for i := range list {
		if list[i].state != kept {
			return list[i].from
		}
	}
	return -1
}

// render appends b[at:], with the fields of list as they are now; at is not behind the first change. Attributes have that tag.
func render(dst, b []byte, at int, list []field, tag byte) []byte {
	for i := range list {
		f := &list[i]
		if f.state == kept {
			continue
		}
		dst = append(dst, b[at:f.from]...)
		at = f.to
		switch f.state {
		case changed:
			raw := f.value.raw
			size := len(f.rest) + 1 + wire.SizeVarint(uint64(len(raw))) + len(raw)
			dst = wire.AppendVarint(append(dst, tag), uint64(size))
			dst = append(dst, f.rest...)
			dst = wire.AppendBytes(dst, valueField>>3, raw)
		case replaced:
			dst = append(dst, f.value.raw...)
		}
	}
	return append(dst, b[at:]...)
}
