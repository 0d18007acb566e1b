package tail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// model knows what was written, and so what must come.
type model struct {
	*world
	*rand.Rand
	lines   []*written
	texts   map[string]*written
	files   map[string]*logFile // by their names now
	rotated []*logFile
	names   int
	mayKill bool
	kills   int
	fewOpen bool
	running bool
	history []string
}

// written is a logical line.
type written struct {
	id      int
	text    string
	file    *logFile
	start   int64
	end     int64 // of its last byte in the file, 0 while it is unfinished
	born    int   // kills before it
	excused bool  // it need not come, and what comes of it need not be whole
	times   []time.Time
}

// logFile is a file with its writer.
type logFile struct {
	name      string
	size      int64
	lines     []*written
	half      *written    // an unfinished plain line
	pieces    [2]*written // of stdout and stderr
	known     bool        // a look found it
	opened    bool        // by the tailer that runs
	sparse    bool
	isDeleted bool
}

var token = regexp.MustCompile(`<(\d+)>`)

func newModel(w *world, seed uint64) *model {
	m := &model{world: w, Rand: rand.New(rand.NewPCG(seed, 0)), texts: map[string]*written{}, files: map[string]*logFile{}}
	m.fewOpen = m.IntN(3) == 0
	w.o.Settled = func() time.Time { return w.settled }
	m.start()
	return m
}

func (m *model) start() {
	m.open()
	if m.running = true; m.fewOpen {
		m.t.maxOpen = 2
	}
	m.t.consume = m.receive
}

// receive checks what comes.
func (m *model) receive(b *Batch) {
	for _, l := range b.Lines {
		if w := m.texts[string(l.Bytes)]; w != nil {
			if w.times = append(w.times, m.clock); len(w.times) > 1+m.kills-w.born && !w.excused {
				m.fail("line <%d> came %d times", w.id, len(w.times))
			}
			continue
		}
		for _, id := range token.FindAllStringSubmatch(string(l.Bytes), -1) {
			n, _ := strconv.Atoi(id[1])
			w := m.lines[n]
			if !w.excused {
				m.fail("%q came of <%d> %q", l.Bytes, n, w.text)
			}
		}
	}
}

func (m *model) fail(format string, args ...any) {
	m.Helper()
	m.Fatalf("%s\n%s\n%s", fmt.Sprintf(format, args...), strings.Join(m.history, "\n"), m.log.String())
}

func (m *model) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

// file gives the file that has a name now, which the writer makes if there is none.
func (m *model) file(name string) *logFile {
	f := m.files[name]
	if f == nil {
		f = &logFile{name: name}
		m.files[name] = f
	}
	return f
}

func (m *model) put(f *logFile, text string) {
	m.note("%s at %d: %q", f.name, f.size, text)
	m.append(f.name, text)
	f.size += int64(len(text))
}

func (m *model) begin(f *logFile) *written {
	w := &written{id: len(m.lines), file: f, start: f.size, born: m.kills}
	w.text = fmt.Sprintf("<%d>", w.id)
	m.lines = append(m.lines, w)
	f.lines = append(f.lines, w)
	return w
}

func (m *model) finish(w *written) {
	w.end = w.file.size
	m.texts[w.text] = w
}

func (m *model) word() string { return strings.Repeat(string(rune('a'+m.IntN(26))), m.IntN(60)) }

// write appends something to a file: a line, or part of one.
func (m *model) write(f *logFile) {
	if w := f.half; w != nil {
		more := m.word()
		if w.text += more; m.IntN(2) == 0 {
			m.put(f, more)
			return
		}
		f.half = nil
		m.put(f, more+"\n")
		m.finish(w)
		return
	}
	switch m.IntN(4) {
	case 0:
		w := m.begin(f)
		w.text += m.word()
		m.put(f, w.text+[]string{"\n", "\r\n"}[m.IntN(2)])
		m.finish(w)
	case 1:
		f.half = m.begin(f)
		m.put(f, f.half.text)
	default:
		stream := m.IntN(2)
		w, piece := f.pieces[stream], m.word()
		if w == nil {
			w = m.begin(f)
			piece = w.text + piece
			w.text = ""
		} else {
			piece += fmt.Sprintf("<%d>", w.id)
		}
		w.text += piece
		last := m.IntN(2) == 0
		head := fmt.Sprintf("2026-11-21T08:21:11.%09dZ %s %s ", m.Uint32()%1e9, streams[stream], map[bool]string{false: "P", true: "F"}[last])
		m.put(f, head+piece+"\n")
		if f.pieces[stream] = w; last {
			f.pieces[stream] = nil
			m.finish(w)
		}
	}
}

// leave takes a file from its name. What is unfinished is a line now, unless the writer goes on.
func (m *model) leave(f *logFile) {
	delete(m.files, f.name)
	if !f.known && !m.matches(f.name) {
		m.excuse(f, 0)
	}
}

