package wire

import "math"

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

// varints[n] tells, for eight bytes behind a tag in a message of n bytes, whether n-1 of them are one varint of five bytes
// at most, and which they are.
var varints = func() (list [7]struct{ mask, want, bits uint64 }) {
	list[0].want, list[1].want = 1, 1 // never
	for n := 2; n < len(list); n++ {
		list[n].bits = 1<<(8*(n-1)) - 1
		list[n].mask = list[n].bits & 0x8080_8080_8080
		list[n].want = list[n].mask &^ (0x80 << (8 * (n - 2)))
	}
	return list
}()
