package tail

import (
	"container/list"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// file is what is known of one, open or not.
type file struct {
	key
	path   string // the one under which it was found
	target string // where that leads by symbolic links
	id     uint64 // Batch.File, once known
	print  fingerprint
	split  *Splitter

	h    *os.File // nil: closed
	open *list.Element

	size    int64 // that it had when it was last read
	now     int64 // that it had at the last look
	mtime   time.Time
	read    bool // all of it, when it had that size and time
	failed  int  // the last look at which it could not be read
	seen    int  // the last look at which a path led to it
	gone    bool // no path leads to it
	rotated bool // its path leads elsewhere, so that its unfinished line will stay unfinished
	quiet   int  // looks without growth since then
	changed bool // since its position was last taken
}

// openFile opens a file unless it is open, and closes another one if these are too many.
func (t *Tailer) openFile(f *file) bool {
	if f.h != nil {
		t.open.MoveToFront(f.open)
		return true
	}
	h, err := os.Open(f.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.fail(f.path, err)
		}
		return false
	}
	fi, err := h.Stat()
	if err != nil {
		t.fail(f.path, err)
	}
	if k, ok := identify(f.path, fi); err != nil || !ok || k != f.key { // the next look finds out
		h.Close()
		return false
	}
	t.adopt(f, h)
	return true
}

func (t *Tailer) adopt(f *file, h *os.File) {
	for e := t.open.Back(); e != nil && t.open.Len() >= t.maxOpen; {
		old := e.Value.(*file)
		// One that was rotated may soon have no name by which it could be found again.
		if e = e.Prev(); !old.rotated {
			t.shut(old)
		}
	}
	f.h, f.open = h, t.open.PushFront(f)
	t.Files.Add(1)
}

// shut closes a file. Large unfinished lines will be read again.
func (t *Tailer) shut(f *file) {
	if f.h == nil {
		return
	}
	f.h.Close()
	f.h = nil
	t.open.Remove(f.open)
	t.Files.Add(-1)
	if f.split.held() > maxIdle {
		f.split = newSplitter(t.o.MaxLine, f.split.position())
	}
}

// begin gives the first KiB of an open file.
func (t *Tailer) begin(h *os.File) ([]byte, error) {
	n, err := h.ReadAt(t.head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return t.head[:n], err
}

func (t *Tailer) fail(path string, err error) {
	if t.failed[path] {
		return
	}
	t.failed[path] = true
	t.Failed.Add(1)
	t.log.Warn("cannot read file", "path", path, "err", err)
}

// turn reads a portion of a file and hands its lines over; false if it cannot be read.
func (t *Tailer) turn(f *file) bool {
	if !t.openFile(f) {
		return false
	}
	fi, err := f.h.Stat()
	if err == nil && fi.Size() < f.split.at {
		err = t.shrunk(f, fi.Size())
	}
	if err != nil {
		t.fail(f.path, err)
		return false
	}
	n, err := f.h.ReadAt(t.buf, f.split.at)
	if err != nil && !errors.Is(err, io.EOF) {
		t.fail(f.path, err)
		return false
	}
	// Only now, since the file may be rewritten at any time: what was read is of the file that is known.
	head, err := t.begin(f.h)
	if err != nil {
		t.fail(f.path, err)
		return false
	}
	delete(t.failed, f.path)
	if !f.print.matches(head) {
		t.rewritten(f)
		return true
	}
	if len(head) > f.print.n {
		f.print, f.changed = newFingerprint(head), true
		t.save.identify(f)
	}
	used := 0
	for used < n && !t.stopped() {
		used += f.split.Split(&t.batch, t.buf[used:n])
		t.hand(f, head)
	}
	t.Bytes.Add(int64(used))
	f.size = max(fi.Size(), f.split.at)
	f.now, f.mtime, f.read = f.size, fi.ModTime(), f.split.at >= f.size
	f.changed = f.changed || used > 0
	return true
}

func (t *Tailer) hand(f *file, head []byte) {
	b := &t.batch
	t.TooLong.Add(f.split.TooLong)
	f.split.TooLong = 0
	if len(b.Lines) > 0 {
		if f.id == 0 {
			f.id = identity(f.key, head)
		}
		b.Path, b.File = f.path, f.id
		t.consume(b)
		t.Lines.Add(int64(len(b.Lines)))
	}
	b.reset()
}

// shrunk goes on at the end of a file that was cut, and at the start of one that was rewritten.
func (t *Tailer) shrunk(f *file, size int64) error {
	head, err := t.begin(f.h)
	if err != nil {
		return err
	}
	if size == 0 || !f.print.matches(head) {
		t.rewritten(f)
		return nil
	}
	t.Truncated.Add(1)
	t.lose(f, f.size-f.split.at)
	f.split = newSplitter(t.o.MaxLine, f.split.position().cut(size))
	f.print, f.size, f.changed = newFingerprint(head), size, true
	if f.id != 0 {
		f.id = hash(nil, f.id, uint64(size)) // offsets come a second time
	}
	t.save.cut(f, size)
	t.saved(t.save.write(t.now()))
	return nil
}

// rewritten begins a file anew that has other content than the one that was read.
func (t *Tailer) rewritten(f *file) {
	t.Truncated.Add(1)
	t.lose(f, f.size-f.split.position().Read)
	f.split, f.print, f.id = newSplitter(t.o.MaxLine, position{}), fingerprint{}, 0
	f.size, f.read, f.rotated, f.changed = 0, false, f.gone, true
	t.save.know(f)
	t.saved(t.save.write(t.now()))
}

func (t *Tailer) lose(f *file, n int64) {
	if n > 0 {
		t.Lost.Add(n)
		t.log.Warn("bytes of a file were gone before they were read", "path", f.path, "bytes", n)
	}
}

// finish hands over the unfinished line of a file that was rotated. It is false while there is something to read.
func (t *Tailer) finish(f *file) bool {
	if f.split.at < f.size { // its unfinished line was not kept
		f.read = false
		return false
	}
	if !t.openFile(f) {
		return f.gone
	}
	head, err := t.begin(f.h)
	if err != nil {
		t.fail(f.path, err)
		return true
	}
	f.split.Flush(&t.batch)
	t.hand(f, head)
	f.changed = true
	return true
}
