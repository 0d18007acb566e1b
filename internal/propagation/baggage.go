package propagation

import "bytes"

// Baggage reads the members of a logged baggage header (W3C Baggage), the last one first, so that of a repeated key the value that
// counts comes first. Use it as ReadBaggage, then Next before each member. Properties are left out, and so is what has no key.
type Baggage struct {
	Key, Value []byte // borrowed from the header; the value is still percent-encoded
	rest       []byte
	more       bool
}

// ReadBaggage begins to read that header; repeated ones are joined by commas.
func ReadBaggage(header []byte) Baggage { return Baggage{rest: header, more: true} }

// Next goes on to the next member, false when there is none.
func (b *Baggage) Next() bool {
	for b.more {
		member := b.rest
		if i := bytes.LastIndexByte(member, ','); i >= 0 {
			b.rest, member = member[:i], member[i+1:]
		} else {
			b.more = false
		}
		member, _, _ = bytes.Cut(member, []byte{';'})
		key, value, ok := bytes.Cut(member, []byte{'='})
		if b.Key, b.Value = trim(key), trim(value); ok && len(b.Key) > 0 {
			return true
		}
	}
	return false
}

// AppendUnescaped appends value with its percent-encoded bytes decoded. They may be anything; a percent sign before what are not two
// hex digits stands for itself. dst must not overlap value.
func AppendUnescaped(dst, value []byte) []byte {
	for {
		i := bytes.IndexByte(value, '%')
		if i < 0 {
			return append(dst, value...)
		}
		dst = append(dst, value[:i]...)
		value = value[i:]
		if len(value) >= 3 && (hexDigits[value[1]]|hexDigits[value[2]])&notHex == 0 {
			dst = append(dst, hexDigits[value[1]]<<4|hexDigits[value[2]]&0x0f)
			value = value[3:]
		} else {
			dst = append(dst, '%')
			value = value[1:]
		}
	}
}
