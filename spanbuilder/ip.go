package spanbuilder

import (
	"bytes"
	"net/netip"
)

// parseIP reads an address as Envoy writes it, like netip.ParseAddr, but without an allocation: there are several in an entry.
func parseIP(b []byte) (netip.Addr, bool) {
	switch {
	case bytes.IndexByte(b, ':') < 0:
		four, ok := parseFour(b)
		return netip.AddrFrom4(four), ok
	case bytes.IndexByte(b, '%') >= 0: // with a zone, which no pod's address has
		ip, err := netip.ParseAddr(string(b))
		return ip.Unmap(), err == nil
	}
	six, ok := parseSix(b)
	return netip.AddrFrom16(six).Unmap(), ok
}

func parseFour(b []byte) (four [4]byte, ok bool) {
	part, n, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9' && digits < 3 && (digits == 0 || n > 0): // a number does not begin with zero
			n, digits = n*10+int(c-'0'), digits+1
		case c == '.' && digits > 0 && n < 256 && part < 3:
			four[part] = byte(n)
			part, n, digits = part+1, 0, 0
		default:
			return four, false
		}
	}
	if part != 3 || digits == 0 || n > 255 {
		return four, false
	}
	four[3] = byte(n)
	return four, true
}

func parseSix(b []byte) (six [16]byte, ok bool) {
	n, gap, i := 0, -1, 0 // bytes that are there; where zeros are left out
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(b) {
		v, from := 0, i
		for ; i < len(b) && i-from < 5 && hexDigit(b[i]) >= 0; i++ {
			v = v<<4 | hexDigit(b[i])
		}
		if i < len(b) && b[i] == '.' { // IPv4 at its end
			four, isFour := parseFour(b[from:])
			if !isFour || n > 12 {
				return six, false
			}
			copy(six[n:], four[:])
			n += 4
			break
		}
		if i == from || i-from > 4 || n > 14 {
			return six, false
		}
		six[n], six[n+1] = byte(v>>8), byte(v)
		if n += 2; i == len(b) {
			break
		}
		if i++; b[i-1] != ':' || i == len(b) {
			return six, false
		}
		if b[i] == ':' {
			if gap >= 0 {
				return six, false
			}
			gap, i = n, i+1
		}
	}
	if (n == len(six)) == (gap >= 0) {
		return six, false
	}
	if gap >= 0 {
		copy(six[len(six)-(n-gap):], six[gap:n])
		clear(six[gap : len(six)-(n-gap)])
	}
	return six, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
