package wire

import (
	"encoding/binary"
	"math"
)

// Time is a google.protobuf.Timestamp or Duration as it was sent. Set is false when the field was absent.
type Time struct {
	Seconds int64
	Nanos   int32
	Set     bool
}

// Duration gives the value in nanoseconds, saturated within 3 s of the ends of int64; an absent one is 0.
func (t Time) Duration() int64 {
	const limit = math.MaxInt64/1_000_000_000 - 3
	switch {
	case t.Seconds > limit:
		return math.MaxInt64
	case t.Seconds < -limit:
		return math.MinInt64
	}
	return t.Seconds*1e9 + int64(t.Nanos)
}

// Unix gives the value in nanoseconds since 1970, and false when it is absent, earlier, or past what a span can hold.
func (t Time) Unix() (uint64, bool) {
	ns := t.Duration()
	return uint64(max(ns, 0)), t.Set && ns > 0 && ns < math.MaxInt64
}

// message google.protobuf.Timestamp { int64 seconds = 1; int32 nanos = 2; }, and the same for Duration.
func (t *Time) walk(b []byte, i, end int) bool {
	t.Set = true
	if nanos, ok := onlyNanos(b, i, end); ok {
		t.Nanos = nanos
		return true
	}
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return false
		}
		switch key {
		case 1<<3 | Varint:
			t.Seconds = int64(v)
		case 2<<3 | Varint:
			t.Nanos = int32(v)
		}
	}
	return true
}

// onlyNanos reads a value below a second, as nearly all durations are: it has no other field.
func onlyNanos(b []byte, i, end int) (int32, bool) {
	const nanos = 2<<3 | Varint
	n := end - i
	if n < 2 || n > 6 || len(b)-i < 8 {
		return 0, false
	}
	w := binary.LittleEndian.Uint64(b[i:])
	if byte(w) != nanos {
		return 0, false
	}
	w = w >> 8 & (1<<(8*(n-1)) - 1)
	// All bytes of a varint but the last have the high bit.
	if w&0x8080_8080_8080 != 0x8080_8080_8080>>(8*(8-n)) {
		return 0, false
	}
	return int32(squeeze(w)), true
}
