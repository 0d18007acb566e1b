package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// AppendVarint appends v as a varint.
func AppendVarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// SizeVarint gives the number of bytes of v as a varint.
func SizeVarint(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// AppendBytes appends field num with the length-delimited value v.
func AppendBytes[T ~[]byte | ~string](dst []byte, num uint32, v T) []byte {
	dst = AppendVarint(dst, uint64(num)<<3|Bytes)
	dst = AppendVarint(dst, uint64(len(v)))
	return append(dst, v...)
}

// AppendUint appends field num with the varint v.
func AppendUint(dst []byte, num uint32, v uint64) []byte {
	return AppendVarint(AppendVarint(dst, uint64(num)<<3|Varint), v)
}

// AppendFixed64 appends field num with the fixed64 v.
func AppendFixed64(dst []byte, num uint32, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendVarint(dst, uint64(num)<<3|Fixed64), v)
}

// AppendFixed32 appends field num with the fixed32 v.
func AppendFixed32(dst []byte, num uint32, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendVarint(dst, uint64(num)<<3|Fixed32), v)
}

// Text is one string on its way into a span: the bytes as they were logged, and what has to be done to them.
type Text struct {
	s      []byte
	size   int
	broken bool
	// Cut tells that the value was longer than the limit.
	Cut bool
}

// NewText looks at s once: it finds where s must be cut to have at most limit bytes without splitting a character,
// whether bytes in it are not UTF-8, and how long it will be once each run of such bytes is replaced by U+FFFD.
func NewText(s []byte, limit int) Text {
	t := Text{s: s}
	if ASCII(s) {
		if len(s) > limit {
			t.s, t.Cut = s[:limit], true
		}
		t.size = len(t.s)
		return t
	}
	size, bad := 0, false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		w := n
		isBad := r == utf8.RuneError && n == 1
		if isBad {
			if w = len("\uFFFD"); bad {
				w = 0 // a run of bad bytes is one replacement
			}
		}
		if size+w > limit {
			t.s, t.Cut = s[:i], true
			break
		}
		size, bad, i = size+w, isBad, i+n
		t.broken = t.broken || isBad
	}
	t.size = size
	return t
}

// Len gives the number of bytes that Append appends.
func (t Text) Len() int { return t.size }

// Repaired tells whether Append replaces bytes that are not UTF-8. Those behind the limit are cut, not replaced.
func (t Text) Repaired() bool { return t.broken }

// Append appends the value: valid UTF-8, at most as long as the limit.
func (t Text) Append(dst []byte) []byte {
	if !t.broken {
		return append(dst, t.s...)
	}
	bad := false
	for i := 0; i < len(t.s); {
		r, n := utf8.DecodeRune(t.s[i:])
		if r == utf8.RuneError && n == 1 {
			if !bad {
				dst = append(dst, "\uFFFD"...)
			}
			bad = true
		} else {
			dst, bad = append(dst, t.s[i:i+n]...), false
		}
		i += n
	}
	return dst
}
