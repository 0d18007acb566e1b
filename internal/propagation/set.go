// Package propagation takes the logged header values of a request as byte slices and gives the trace contexts that they
// carry: W3C traceparent, both forms of B3, and those of other tracers and of load balancers (see Format). It also takes a
// tracestate and gives the part that may be forwarded, and a baggage header and gives its members.
//
// Rules and their sources: W3C Trace Context (sections traceparent, tracestate, processing model), W3C Baggage, openzipkin
// b3-propagation, and OpenTelemetry's TraceState handling for the member "ot"; those of other formats are named at their functions.
package propagation

import (
	"bytes"
	"math/bits"
)

// Set is what the logged headers of one request say about its trace. The zero value is empty. Use it as Reset, Header for
// each header in any order, Finish, then the rest. It allocates nothing but itself, and of what it is given it keeps only the value
// of tracestate. What it costs depends on the formats that are there, not on how many there could be.
type Set struct {
	seen     Formats // all other states are zero
	hasState bool
	state    []byte
	formats  [NumFormats]state
}

// Reset empties s for the next request.
func (s *Set) Reset() {
	for seen := s.seen; seen != 0; seen &= seen - 1 {
		s.formats[bits.TrailingZeros16(uint16(seen))] = state{}
	}
	s.seen = 0
	s.state, s.hasState = nil, false
}

// Header takes one logged header: key in lower case; value as Envoy logs it, with repeated headers joined by commas.
// Keys that belong to no format are ignored. The value of tracestate is borrowed until Reset, everything else is copied.
func (s *Set) Header(key, value []byte) {
	if !IsKeyLength(len(key)) {
		return
	}
	for i := range headers[len(key)] {
		h := &headers[len(key)][i]
		if key[len(key)-1] != h.last || string(key) != h.name { // most others differ there, which is cheaper to see
			continue
		}
		if h.format < NumFormats {
			formats[h.format].header(&s.formats[h.format], h.key, value)
			s.formats[h.format].seen |= 1 << h.key
			s.seen |= 1 << h.format
		} else if !s.hasState { // a second header cannot be joined here; the left-most members are the newest
			s.state, s.hasState = value, true
		}
		return
	}
}

// A header of interest: a key of a format, or tracestate, whose format is NumFormats.
type header struct {
	name   string
	last   byte // of the name
	format Format
	key    int
}

// headers are those of interest, by the length of their names.
var headers = func() (list [maxKeyLength][]header) {
	add := func(name string, f Format, key int) {
		n := len(name)
		list[n] = append(list[n], header{name, name[n-1], f, key})
	}
	add(traceStateKey, NumFormats, 0)
	for f := range formats {
		for k, name := range formats[f].keys {
			add(name, Format(f), k)
		}
	}
	return list
}()

// HeaderNames gives the names of all headers of interest.
func HeaderNames() (names []string) {
	for _, list := range headers {
		for _, h := range list {
			names = append(names, h.name)
		}
	}
	return names
}

const maxKeyLength = 64

// IsKeyLength tells whether a header with a name of n bytes can be of interest: most logged headers need no second look.
func IsKeyLength(n int) bool { return n < maxKeyLength && len(headers[n]) > 0 }

// Finish settles the formats that are spread over several headers. To be called after the last Header.
func (s *Set) Finish() {
	for seen := s.seen & severalHeaders; seen != 0; {
		f, _ := seen.Next()
		formats[f].settle(&s.formats[f])
	}
}

// severalHeaders are the formats that have something to settle.
var severalHeaders = func() (set Formats) {
	for f := range formats {
		if formats[f].settle != nil {
			set |= 1 << f
		}
	}
	return set
}()

// Seen gives the formats of which a header was logged, valid or not.
func (s *Set) Seen() Formats { return s.seen }

// Get gives the context of format f, false unless it is valid. The context is part of s and lives until Reset.
func (s *Set) Get(f Format) (*Context, bool) {
	if !s.seen.Has(f) || s.formats[f].reason != Valid {
		return nil, false
	}
	return &s.formats[f].ctx, true
}

// Choose gives the first valid context in that order of formats, false when there is none.
func (s *Set) Choose(order []Format) (Format, *Context, bool) {
	if s.seen == 0 {
		return 0, nil, false
	}
	for _, f := range order {
		if ctx, ok := s.Get(f); ok {
			return f, ctx, true
		}
	}
	return 0, nil, false
}

// Reason tells why format f has no context, Valid when it has one.
func (s *Set) Reason(f Format) Reason {
	if !s.seen.Has(f) {
		return Absent
	}
	return s.formats[f].reason
}

// Decision gives what format f says about sampling, with ids or without ("b3: d"). It is Deferred for an invalid context.
func (s *Set) Decision(f Format) Decision {
	if r := s.Reason(f); r != Valid && r != NoIDs {
		return Deferred
	}
	return s.formats[f].ctx.Decision
}

// Denied tells whether format f says no and gives no ids ("b3: 0" or "x-b3-sampled: 0" alone): the request shall have no
// span. It speaks of one format; another may have a valid context.
func (s *Set) Denied(f Format) bool { return s.Reason(f) == NoIDs && s.Decision(f) == NotSampled }

// TraceState gives the tracestate as it was logged, unchecked and borrowed, and whether there was one: an empty one is
// evidence too. It has a meaning only beside a valid traceparent.
func (s *Set) TraceState() (value []byte, present bool) { return s.state, s.hasState }

// trim cuts optional white space (RFC 9110: space and tab) from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// firstValue gives the first of repeated headers, trimmed.
func firstValue(b []byte) []byte {
	if i := bytes.IndexByte(b, ','); i >= 0 {
		b = b[:i]
	}
	return trim(b)
}
