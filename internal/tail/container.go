package tail

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// The streams of a container; plain is a line that no runtime wrote.
const (
	stdout = iota
	stderr
	plain
)

// unwrap gives the text that the program wrote and its stream, and whether this ends a line of the program. The text lies
// in line or lives as long as b.
func unwrap(b *Batch, line []byte) (text []byte, stream int, last bool) {
	if text, stream, last := cri(line); stream != plain {
		return text, stream, last
	}
	if text, stream, last := docker(b, line); stream != plain {
		return text, stream, last
	}
	return line, plain, true
}

// cri takes a line as containerd and CRI-O write it, "2026-11-21T08:21:11.856123456Z stdout F text". Of the tags, which
// colons separate, the first counts: P is a piece that others follow, F the last one.
func cri(line []byte) (text []byte, stream int, last bool) {
	const date = "0000-00-00T00:00:00"
	if len(line) < len(date)+len("Z stdout F") || line[4] != '-' || line[10] != 'T' {
		return nil, plain, false
	}
	for i := range date {
		if c := date[i]; c == '0' && (line[i] < '0' || line[i] > '9') || c != '0' && line[i] != c {
			return nil, plain, false
		}
	}
	zone, rest, _ := bytes.Cut(line[len(date):], []byte(" "))
	if len(zone) == 0 || len(zone) > len(".000000000+00:00") || len(bytes.Trim(zone, ".0123456789+-:Z")) > 0 {
		return nil, plain, false
	}
	stream = streamOf(rest, " ")
	if stream == plain {
		return nil, plain, false
	}
	tags, text, _ := bytes.Cut(rest[len("stdout "):], []byte(" "))
	tag, _, _ := bytes.Cut(tags, []byte(":"))
	if len(tag) != 1 || tag[0] != 'F' && tag[0] != 'P' {
		return nil, plain, false
	}
	return text, stream, tag[0] == 'F'
}

func streamOf(p []byte, end string) int {
	switch {
	case bytes.HasPrefix(p, []byte("stdout"+end)):
		return stdout
	case bytes.HasPrefix(p, []byte("stderr"+end)):
		return stderr
	}
	return plain
}

// docker takes a line as dockerd's json-file writes it, {"log":"text\n","stream":"stdout","time":"..."}, with attributes
// perhaps before the time. A text without \n is a piece that others follow.
func docker(b *Batch, line []byte) (text []byte, stream int, last bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`))
	if !ok {
		return nil, plain, false
	}
	n := quoted(rest)
	if n < 0 {
		return nil, plain, false
	}
	tail, ok := bytes.CutPrefix(rest[n+1:], []byte(`,"stream":"`))
	if stream = streamOf(tail, `",`); !ok || stream == plain || !bytes.HasSuffix(bytes.TrimRight(tail, "\r"), []byte(`"}`)) ||
		!bytes.Contains(tail, []byte(`"time":"`)) {
		return nil, plain, false
	}
	from := len(b.text)
	if b.text, ok = unquote(b.text, rest[:n]); !ok {
		b.text = b.text[:from]
		return nil, plain, false
	}
	text, last = bytes.CutSuffix(b.text[from:len(b.text):len(b.text)], []byte("\n"))
	return text, stream, last
}

// quoted gives the length of a JSON string up to its closing quote, -1 if there is none.
func quoted(p []byte) int {
	for i := 0; ; i++ {
		j := bytes.IndexAny(p[i:], `"\`)
		if j < 0 {
			return -1
		}
		if i += j; p[i] == '"' {
			return i
		}
		if i++; i >= len(p) { // what the backslash is before
			return -1
		}
	}
}

// unquote appends the text of a JSON string; false if it is none. Half of a surrogate pair becomes U+FFFD, as with
// encoding/json.
func unquote(dst, p []byte) ([]byte, bool) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\\')
		if i < 0 {
			return append(dst, p...), true
		}
		dst = append(dst, p[:i]...)
		if p = p[i+1:]; len(p) == 0 {
			return dst, false
		}
		c := p[0]
		p = p[1:]
		switch c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(p)
			if !ok {
				return dst, false
			}
			p = p[4:]
			if utf16.IsSurrogate(r) {
				low, ok := rune(-1), false
				if bytes.HasPrefix(p, []byte(`\u`)) {
					low, ok = hex4(p[2:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					p = p[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, false
		}
	}
	return dst, true
}

func hex4(p []byte) (rune, bool) {
	if len(p) < 4 {
		return 0, false
	}
	r := rune(0)
	for _, c := range p[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
