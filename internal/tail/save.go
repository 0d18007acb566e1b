package tail

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// record is what is saved of a file.
type record struct {
	Path        string           `json:"path"`
	Target      string           `json:"target,omitempty"`
	Device      uint64           `json:"device"`
	Inode       uint64           `json:"inode"`
	Size        int64            `json:"size"`
	Offset      int64            `json:"offset"`
	Read        int64            `json:"read"`
	Unfinished  map[string]int64 `json:"unfinished,omitempty"` // stream: its first piece
	Rotated     bool             `json:"rotated,omitempty"`
	ID          uint64           `json:"id,string"`
	Fingerprint fingerprint      `json:"fingerprint"`
}

var streams = [...]string{stdout: "stdout", stderr: "stderr"}

func (f *file) record() record {
	r := record{Path: f.path, Target: f.target, Device: f.device, Inode: f.inode, Size: f.now,
		Rotated: f.rotated, ID: f.id, Fingerprint: f.print}
	r.at(f.split.position())
	return r
}

func (r *record) at(p position) {
	r.Offset, r.Read, r.Unfinished = p.Offset, p.Read, nil
	for i, u := range p.Unfinished {
		if u.On {
			if r.Unfinished == nil {
				r.Unfinished = map[string]int64{}
			}
			r.Unfinished[streams[i]] = u.At
		}
	}
}

func (r *record) position() position {
	p := position{Offset: r.Offset, Read: r.Read}
	for i, name := range streams {
		p.Unfinished[i].At, p.Unfinished[i].On = r.Unfinished[name]
	}
	return p
}

func (r record) file(maxLine int) *file {
	return &file{key: key{r.Device, r.Inode}, path: r.Path, target: r.Target, id: r.ID, print: r.Fingerprint,
		size: r.Size, now: r.Size, rotated: r.Rotated, split: newSplitter(maxLine, r.position())}
}

// saver knows what is saved, and what will be once it has settled.
type saver struct {
	path    string
	files   map[key]record // settled
	pending []snapshot     // the oldest first
	gone    []key          // since the last snapshot
	changed bool           // since files was written
	urgent  bool           // a file is new: if it were rotated before it is known, nobody would look for it
	written time.Time
	failed  bool
}

// snapshot has what changed since the one before.
type snapshot struct {
	at    time.Time
	files map[key]record
	gone  map[key]bool
}

const maxPending = 32

func (t *Tailer) snapshot() {
	if t.save.path == "" {
		return
	}
	s := snapshot{at: t.now(), files: map[key]record{}, gone: map[key]bool{}}
	for _, k := range t.save.gone {
		s.gone[k] = true
	}
	t.save.gone = t.save.gone[:0]
	for _, f := range t.order {
		if f.changed {
			f.changed = false
			s.files[f.key] = f.record()
		}
	}
	if len(s.files)+len(s.gone) > 0 {
		t.save.add(s)
	}
}

// add keeps a snapshot. When these are too many, each second one is joined with the one after it.
func (s *saver) add(n snapshot) {
	if len(s.pending) == maxPending {
		half := s.pending[:0]
		for i := 0; i < maxPending; i += 2 {
			s.pending[i].apply(s.pending[i+1])
			half = append(half, s.pending[i])
		}
		clear(s.pending[len(half):])
		s.pending = half
	}
	s.pending = append(s.pending, n)
}

func (s *snapshot) apply(later snapshot) {
	s.at = later.at
	for k := range later.gone {
		delete(s.files, k)
		s.gone[k] = true
	}
	maps.Copy(s.files, later.files)
}

// know makes a new file known at once, with the position from which it is read.
func (s *saver) know(f *file) {
	if s.path == "" {
		return
	}
	for _, p := range s.pending {
		delete(p.files, f.key)
		delete(p.gone, f.key)
	}
	s.gone = slices.DeleteFunc(s.gone, func(k key) bool { return k == f.key })
	s.files[f.key] = f.record()
	s.changed, s.urgent = true, true
}

