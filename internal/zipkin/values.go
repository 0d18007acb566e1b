package zipkin

import (
	"bytes"
	"math"
	"strconv"

	"github.com/go-faster/jx"
)

// readString reads a string; any other value is as none. Strings are parts of the body, those with escapes are copies.
func readString(in *jx.Decoder) ([]byte, error) {
	if in.Next() != jx.String {
		return nil, in.Skip()
	}
	return in.StrBytes()
}

// readText reads a value of any kind as text: a string's content, nothing for null, else the JSON as it stands.
func readText(in *jx.Decoder) ([]byte, error) {
	switch in.Next() {
	case jx.String:
		return in.StrBytes()
	case jx.Null:
		return nil, in.Null()
	}
	return in.Raw()
}

// readNumber reads a natural number that may be a string or have a fraction. What is no such number is 0.
func readNumber(in *jx.Decoder) (uint64, error) {
	switch in.Next() {
	case jx.String, jx.Number:
		text, err := readText(in)
		return natural(text), err
	}
	return 0, in.Skip()
}

// readBool reads true, which may be a string or 1.
func readBool(in *jx.Decoder) (bool, error) {
	text, err := readText(in)
	return string(text) == "true" || string(text) == "1", err
}

// maxNatural is the largest number of microseconds whose nanoseconds are an int64. Larger numbers are absurd for all that
// Zipkin has numbers for.
const maxNatural = math.MaxInt64 / 1000

// natural gives the number in text without its fraction, 0 when it is negative, absurd or none.
func natural(text []byte) uint64 {
	v, isInteger := uint64(0), len(text) > 0 && len(text) < 19
	for _, c := range text {
		isInteger = isInteger && '0' <= c && c <= '9'
		if !isInteger {
			return naturalFloat(text)
		}
		v = v*10 + uint64(c-'0')
	}
	return atMost(v)
}

const maxNumber = 64 // bytes of a number in text

func naturalFloat(text []byte) uint64 {
	text = bytes.TrimSpace(text)
	if len(text) > maxNumber || len(bytes.Trim(text, "0123456789+-.eE")) > 0 { // Go reads more than decimals
		return 0
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 || f > maxNatural {
		return 0
	}
	return atMost(uint64(f))
}

func atMost(v uint64) uint64 {
	if v > maxNatural {
		return 0
	}
	return v
}

// integer gives the number in text if text is the one way to write it.
func integer(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > len("-9223372036854775808") {
		return 0, false
	}
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(text) > 1 {
		return 0, false
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	return v, err == nil
}

// parseHex reads lower-case hex digits, as many as dst has room for or fewer, to the right end of dst. Anything else leaves
// dst zero.
func parseHex(dst, text []byte) {
	clear(dst)
	if len(text) > 2*len(dst) {
		return
	}
	at := 2*len(dst) - len(text)
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			clear(dst)
			return
		}
		dst[at/2] = dst[at/2]<<4 | c
		at++
	}
}

// copyID copies an id, as long as dst or shorter, to the right end of dst. A longer one leaves dst zero.
func copyID(dst, id []byte) {
	clear(dst)
	if len(id) <= len(dst) {
		copy(dst[len(dst)-len(id):], id)
	}
}
