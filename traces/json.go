package traces

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON. Strings that are not UTF-8 are passed on: they are repaired where all strings are.
type scanner struct {
	in   []byte
	i    int
	room []byte // for a string with escapes
}

// jsonError is text that is not JSON.
type jsonError struct {
	at   int
	want string
}

func (e *jsonError) Error() string {
	return fmt.Sprintf("cannot read the JSON at byte %d: %s is expected", e.at, e.want)
}

func (s *scanner) fail(want string) error { return &jsonError{s.i, want} }

// peek gives the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.in); s.i++ {
		switch c := s.in[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// more moves to the next member or element of what ends with that byte; first is true before the first one.
func (s *scanner) more(end byte, first *bool) (bool, error) {
	c := s.peek()
	switch {
	case c == end:
		s.i++
		return false, nil
	case *first:
		*first = false
		return true, nil
	case c != ',':
		return false, s.fail("a comma or " + string(end))
	}
	s.i++
	return true, nil
}

// key reads the name of a member, and the colon.
func (s *scanner) key() ([]byte, error) {
	k, err := s.text()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.fail("a colon")
	}
	s.i++
	return k, nil
}

// text reads a string. What it gives is valid until the next one is read.
func (s *scanner) text() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("a string")
	}
	s.i++
	from := s.i
	s.room = s.room[:0]
	for ; s.i < len(s.in); s.i++ {
		switch c := s.in[s.i]; {
		case c == '"':
			s.i++
			if len(s.room) == 0 {
				return s.in[from : s.i-1], nil
			}
			s.room = append(s.room, s.in[from:s.i-1]...)
			return s.room, nil
		case c == '\\':
			s.room = append(s.room, s.in[from:s.i]...)
			if err := s.escape(); err != nil {
				return nil, err
			}
			from = s.i + 1
		case c < ' ':
			return nil, s.fail("no control character in a string")
		}
	}
	return nil, s.fail("the end of a string")
}

// escape reads what follows a backslash up to its last byte.
func (s *scanner) escape() error {
	if s.i++; s.i >= len(s.in) {
		return s.fail("an escape")
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	c := s.in[s.i]
	if at := bytes.IndexByte([]byte(from), c); at >= 0 {
		s.room = append(s.room, to[at])
		return nil
	}
	if c != 'u' {
		return s.fail("an escape")
	}
	r, ok := s.hex4(s.i + 1)
	if !ok {
		return s.fail("four hexadecimal digits")
	}
	s.i += 4
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if s.i+2 < len(s.in) && s.in[s.i+1] == '\\' && s.in[s.i+2] == 'u' {
			low, ok = s.hex4(s.i + 3)
		}
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			s.i += 6
		}
	}
	s.room = utf8.AppendRune(s.room, r) // half of a pair is U+FFFD
	return nil
}

func (s *scanner) hex4(at int) (r rune, ok bool) {
	if at+4 > len(s.in) {
		return 0, false
	}
	for _, c := range s.in[at : at+4] {
		n, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(n)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// number reads a number and gives its text.
func (s *scanner) number() ([]byte, error) {
	from := s.i
	digits := func() bool {
		n := s.i
		for s.i < len(s.in) && s.in[s.i]-'0' < 10 {
			s.i++
		}
		return s.i > n
	}
	at := func(set string) bool {
		if s.i < len(s.in) && bytes.IndexByte([]byte(set), s.in[s.i]) >= 0 {
			s.i++
			return true
		}
		return false
	}
	at("-")
	if ok := at("0") || digits(); !ok || at(".") && !digits() {
		return nil, s.fail("a digit")
	}
	if at("eE") {
		at("+-")
		if !digits() {
			return nil, s.fail("a digit")
		}
	}
	return s.in[from:s.i], nil
}

// word reads true, false or null.
func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.in[s.i:], []byte(w)) {
		return s.fail("a value")
	}
	s.i += len(w)
	return nil
}

// deepest is how deep a value may be nested that is of no interest.
const deepest = 1000

// skip reads any value.
func (s *scanner) skip(depth int) (err error) {
	c := s.peek()
	switch c {
	case '"':
		_, err = s.text()
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	case '{', '[':
		if depth > deepest {
			return s.fail("less nesting")
		}
		s.i++
		for first := true; ; {
			more, err := s.more(c+2, &first) // { and }, [ and ] are two apart
			if err != nil || !more {
				return err
			}
			if c == '{' {
				if _, err := s.key(); err != nil {
					return err
				}
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	default:
		if c != '-' && c-'0' >= 10 {
			return s.fail("a value")
		}
		_, err = s.number()
	}
	return err
}
