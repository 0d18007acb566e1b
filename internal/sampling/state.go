package sampling

import (
	"bytes"
	"encoding/binary"

	"github.com/alspan/alspan/internal/propagation"
)

// State is what the member "ot" of a tracestate says.
type State struct {
	Threshold  Threshold // th: what those before have sampled by
	Randomness uint64    // rv: what counts instead of the trace id; 56 bits

	HasThreshold, HasRandomness bool
}

// ReadState reads the value of a tracestate. bad tells that the list, the member or one of its hints is malformed: then nothing
// of the member counts, as it goes where a tracestate is written, and what is decided has to hold for the others of the trace. A list
// without "ot=" is not looked at.
func ReadState(traceState []byte) (s State, bad bool) {
	if len(traceState) == 0 { // as nearly always: no call
		return State{}, false
	}
	return readState(traceState)
}

func readState(traceState []byte) (s State, bad bool) {
	if !bytes.Contains(traceState, []byte("ot=")) {
		return State{}, false
	}
	ot, ok := propagation.OT(traceState)
	if ot == nil {
		return State{}, !ok
	}
	h, ok := propagation.ReadHints(ot)
	if !ok || h.Bad {
		return State{}, true
	}
	return State{
		Threshold: Threshold(h.Threshold), HasThreshold: h.HasThreshold,
		Randomness: h.Randomness, HasRandomness: h.HasRandomness,
	}, false
}

// Of gives R, the randomness of the trace with that id: rv, else the low 56 bits of the id.
func (s *State) Of(traceID *[16]byte) uint64 {
	if s.HasRandomness {
		return s.Randomness
	}
	return binary.BigEndian.Uint64(traceID[8:]) & (1<<56 - 1)
}

// AppendTraceState appends traceState with th of its member "ot" set to t, or taken away unless write. Always and Never are not
// written, Always because collectors may drop whatever has a th, but a th:0 that is there already stays if it is to be written.
//
// rv and sub-keys that have no meaning here stay; those that no longer fit into the 256 characters of the member go. A member
// that changes moves to the front, one that does not stays where it is. One that is malformed, or has a bad hint, goes, and of a list
// that is malformed only th is left. What is appended has at most 32 members and 512 characters, or is a single member.
// dst must not overlap traceState.
func AppendTraceState(dst, traceState []byte, t Threshold, write bool) []byte {
	if len(traceState) == 0 {
		if t != Always && t < Never && write {
			dst = t.AppendText(append(dst, "ot=th:"...))
		}
		return dst
	}
	ot, _ := propagation.OT(traceState)
	h, ok := propagation.ReadHints(ot)
	bad := ot != nil && (!ok || h.Bad)
	if ot == nil || bad {
		ot, h = nil, propagation.Hints{}
	}
	there := h.HasThreshold && Threshold(h.Threshold) == t
	write = write && (there || t != Always && t < Never)
	if !bad && write == h.HasThreshold && (there || !write) {
		return propagation.AppendTraceState(dst, traceState)
	}
	var value [256]byte
	return propagation.ReplaceOT(dst, traceState, appendOT(value[:0], ot, &h, t, write))
}

// appendOT appends the value of a member "ot" with the hints and whatever else is in ot, which is well-formed or empty, as far as dst
// has room.
func appendOT(dst, ot []byte, h *propagation.Hints, t Threshold, write bool) []byte {
	if h.HasRandomness {
		dst = append(dst, "rv:"...)
		for rest, n := h.Randomness<<8, 0; n < digits; rest, n = rest<<4, n+1 {
			dst = append(dst, hexDigits[rest>>60])
		}
	}
	if write {
		dst = t.AppendText(append(separated(dst), "th:"...))
	}
	for len(ot) > 0 {
		var pair []byte
		pair, ot, _ = bytes.Cut(ot, []byte{';'})
		if bytes.HasPrefix(pair, []byte("rv:")) || bytes.HasPrefix(pair, []byte("th:")) || len(dst)+1+len(pair) > cap(dst) {
			continue
		}
		dst = append(separated(dst), pair...)
	}
	return dst
}

// separated gives dst with a semicolon, if something is before it.
func separated(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ';')
	}
	return dst
}
