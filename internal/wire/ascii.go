package wire

import "encoding/binary"

// high has the bit in each byte that ASCII has not.
const high = 0x8080808080808080

// ASCII tells whether s has no byte above 0x7f, eight bytes at a time.
func ASCII(s []byte) bool {
	if len(s) < 8 {
		var or byte
		for _, c := range s {
			or |= c
		}
		return or < 0x80
	}
	or := binary.LittleEndian.Uint64(s[len(s)-8:])
	for len(s) > 8 {
		or |= binary.LittleEndian.Uint64(s)
		s = s[8:]
	}
	return or&high == 0
}

// CopyASCII copies s to dst, which has room for it, and tells whether s has no byte above 0x7f.
func CopyASCII(dst, s []byte) bool {
	n := len(s)
	switch {
	case n > 32:
		copy(dst, s)
		return ASCII(s)
	case n > 16:
		a, b := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:])
		c, d := binary.LittleEndian.Uint64(s[n-16:]), binary.LittleEndian.Uint64(s[n-8:])
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[8:], b)
		binary.LittleEndian.PutUint64(dst[n-16:], c)
		binary.LittleEndian.PutUint64(dst[n-8:], d)
		return (a|b|c|d)&high == 0
	case n >= 8:
		a, b := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[n-8:])
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[n-8:], b)
		return (a|b)&high == 0
	}
	var or byte
	for i, c := range s {
		dst[i] = c
		or |= c
	}
	return or < 0x80
}

// CopyShort copies the first n bytes of src, at most 128, and some of those behind them. It tells whether the n bytes have
// none above 0x7f.
func CopyShort(dst, src *[128]byte, n int) bool {
	or, at := uint64(0), 0
	for ; n-at > 32 && at < 96; at += 32 {
		w0, w1, w2, w3 := copyWords(dst[at:at+32], src[at:at+32])
		or |= (w0 | w1 | w2 | w3) & high
	}
	m := &highOf[n-at]
	w0, w1, w2, w3 := copyWords(dst[at:at+32], src[at:at+32])
	return or|w0&m[0]|w1&m[1]|w2&m[2]|w3&m[3] == 0
}

// copyWords copies 32 bytes and gives them.
func copyWords(dst, src []byte) (w0, w1, w2, w3 uint64) {
	d, s := (*[32]byte)(dst), (*[32]byte)(src)
	w0, w1 = binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:])
	w2, w3 = binary.LittleEndian.Uint64(s[16:]), binary.LittleEndian.Uint64(s[24:])
	binary.LittleEndian.PutUint64(d[:], w0)
	binary.LittleEndian.PutUint64(d[8:], w1)
	binary.LittleEndian.PutUint64(d[16:], w2)
	binary.LittleEndian.PutUint64(d[24:], w3)
	return w0, w1, w2, w3
}

// highOf[n] has high in the first n of 32 bytes.
var highOf = func() (list [33][4]uint64) {
	for n := range list {
		for i := range n {
			list[n][i/8] |= 0x80 << (i % 8 * 8)
		}
	}
	return list
}()

// Printable tells whether s has only printable ASCII characters, the space among them.
func Printable(s []byte) bool {
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		const ones = 0x0101010101010101
		// In each byte the high bit: set already, below ' ', or 0x7f.
		if (w|(w-' '*ones)|(w+ones))&(0x80*ones) != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
