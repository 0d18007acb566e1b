package tail

// position says up to where a file was delivered. The pieces of one stream may stand between those of an unfinished line
// of the other, so each stream has a place of its own; that is all there is to remember, since each is in order.
type position struct {
	Offset     int64    // nothing before it is needed any more: the start of the first unfinished logical line
	Read       int64    // start of the unfinished line of the file; lines before it were delivered, but for
	Unfinished [2]begun // those of a stream from its unfinished logical line on
}

type begun struct {
	On bool
	At int64
}

// wants says whether the line of the file at that offset, before Read, still belongs to an unfinished one.
func (p position) wants(stream int, at int64) bool {
	return stream != plain && p.Unfinished[stream].On && at >= p.Unfinished[stream].At
}

// cut gives the position in a file that was cut to that size: what was delivered is not delivered again, and what comes
// next begins a line.
func (p position) cut(size int64) position {
	return positionAt(min(p.Read, size), func(stream int) begun {
		if u := p.Unfinished[stream]; u.At < size {
			return u
		}
		return begun{}
	})
}

func positionAt(read int64, unfinished func(stream int) begun) position {
	p := position{Offset: read, Read: read}
	for i := range p.Unfinished {
		if u := unfinished(i); u.On {
			p.Unfinished[i] = u
			p.Offset = min(p.Offset, u.At)
		}
	}
	return p
}

// position gives where another splitter goes on so that no line is given twice and none is left out.
func (s *Splitter) position() position {
	if s.at < s.resumed.Read {
		return s.resumed
	}
	read := s.start
	if s.at == s.resumed.Read {
		read = s.at
	}
	return positionAt(read, func(stream int) begun { return begun{s.open[stream].on, s.open[stream].at} })
}
