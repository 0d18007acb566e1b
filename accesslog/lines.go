package accesslog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"github.com/alspan/alspan/internal/tail"
	"github.com/alspan/alspan/internal/wire"
)

// Lines makes messages of JSON lines. It belongs to one goroutine.
type Lines struct {
	// Other counts lines that are no access log, such as those of Envoy's own log in the same file. It is the caller's to reset.
	Other int

	encoder
	in      jx.Decoder
	member  func(*jx.Decoder, []byte) error
	prefix  []byte // names of the objects around the member at hand, each with a dot
	depth   int
	entries []byte
	marks   []Mark
	id      Identifier
	text    []byte // of a member
	escaped bool   // the line has bytes that are not UTF-8
}

// NewLines makes one that goes by those fields.
func NewLines(f *Fields) *Lines {
	l := &Lines{encoder: encoder{fields: f}}
	l.member = l.take
	return l
}

// Messages gives consume the entries in lines of the file with that number, which by has logged unless a line says else. What is given
// is valid during the call.
func (l *Lines) Messages(by Identifier, file uint64, lines []tail.Line, consume Consumer) {
	l.entries, l.marks = l.entries[:0], l.marks[:0]
	l.id = by
	for i := range lines {
		l.line(by, file, &lines[i], consume)
	}
	l.give(consume)
}

// broken is an entry that cannot be decoded.
var broken = []byte{1<<3 | wire.Bytes, 1, 0xff}

// line takes one line. A line that begins like JSON and is none is a malformed entry.
func (l *Lines) line(by Identifier, file uint64, in *tail.Line, consume Consumer) {
	text := trimmed(in.Bytes)
	if len(text) == 0 || text[0] != '{' {
		l.Other++
		return
	}
	l.reset()
	l.prefix, l.depth = l.prefix[:0], 0
	l.escaped = bytes.Contains(text, escape)
	l.in.ResetBytes(text)
	err := l.in.ObjBytes(l.member)
	if err == nil && !errors.Is(l.in.Skip(), io.EOF) {
		err = errTrailing
	}
	switch {
	case err != nil:
		l.entries, l.marks = append(l.entries, broken...), append(l.marks, 0)
		return
	case !l.told():
		l.Other++
		return
	}
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], file)
	binary.LittleEndian.PutUint64(place[8:], uint64(in.Offset))
	l.finish(place[:])
	l.by(by, consume)
	l.entries = wire.AppendBytes(l.entries, 1, l.out)
	l.marks = append(l.marks, l.mark)
}

var errTrailing = errors.New("there is something behind the object")

// by makes the entry that of who its values say. Lines of one file are nearly always of one Envoy.
func (l *Lines) by(by Identifier, consume Consumer) {
	if len(l.node) > 0 {
		by.Node.ID, by.Namespace, by.Pod = l.node, "", ""
	}
	if len(l.log) > 0 {
		by.LogName = l.log
	}
	if string(by.Node.ID) == string(l.id.Node.ID) && string(by.LogName) == string(l.id.LogName) {
		return
	}
	l.give(consume)
	by.Node.ID, by.LogName = bytes.Clone(by.Node.ID), bytes.Clone(by.LogName)
	l.id = by
}

func (l *Lines) give(consume Consumer) {
	if len(l.marks) > 0 {
		m := newEntries(&l.id, l.entries, l.marks)
		consume(&m)
	}
	l.entries, l.marks = l.entries[:0], l.marks[:0]
}

// escape is how each byte of a string begins that is not UTF-8: Envoy writes it as if it were a character.
var escape = []byte(`\u00`)

// unescaped gives a request id with "!" for each such byte, as it is in an entry of ALS.
func unescaped(id []byte) []byte {
	out := id[:0]
	for len(id) > 0 {
		r, n := utf8.DecodeRune(id)
		if r >= 0x80 && r <= 0xff {
			out = append(out, '!')
		} else {
			out = append(out, id[:n]...)
		}
		id = id[n:]
	}
	return out
}

// maxDepth is how deep objects are looked into. What is deeper is no value of an entry.
const maxDepth = 16

// take takes one member of an object. Those of an object within it have its name and a dot before theirs.
func (l *Lines) take(in *jx.Decoder, name []byte) error {
	at := len(l.prefix)
	defer func() { l.prefix = l.prefix[:at] }()
	switch in.Next() {
	case jx.Object:
		if l.depth == maxDepth {
			return in.Skip()
		}
		l.depth++
		l.prefix = append(append(l.prefix, name...), '.')
		err := in.ObjBytes(l.member)
		l.depth--
		return err
	case jx.String:
		var err error
		l.prefix = append(l.prefix, name...) // the name may be a part of what is read next
		if l.text, err = in.StrAppend(l.text[:0]); err == nil {
			t := l.target(l.prefix)
			if t.field == isRequestID && l.escaped {
				l.text = unescaped(l.text)
			}
			l.put(t, l.text)
		}
		return err
	case jx.Number:
		l.prefix = append(l.prefix, name...)
		n, err := in.NumAppend(l.text[:0])
		if l.text = n; err == nil {
			l.put(l.target(l.prefix), n)
		}
		return err
	}
	return in.Skip()
}

// trimmed gives a line without white space around it, and without the byte order mark with which some files begin.
func trimmed(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == 0 || b[0] == 0xef || b[0] == 0xbb || b[0] == 0xbf) {
		b = b[1:]
	}
	return b
}