func (m *model) matches(name string) bool {
	for _, p := range m.o.Paths {
		if ok, _ := filepath.Match(p, m.path(name)); ok {
			return true
		}
	}
	return false
}

// end says that nobody writes to a file any more.
func (m *model) end(f *logFile) {
	for _, w := range []*written{f.half, f.pieces[0], f.pieces[1]} {
		if w != nil {
			m.finish(w)
			w.excused = w.excused || !f.known || m.mayKill // perhaps nobody knows that it had another name
		}
	}
	f.half, f.pieces = nil, [2]*written{}
}

// excuse says that what stood behind that offset is gone. What came of it, came.
func (m *model) excuse(f *logFile, from int64) {
	for _, w := range f.lines {
		if w.end > from || w.end == 0 {
			w.excused = true
		}
	}
}

func (m *model) rotate(f *logFile) {
	old := f.name
	m.names++
	to := fmt.Sprintf("%s.%d", old, m.names)
	m.note("%s is renamed to %s", old, to)
	m.rename(old, to)
	delete(m.files, old)
	f.name = to
	m.leave(f)
	if m.IntN(2) == 0 {
		for range m.IntN(3) {
			m.write(f)
		}
	}
	m.end(f)
	if !f.known && !m.matches(to) {
		m.excuse(f, 0)
	}
	m.rotated = append(m.rotated, f)
}

func (m *model) remove(f *logFile) {
	m.note("%s is deleted", f.name)
	m.must(os.Remove(m.path(f.name)))
	m.end(f)
	f.isDeleted = true
	if delete(m.files, f.name); !f.opened || m.fewOpen {
		m.excuse(f, 0)
	}
	m.rotated = append(m.rotated, f)
}

func (m *model) truncate(f *logFile) {
	m.note("%s is truncated", f.name)
	m.must(os.Truncate(m.path(f.name), 0))
	m.excuse(f, 0)
	size := f.size
	f.size, f.half, f.pieces, f.lines = 0, nil, [2]*written{}, nil
	f.known = false // nobody can tell it from another file that has its inode, once it is renamed
	if !f.sparse && m.IntN(3) == 0 {
		m.must(os.Truncate(m.path(f.name), size))
		f.sparse, f.size = true, size
	}
}

// cutSome cuts a file where the tailer can know of it: it has read everything, and sees the file before it grows.
func (m *model) cutSome(f *logFile) {
	m.readAll()
	if f.size <= 2*printRow || f.sparse {
		return
	}
	size := printRow + m.Int64N(f.size-printRow)
	m.note("%s is cut at %d", f.name, size)
	m.must(os.Truncate(m.path(f.name), size))
	m.readAll()
	m.excuse(f, size)
	f.size = size
	if w := f.half; w != nil && w.start >= size {
		f.half = nil
	} else if w != nil { // what is left of it goes on
		w.excused = true
		return
	}
	for i := range f.pieces {
		f.pieces[i] = nil
	}
	// A tailer that was killed may add the next line to what is left of the one that was cut.
	w := m.begin(f)
	w.excused = m.mayKill
	m.put(f, w.text+"\n")
	m.finish(w)
	// Pieces of a line that is not finished would be joined with the next line of their stream.
	for _, s := range streams {
		w := m.begin(f)
		w.excused = true
		m.put(f, fmt.Sprintf("%s%s F <%d>\n", stamp, s, w.id))
		w.end = f.size
	}
}

// readAll reads all that is there.
func (m *model) readAll() {
	m.note("round")
	m.round()
	for _, f := range m.files {
		f.known = f.known || f.size > 0
		f.opened = f.opened || f.size > 0
	}
	for _, f := range m.rotated {
		f.known = f.known || !f.isDeleted && m.matches(f.name)
	}
}

// down stops the tailer in one of two ways.
func (m *model) down(kill bool) {
	m.running = false
	for _, f := range m.rotated {
		if f.isDeleted {
			m.excuse(f, 0)
		}
	}
	for _, f := range m.files {
		f.opened = false
	}
	m.t.Stop()
	m.t.close()
	if !kill {
		m.note("stop")
		m.must(m.t.Save())
		m.settle(m.clock)
		return
	}
	m.note("kill")
	m.kills++
	for _, w := range m.lines {
		for i, t := range w.times {
			if !m.settled.After(t) && !w.excused {
				w.times = w.times[:i] // it left nobody
				break
			}
		}
	}
}

// settle says that what came until then has left for good.
func (m *model) settle(until time.Time) {
	if until = until.Add(1); until.After(m.settled) {
		m.settled = until
	}
}

// check says that everything came that had to.
func (m *model) check() {
	m.Helper()
	for _, w := range m.lines {
		if w.end > 0 && !w.excused && len(w.times) == 0 {
			m.fail("line <%d> %q of %s did not come", w.id, w.text, w.file.name)
		}
	}
}