// identify saves what a file begins with even before what was read of it has settled, so that it can be told from a later
// one with its inode.
func (s *saver) identify(f *file) {
	if r, ok := s.files[f.key]; ok {
		r.Fingerprint = f.print
		s.files[f.key], s.changed = r, true
	}
}

// cut makes known at once that a file was cut, since a position behind its end would leave out what is appended.
func (s *saver) cut(f *file, size int64) {
	of := func(files map[key]record) {
		if r, ok := files[f.key]; ok {
			was := r.position().cut(size)
			r.Size, r.Fingerprint, r.ID = size, f.print, f.id
			r.at(was)
			files[f.key] = r
		}
	}
	of(s.files)
	for _, p := range s.pending {
		of(p.files)
	}
}

// settle takes the snapshots that are old enough.
func (s *saver) settle(old func(time.Time) bool) {
	for len(s.pending) > 0 && old(s.pending[0].at) {
		for k := range s.pending[0].gone {
			delete(s.files, k)
		}
		maps.Copy(s.files, s.pending[0].files)
		s.pending = slices.Delete(s.pending, 0, 1)
		s.changed = true
	}
}

// saveSettled writes what has settled, at most once a second.
func (t *Tailer) saveSettled() {
	now := t.now()
	if t.save.path == "" || now.Sub(t.save.written) < time.Second {
		return
	}
	settled := func(time.Time) bool { return true }
	if t.o.Settled != nil {
		settled = t.o.Settled().After
	}
	t.save.settle(settled)
	if t.save.changed {
		t.saved(t.save.write(now))
	}
}

func (t *Tailer) saved(err error) {
	if err != nil && !t.save.failed {
		t.log.Error("cannot save positions", "err", err)
	}
	t.save.failed = err != nil
}

// write replaces the file of positions.
func (s *saver) write(now time.Time) error {
	if s.path == "" {
		return nil
	}
	s.written = now
	records := slices.SortedFunc(maps.Values(s.files), func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode))
	})
	var text bytes.Buffer
	text.WriteString("{\"version\": 1, \"files\": [")
	for i, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("cannot write positions: %w", err)
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
		text.Write(line)
	}
	text.WriteString("\n]}\n")
	if err := replace(s.path, text.Bytes()); err != nil {
		return fmt.Errorf("cannot write positions: %w", err)
	}
	s.changed, s.urgent = false, false
	return nil
}

// replace writes a file so that after a crash it is the old or the new one, whole.
func replace(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	_ = dir.Sync() // not all systems can
	return nil
}

// load reads the saved positions; false if there are none.
func (t *Tailer) load() (bool, error) {
	if t.save.path == "" {
		return false, nil
	}
	text, err := os.ReadFile(t.save.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read positions: %w", err)
	}
	var saved struct {
		Version int
		Files   []record
	}
	err = json.Unmarshal(text, &saved)
	if err == nil && saved.Version != 1 {
		err = fmt.Errorf("version %d is unknown: 1 is known", saved.Version)
	}
	for _, r := range saved.Files {
		if err == nil && (r.Offset < 0 || r.Read < r.Offset) {
			err = fmt.Errorf("offset %d of %q, read to %d: no such position", r.Offset, r.Path, r.Read)
		}
	}
	if err != nil {
		// To read files a second time is better than not to start, or to leave lines out.
		t.log.Error("cannot understand positions: files are read from their start", "set_aside", t.save.path+".bad", "err", err)
		return true, os.Rename(t.save.path, t.save.path+".bad")
	}
	for _, r := range saved.Files {
		if slices.ContainsFunc(t.o.Paths, func(p string) bool { ok, _ := filepath.Match(p, r.Path); return ok }) {
			// A disk may have another device number after a restart of the machine.
			if fi, err := os.Stat(r.Path); err == nil {
				if k, ok := identify(r.Path, fi); ok && k.inode == r.Inode {
					r.Device = k.device
				}
			}
			f := t.add(r.file(t.o.MaxLine))
			t.save.files[f.key] = f.record()
		}
	}
	return true, nil
}
