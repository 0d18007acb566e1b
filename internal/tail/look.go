package tail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// look finds out which files are there, and which have something to read.
func (t *Tailer) look() {
	t.find(false)
	behind := int64(0)
	t.order = slices.DeleteFunc(t.order, func(f *file) bool {
		if f.seen != t.looks && t.done(f) {
			t.drop(f)
			return true
		}
		if f.rotated {
			t.rest(f)
		}
		if !f.read {
			behind += max(0, f.now-f.split.at)
		}
		return false
	})
	t.Behind.Store(behind)
	if t.save.urgent {
		t.saved(t.save.write(t.now()))
	}
}

// find stats all paths. At the first start there is nothing to deliver of what is there already.
func (t *Tailer) find(first bool) {
	if t.looks%globEach == 0 {
		t.glob()
	}
	t.looks++
	for _, path := range t.paths {
		fi, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !fi.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err != nil {
			t.fail(path, err)
			continue
		}
		k, ok := identify(path, fi)
		if !ok {
			continue
		}
		f := t.files[k]
		switch {
		case f == nil:
			f = t.add(&file{key: k, path: path, target: target(path), split: newSplitter(t.o.MaxLine, position{})})
			if first {
				t.toEnd(f)
			}
			t.save.know(f)
		case f.seen == t.looks: // under another name
			continue
		case f.path != path && !leads(f.path, k):
			if f.print.n > 0 { // else nothing says that it is not a new file with the inode of an old one
				t.rotate(f)
			}
			f.path, f.target, f.changed = path, target(path), true
		}
		f.seen, f.gone = t.looks, false
		f.noticed(fi)
	}
}

func (t *Tailer) glob() {
	t.paths = t.paths[:0]
	for _, pattern := range t.o.Paths {
		paths, _ := filepath.Glob(pattern) // Open has looked at the pattern
		t.paths = append(t.paths, paths...)
	}
	t.paths = slices.DeleteFunc(t.paths, compressed)
	slices.Sort(t.paths)
	t.paths = slices.Compact(t.paths)
	for path := range t.failed {
		if _, there := slices.BinarySearch(t.paths, path); !there {
			delete(t.failed, path)
		}
	}
}

func compressed(path string) bool {
	return slices.Contains([]string{".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip"}, strings.ToLower(filepath.Ext(path)))
}

func (t *Tailer) add(f *file) *file {
	t.files[f.key] = f
	t.order = append(t.order, f)
	return f
}

// target gives where a path leads by symbolic links, "" if it has none.
func target(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil && to != filepath.Clean(path) {
		return to
	}
	return ""
}

func leads(path string, k key) bool {
	fi, err := os.Stat(path)
	if err != nil {
		return false
	}
	got, ok := identify(path, fi)
	return ok && got == k
}

func (t *Tailer) rotate(f *file) {
	if !f.rotated {
		t.Rotated.Add(1)
	}
	f.rotated, f.quiet, f.changed = true, 0, true
}

// noticed takes the size and time that a file has now.
func (f *file) noticed(fi os.FileInfo) {
	if fi.Size() != f.now || !fi.ModTime().Equal(f.mtime) {
		f.now, f.mtime, f.read, f.quiet = fi.Size(), fi.ModTime(), false, 0
	}
}

// done looks after a file to which no path leads: it is read to its end, and then there is nothing to do for it.
func (t *Tailer) done(f *file) bool {
	if !f.gone {
		f.gone = true
		t.rotate(f)
	}
	if f.h == nil && !t.search(f) {
		t.lose(f, f.now-f.split.at)
		return true
	}
	if fi, err := f.h.Stat(); err == nil {
		f.noticed(fi)
	}
	if !f.read || f.quiet < t.hold {
		return false
	}
	// A folder that cannot be read for a while has no paths either.
	if fi, err := os.Stat(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && isFile(f, fi) {
		return false
	}
	return t.finish(f)
}

func isFile(f *file, fi os.FileInfo) bool {
	k, ok := identify(f.path, fi)
	return ok && k == f.key
}

// rest counts how long nothing was added to a file that was rotated.
func (t *Tailer) rest(f *file) {
	if f.read {
		f.quiet++
	}
	if f.quiet > t.hold && !f.gone && t.finish(f) {
		f.rotated, f.changed = false, true
	}
}

// search opens a file that was renamed while it was closed. It has another name in the same folder, or none.
func (t *Tailer) search(f *file) bool {
	dir := filepath.Dir(f.path)
	if f.target != "" {
		dir = filepath.Dir(f.target)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || compressed(path) {
			continue
		}
		if k, ok := identify(path, fi); !ok || k != f.key {
			continue
		}
		h, err := os.Open(path)
		if err != nil {
			t.fail(path, err)
			return false
		}
		if head, err := t.begin(h); err == nil && f.print.matches(head) { // else the inode is another file's now
			t.adopt(f, h)
			return true
		}
		h.Close()
	}
	return false
}

// drop forgets a file.
func (t *Tailer) drop(f *file) {
	t.shut(f)
	delete(t.files, f.key)
	t.save.gone = append(t.save.gone, f.key)
}

// toEnd goes to the end of the last line of a file without giving any.
func (t *Tailer) toEnd(f *file) {
	if !t.openFile(f) {
		return
	}
	fi, err := f.h.Stat()
	if err != nil {
		t.fail(f.path, err)
		return
	}
	// Far enough back that the pieces of an unfinished line are seen.
	from := max(0, fi.Size()-2*int64(f.split.physical()))
	s := newSplitter(t.o.MaxLine, position{Offset: from, Read: from})
	for s.at < fi.Size() {
		n, err := f.h.ReadAt(t.buf[:min(portion, fi.Size()-s.at)], s.at)
		if n == 0 {
			if !errors.Is(err, io.EOF) {
				t.fail(f.path, err)
			}
			break
		}
		for used := 0; used < n; t.batch.reset() {
			used += s.Split(&t.batch, t.buf[used:n])
		}
	}
	s.TooLong = 0
	f.split, f.size, f.now = s, s.at, s.at
	if head, err := t.begin(f.h); err == nil {
		f.print = newFingerprint(head)
	}
}

// pass gives each file that has something to read its turn, and says whether there is more.
func (t *Tailer) pass() (more bool) {
	for _, f := range t.order {
		if f.read || f.failed == t.looks || t.stopped() {
			continue
		}
		if !t.turns(f) {
			f.failed = t.looks
			continue
		}
		more = more || !f.read
	}
	t.snapshot()
	t.saveSettled()
	return more
}

// turns gives a file its turn. When other files must be closed for those that are to be read, it goes on until a line is
// done: of a file that is closed before its next turn, the unfinished line is read again.
func (t *Tailer) turns(f *file) bool {
	for {
		at := f.split.position()
		if !t.turn(f) {
			return false
		}
		if f.read || t.open.Len() < t.maxOpen || f.split.position() != at || t.stopped() {
			break
		}
	}
	// A long unfinished line is read again when there is more of it: many files would have much of them. What was rotated has
	// no more to come.
	if f.read && !f.rotated && f.split.held() > maxHeld && f.split.at-f.split.position().Offset <= 2*int64(f.split.physical()) {
		f.split = newSplitter(t.o.MaxLine, f.split.position())
	}
	return true
}
