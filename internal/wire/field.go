package wire

import (
	"encoding/binary"
	"math/bits"
)

// Field reads the field of a message that begins at b[i]; the message ends at b[end]. It gives the field's key (see Reader)
// and where the next field begins, -1 when this one is malformed. The value v is the integer, or for a length-delimited
// field the place in b where it begins; it ends at next. It is for walks that need to know where fields stand.
func Field(b []byte, i, end int) (key uint32, v uint64, next int) { return field(b, i, end) }

// field reads the field of a message that begins at b[i]; the message ends at b[end]. It gives the field's key (see
// Reader) and where the next field begins, -1 when this one is malformed. The value v is the integer, or for a
// length-delimited field the place in b where it begins; it ends at next.
//
// Nested messages are walked in the bytes of the outermost one: so there are nearly always eight bytes to be had at once.
func field(b []byte, i, end int) (key uint32, v uint64, next int) {
	start := i
	if len(b)-i < 8 {
		return slowField(b, start, end)
	}
	w := binary.LittleEndian.Uint64(b[i:])
	switch {
	case w&0x80 == 0:
		key, w, i = uint32(w&0x7f), w>>8, i+1
	case w&0x8000 == 0:
		key, w, i = uint32(w&0x7f)|uint32(w>>1)&0x3f80, w>>16, i+2
	default:
		return slowField(b, start, end)
	}
	switch key & 7 {
	case Bytes:
		switch {
		case w&0x80 == 0:
			i, next = i+1, i+1+int(w&0x7f)
		case w&0x8000 == 0:
			i, next = i+2, i+2+int(w&0x7f|w>>1&0x3f80)
		default:
			return slowField(b, start, end)
		}
		v = uint64(i)
	case Varint:
		if w&0x80 == 0 {
			v, next = w&0x7f, i+1
			break
		}
		stop := ^w & 0x8080_8080_8080 // w has six bytes or seven
		if stop == 0 {
			return slowField(b, start, end)
		}
		last := bits.TrailingZeros64(stop)
		v, next = squeeze(w&(1<<last-1)), i+last>>3+1
	case Fixed64:
		if len(b)-i < 8 {
			return slowField(b, start, end)
		}
		v, next = binary.LittleEndian.Uint64(b[i:]), i+8
	default:
		return slowField(b, start, end)
	}
	if next > end || key < 1<<3 {
		return 0, 0, -1
	}
	return key, v, next
}

// squeeze takes out the high bit of each of the low six bytes.
func squeeze(w uint64) uint64 {
	w &= 0x7f7f_7f7f_7f7f
	w = w&0x007f_007f_007f | w&0x7f00_7f00_7f00>>1
	return w&0x3fff | w>>2&0x0fff_c000 | w>>4&0x3ff_f000_0000
}

func slowField(b []byte, i, end int) (key uint32, v uint64, next int) {
	r := Read(b[i:end])
	if !r.Next() {
		return 0, 0, -1
	}
	next = end - len(r.rest)
	if r.Key&7 == Bytes {
		return r.Key, uint64(next - len(r.Bytes)), next
	}
	return r.Key, r.Int, next
}
