package propagation

import "bytes"

const otKey = "ot"

// Hints is what the member "ot" of a tracestate says about the sampling of a trace (OpenTelemetry, probability sampling). Both
// values have 56 bits.
type Hints struct {
	Threshold, Randomness       uint64 // th and rv
	HasThreshold, HasRandomness bool
	Bad                         bool // a hint is there that cannot be read, or is there twice
}

// ReadHints takes the value of the member "ot", a list k:v;k:v, and reads the two hints that have a meaning: th, 1 to 14 lower
// hex digits, and rv, exactly 14. A bad one does not spoil the other. Other keys only have to be well-formed; ok tells
// whether all are.
func ReadHints(ot []byte) (h Hints, ok bool) {
	var th, rv hint
	for rest, more := ot, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{';'})
		key, value, found := bytes.Cut(pair, []byte{':'})
		if !found || !validOTKey(key) || !validOTValue(value) {
			return Hints{}, false
		}
		switch string(key) {
		case "th":
			th.read(value, 1)
		case "rv":
			rv.read(value, hintDigits)
		}
	}
	return Hints{Threshold: th.value, HasThreshold: th.ok, Randomness: rv.value, HasRandomness: rv.ok,
		Bad: th.seen && !th.ok || rv.seen && !rv.ok}, true
}

const hintDigits = 14

// hint is a number of 56 bits that is written without its last zeros.
type hint struct {
	value    uint64
	seen, ok bool
}

// read takes the digits of the hint, at least so many; that it is there twice makes it unreadable.
func (h *hint) read(digits []byte, least int) {
	if h.seen || len(digits) < least || len(digits) > hintDigits {
		*h = hint{seen: true}
		return
	}
	var v uint64
	var kinds byte
	for _, c := range digits {
		d := hexDigits[c]
		kinds |= d
		v = v<<4 | uint64(d&0x0f)
	}
	if h.seen = true; kinds&lowerCase == 0 {
		h.value, h.ok = v<<(4*(hintDigits-len(digits))), true
	}
}

// validOTKey: lcalpha *( lcalpha / DIGIT )
func validOTKey(b []byte) bool {
	if len(b) == 0 || '0' <= b[0] && b[0] <= '9' {
		return false
	}
	for _, c := range b {
		if !isLowerAlnum(c) {
			return false
		}
	}
	return true
}

// validOTValue: *( ucalpha / lcalpha / DIGIT / "." / "_" / "-" )
func validOTValue(b []byte) bool {
	for _, c := range b {
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
