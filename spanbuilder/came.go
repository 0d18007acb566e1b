package spanbuilder

import "github.com/alspan/alspan/internal/wire"

// keyBit gives the bit for a key: most keys that a span lacks are told from those that it has by that.
func keyBit[T ~string | ~[]byte](name T) uint64 {
	if len(name) == 0 {
		return 0
	}
	return 1 << ((len(name)*7 + int(name[0])*3 + int(name[len(name)-1])*5 + int(name[len(name)/2])) & 63)
}

// addTo makes s write behind the attributes of a span that came.
func (s *encoder) addTo(span *wire.Span) {
	s.came = span
	for i := range span.Len() {
		s.taken |= keyBit(span.Key(i))
	}
}

// has tells whether the span that came has an attribute with that key.
func (s *encoder) has(name string) bool {
	if s.taken&keyBit(name) == 0 {
		return false
	}
	for i := range s.came.Len() {
		if string(s.came.Key(i)) == name {
			return true
		}
	}
	return false
}
