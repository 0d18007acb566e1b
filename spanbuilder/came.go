package spanbuilder

import "github.com/alspan/alspan/internal/wire"

// came is a span that came, behind whose attributes others are written.
type came struct {
	wire.Span
	hashes []uint8 // of its keys, in order
}

// scan reads the encoded span b.
func (c *came) scan(b []byte) {
	c.Scan(b)
	c.hashes = c.hashes[:0]
	for i := range c.Len() {
		c.hashes = append(c.hashes, keyHash(c.Key(i)))
	}
}

// keyHash tells most keys apart.
func keyHash[T ~string | ~[]byte](name T) uint8 {
	if len(name) == 0 {
		return 0
	}
	return uint8(len(name)*23) ^ name[0]*3 ^ name[len(name)-1]*29 ^ name[len(name)/2]*11
}

// keyBit gives the bit for a key: most keys that a span lacks are told from those that it has by that.
func keyBit(name string) uint64 { return 1 << (keyHash(name) & 63) }

// addTo makes s write behind the attributes of a span that came.
func (s *encoder) addTo(span *came) {
	s.came = span
	for _, h := range span.hashes {
		s.taken |= 1 << (h & 63)
	}
}

// has tells whether the span that came has an attribute with that key.
func (s *encoder) has(name string) bool {
	if s.taken == 0 {
		return false
	}
	want := keyHash(name)
	if s.taken>>(want&63)&1 == 0 {
		return false
	}
	for i, h := range s.came.hashes {
		if h == want && string(s.came.Key(i)) == name {
			return true
		}
	}
	return false
}
