package accesslog

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/wire"
)

// time writes a google.protobuf.Timestamp or Duration.
func (e *encoder) time(num uint32, seconds int64, nanos int64) {
	e.nested(entryCommon, num, wire.AppendUint(wire.AppendUint(e.begin(), 1, uint64(seconds)), 2, uint64(nanos)))
}

// The forms of %START_TIME%, and those that other formatters give it: with any fraction and any zone, which is UTC without one.
var startLayouts = []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"}

// start takes the time at which the request began: in the form of %START_TIME%, or as a number since 1970, in seconds or as many
// milliseconds, microseconds or nanoseconds as make sense.
func (e *encoder) start(v []byte) bool {
	text := strings.ToUpper(string(v)) // of the letters T and Z
	if date, clock, ok := strings.Cut(text, " "); ok {
		text = date + "T" + clock
	}
	if !strings.Contains(text, "T") {
		at, exact, err := epoch(text)
		if err == nil {
			e.startAt(at, exact)
		}
		return err == nil
	}
	for _, layout := range startLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			e.startAt(at, fraction(v) >= 6)
			return true
		}
	}
	return false
}

func (e *encoder) startAt(at time.Time, exact bool) {
	if e.mark &^= Coarse; !exact {
		e.mark |= Coarse
	}
	e.time(commonStart, at.Unix(), int64(at.Nanosecond()))
}

// fraction gives the number of digits behind the dot.
func fraction(v []byte) (n int) {
	_, rest, _ := bytes.Cut(v, []byte{'.'})
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	return n
}

func epoch(text string) (at time.Time, exact bool, err error) {
	whole, part, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return at, false, err
	}
	nanos, err := strconv.ParseInt((part + "000000000")[:9], 10, 64)
	if err != nil || n < 0 || nanos < 0 {
		return at, false, strconv.ErrSyntax
	}
	switch {
	case n < 1e11: // seconds up to the year 5138
		return time.Unix(n, nanos), len(part) >= 6, nil
	case n < 1e14:
		return time.UnixMilli(n).Add(time.Duration(nanos / 1e3)), len(part) >= 3, nil
	case n < 1e17:
		return time.UnixMicro(n), true, nil
	}
	return time.Unix(0, n), true, nil
}

// length takes a duration: in milliseconds, or with a unit.
func (e *encoder) length(v []byte) bool {
	ns := 0.0
	if ms, err := strconv.ParseFloat(string(v), 64); err == nil {
		ns = ms * 1e6
	} else if d, err := time.ParseDuration(string(v)); err == nil {
		ns = float64(d)
	} else {
		return false
	}
	if !(ns >= 0 && ns < math.MaxInt64/2) {
		return false
	}
	n := int64(math.Round(ns))
	e.time(commonDuration, n/1e9, n%1e9)
	return true
}
