package propagation

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// TraceID is a 128-bit trace id. A 64-bit id of B3 or Zipkin stands in the low half, the high half is zero.
type TraceID [16]byte

// IsZero tells whether t is the invalid id of all zeros.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// String gives 32 lower hex digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// Low gives the low 64 bits: what the two widths of one trace id have in common.
func (t TraceID) Low() uint64 { return binary.BigEndian.Uint64(t[8:]) }

// SpanID is a 64-bit span id.
type SpanID [8]byte

// IsZero tells whether s is the invalid id of all zeros.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// String gives 16 lower hex digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// ParseTraceID takes a trace id as tags and log fields spell it: 16 or 32 hex digits of either case, 16 are padded with
// zeros on the left. It gives false for anything else, and for zero. It does not keep b.
func ParseTraceID(b []byte) (TraceID, bool) {
	t, reason := parseTraceID(b, anyCase)
	return t, reason == Valid
}

// ParseSpanID takes a span id as tags and log fields spell it: 16 hex digits of either case. It gives false for anything
// else, and for zero. It does not keep b.
func ParseSpanID(b []byte) (SpanID, bool) {
	s, reason := parseSpanID(b, anyCase)
	return s, reason == Valid
}

// parseTraceID gives the zero id with every reason but Valid. Headers want lowerCase, all others take anyCase.
func parseTraceID(b []byte, refused byte) (t TraceID, _ Reason) {
	var seen byte
	switch len(b) {
	case 32:
		seen = decodeHex(t[:], b)
	case 16:
		seen = decodeHex(t[8:], b)
	default:
		return TraceID{}, BadLength
	}
	switch {
	case seen&refused != 0:
		return TraceID{}, BadHex
	case t.IsZero():
		return TraceID{}, ZeroID
	}
	return t, Valid
}

func parseSpanID(b []byte, refused byte) (s SpanID, _ Reason) {
	if len(b) != 16 {
		return SpanID{}, BadLength
	}
	switch seen := decodeHex(s[:], b); {
	case seen&refused != 0:
		return SpanID{}, BadHex
	case s.IsZero():
		return SpanID{}, ZeroID
	}
	return s, Valid
}

// parseShortTraceID takes up to 32 hex digits of either case: leading zeros may be missing.
func parseShortTraceID(b []byte) (TraceID, Reason) {
	digits := [32]byte([]byte("00000000000000000000000000000000"))
	if len(b) == 0 || len(b) > len(digits) {
		return TraceID{}, BadLength
	}
	copy(digits[len(digits)-len(b):], b)
	return parseTraceID(digits[:], anyCase)
}

// parseShortSpanID takes up to 16 hex digits of either case: leading zeros may be missing.
func parseShortSpanID(b []byte) (SpanID, Reason) {
	digits := [16]byte([]byte("0000000000000000"))
	if len(b) == 0 || len(b) > len(digits) {
		return SpanID{}, BadLength
	}
	copy(digits[len(digits)-len(b):], b)
	return parseSpanID(digits[:], anyCase)
}

// parseDecimal takes a decimal number of 64 bits. Zero is one.
func parseDecimal(b []byte) (s SpanID, _ Reason) {
	const most = 20 // digits
	if len(b) == 0 || len(b) > most {
		return SpanID{}, BadLength
	}
	var n uint64
	for _, c := range b {
		high, low := bits.Mul64(n, 10)
		next, carry := bits.Add64(low, uint64(c-'0'), 0)
		if c < '0' || c > '9' || high != 0 || carry != 0 {
			return SpanID{}, BadDecimal
		}
		n = next
	}
	binary.BigEndian.PutUint64(s[:], n)
	return s, Valid
}

// An entry of hexDigits is the digit's value, with bits above it for what the digit is.
const (
	upperHex byte = 0x10
	notHex   byte = 0x20

	lowerCase = upperHex | notHex // what lower-case hex must not contain
	anyCase   = notHex
)

var hexDigits = func() (table [256]byte) {
	for c := range table {
		switch {
		case '0' <= c && c <= '9':
			table[c] = byte(c - '0')
		case 'a' <= c && c <= 'f':
			table[c] = byte(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			table[c] = byte(c-'A'+10) | upperHex
		default:
			table[c] = notHex
		}
	}
	return table
}()

// decodeHex fills dst from the 2*len(dst) digits of src and gives the kinds of all digits that it saw, or-ed together:
// one test at the end instead of one for each digit. dst means nothing when these include notHex.
func decodeHex(dst, src []byte) (seen byte) {
	src = src[:2*len(dst)]
	for len(dst) >= 8 {
		eight, ok := eightBytes(src)
		if !ok {
			break
		}
		binary.LittleEndian.PutUint64(dst, eight)
		dst, src = dst[8:], src[16:]
	}
	for i := range dst {
		high, low := hexDigits[src[2*i]], hexDigits[src[2*i+1]]
		seen |= high | low
		dst[i] = high<<4 | low&0x0f
	}
	return seen
}

// eightBytes decodes the first 16 digits of src, the first in the lowest byte, and tells whether all are lower-case hex.
func eightBytes(src []byte) (uint64, bool) {
	low, ok := fourBytes(binary.LittleEndian.Uint64(src))
	high, okToo := fourBytes(binary.LittleEndian.Uint64(src[8:16]))
	return uint64(low) | uint64(high)<<32, ok && okToo
}

// fourBytes decodes eight digits, the first in the lowest byte, and tells whether all are lower-case hex.
func fourBytes(digits uint64) (uint32, bool) {
	const ones = 0x0101010101010101
	letter := digits >> 6 & ones // "a" to "f" have that bit, "0" to "9" have not
	v := digits&(0x0f*ones) + 9*letter
	// Written again, they must be what they were.
	ten := (v + 6*ones) >> 4 & ones
	ok := v&^(0x0f*ones) == 0 && v+'0'*ones+('a'-'0'-10)*ten == digits
	v = v<<4 | v>>8
	v &= 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16), ok
}
