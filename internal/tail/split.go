package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Line is a logical line: what a program wrote as one, whatever container runtime stood between.
type Line struct {
	Bytes  []byte // without line end and without what the runtime put around it; valid during the call that gives it
	Offset int64  // in the file, of its first byte there (of its first piece)
}

// Batch is some lines of one file, in the order in which they were completed.
type Batch struct {
	Path  string // of the file, the last one that a glob had for it
	File  uint64 // says which file, over renames and restarts; a file that was rewritten or cut is another one
	Lines []Line

	text []byte // of lines that are not in the file as they are
}

func (b *Batch) reset() { b.Lines, b.text = b.Lines[:0], b.text[:0] }

// keep copies the bytes to where they live as long as the batch.
func (b *Batch) keep(p []byte) []byte {
	from := len(b.text)
	b.text = append(b.text, p...)
	return b.text[from:len(b.text):len(b.text)]
}

const (
	maxLines = 256     // of a batch
	maxHead  = 1 << 10 // of what a runtime puts around the text of a line
	// A piece of Docker has 16 KiB, each byte of which may be written as six.
	minPhysical = 128 << 10
)

// Splitter takes the bytes of a file in any portions and gives its logical lines. Lines end with \n or \r\n; NUL bytes
// before a line are left out. Lines of CRI and of Docker's json-file are recognised one by one, and their pieces joined.
type Splitter struct {
	TooLong int64 // logical lines that were left out

	max     int
	at      int64 // offset of the next byte
	start   int64 // of the unfinished line of the file
	line    []byte
	long    bool // line is only the beginning of it
	open    [2]pieces
	resumed position
}

// pieces are the unfinished logical line of a stream.
type pieces struct {
	on, long bool
	at       int64
	text     []byte
}

// NewSplitter makes one that begins at the start of a file and leaves out logical lines of more than maxLine bytes.
func NewSplitter(maxLine int) *Splitter { return newSplitter(maxLine, position{}) }

func newSplitter(maxLine int, from position) *Splitter {
	return &Splitter{max: maxLine, at: from.Offset, start: from.Offset, resumed: from}
}

// Split takes the next bytes of the file and appends to b the lines that they complete, until b is full. It gives how many
// bytes it took. The lines are valid as long as p and b remain as they are.
func (s *Splitter) Split(b *Batch, p []byte) int {
	n := 0
	for n < len(p) && len(b.Lines) < maxLines {
		rest := p[n:]
		if s.at == s.resumed.Read {
			// What stands before is the rest of a line that was cut after it had been delivered; else there is nothing.
			s.next()
		}
		if left := s.resumed.Read - s.at; left > 0 && left < int64(len(rest)) {
			rest = rest[:left]
		}
		n += s.take(b, rest)
	}
	return n
}

// take takes bytes up to the next end of a line.
func (s *Splitter) take(b *Batch, p []byte) int {
	if len(s.line) == 0 && p[0] == 0 {
		n := len(p) - len(bytes.TrimLeft(p, "\x00"))
		s.at += int64(n)
		s.start = s.at
		return n
	}
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		s.at += int64(len(p))
		s.keep(p)
		return len(p)
	}
	line := p[:i]
	if len(s.line) > 0 {
		s.keep(line)
		line = b.keep(s.line)
	} else if len(line) > s.physical() {
		line, s.long = line[:maxHead], true
	}
	s.at += int64(i) + 1
	s.finish(b, line)
	s.next()
	return i + 1
}

func (s *Splitter) physical() int { return max(s.max, minPhysical) + maxHead }

func (s *Splitter) keep(p []byte) {
	if s.long {
		return
	}
	if s.line = append(s.line, p...); len(s.line) > s.physical() {
		s.line, s.long = append([]byte(nil), s.line[:maxHead]...), true
	}
}

// next begins a line.
func (s *Splitter) next() { s.line, s.long, s.start = s.line[:0], false, s.at }

// finish takes a whole line of the file, or the beginning of one that is too long.
func (s *Splitter) finish(b *Batch, line []byte) {
	text, stream, last := unwrap(b, line)
	if s.start < s.resumed.Read && !s.resumed.wants(stream, s.start) {
		return
	}
	if stream == plain {
		s.deliver(b, text, s.start, s.long)
		return
	}
	o := &s.open[stream]
	if last && !o.on {
		s.deliver(b, text, s.start, s.long)
		return
	}
	if !o.on {
		o.on, o.at = true, s.start
	}
	if o.long = o.long || s.long || len(o.text)+len(text) > s.max+1; !o.long { // one more for \r
		o.text = append(o.text, text...)
	}
	if last {
		s.end(b, o)
	}
}

func (s *Splitter) end(b *Batch, o *pieces) {
	s.deliver(b, b.keep(o.text), o.at, o.long)
	*o = pieces{text: o.text[:0]}
}

func (s *Splitter) deliver(b *Batch, text []byte, at int64, long bool) {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	if long || len(text) > s.max {
		s.TooLong++
		return
	}
	b.Lines = append(b.Lines, Line{Bytes: text, Offset: at})
}

// Flush appends to b, as lines, what is unfinished: nothing more is to come. These are at most three, whether or not b is
// full.
func (s *Splitter) Flush(b *Batch) {
	if len(s.line) > 0 {
		s.finish(b, b.keep(s.line))
	}
	for i := range s.open {
		if s.open[i].on {
			s.end(b, &s.open[i])
		}
	}
	s.next()
}

// held gives the bytes of memory for what is unfinished.
func (s *Splitter) held() int { return cap(s.line) + cap(s.open[0].text) + cap(s.open[1].text) }

// Lines takes what r has, to its end, and gives its logical lines, with the last one even if it is unfinished; Path and File
// of the batches are empty. It gives how many lines were left out since they have more than maxLine bytes.
func Lines(r io.Reader, maxLine int, consume Consumer) (tooLong int64, err error) {
	s, buf := NewSplitter(maxLine), make([]byte, portion)
	b := &Batch{}
	for !errors.Is(err, io.EOF) {
		var n int
		if n, err = r.Read(buf); err != nil && !errors.Is(err, io.EOF) {
			return s.TooLong, fmt.Errorf("cannot read lines: %w", err)
		}
		for used := 0; used < n; b.reset() {
			if used += s.Split(b, buf[used:n]); len(b.Lines) > 0 {
				consume(b)
			}
		}
	}
	if s.Flush(b); len(b.Lines) > 0 {
		consume(b)
	}
	return s.TooLong, nil
}
