package tail

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// world is a folder with log files and a tailer whose looks and clock the test drives.
type world struct {
	testing.TB
	dir     string
	o       Options
	t       *Tailer
	clock   time.Time
	settled time.Time
	got     []string // of all tailers: "file offset text"
	log     bytes.Buffer
	ids     map[string]uint64
}

func newWorld(t testing.TB, globs ...string) *world {
	w := &world{TB: t, dir: t.TempDir(), clock: time.Now(), ids: map[string]uint64{}}
	w.o = Options{Positions: filepath.Join(w.dir, "positions.json"), MaxLine: 1000, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	for _, g := range globs {
		w.o.Paths = append(w.o.Paths, filepath.Join(w.dir, g))
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) open() {
	w.Helper()
	t, err := Open(w.o, func(b *Batch) {
		for _, l := range b.Lines {
			w.got = append(w.got, string(l.Bytes))
			w.ids[string(l.Bytes)] = b.File
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	t.now, t.hold = func() time.Time { return w.clock }, 3
	w.t = t
}

// look looks at all paths, new ones, too.
func (w *world) look() {
	w.t.looks = (w.t.looks/globEach + 1) * globEach
	w.t.look()
}

// round looks once and reads all that is there, a second later than the round before.
func (w *world) round() {
	w.clock = w.clock.Add(time.Second)
	w.look()
	for n := 0; w.t.pass(); n++ {
		if n > 10000 {
			w.Fatal("no end of reading")
		}
	}
}

// restart stops with all settled.
func (w *world) restart() {
	w.Helper()
	w.t.Stop()
	w.t.close()
	if err := w.t.Save(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

// kill starts again without a word to the one that ran.
func (w *world) kill() {
	w.Helper()
	w.t.close()
	w.open()
}

func (w *world) append(name, text string) {
	w.Helper()
	f, err := os.OpenFile(w.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.Fatal(err)
	}
}

func (w *world) rename(from, to string) {
	w.Helper()
	w.must(os.Rename(w.path(from), w.path(to)))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// want compares what came since the last time.
func (w *world) want(lines ...string) {
	w.Helper()
	if fmt.Sprintf("%.80q", w.got) != fmt.Sprintf("%.80q", lines) {
		w.Fatalf("got %.80q, want %.80q\n%s", w.got, lines, w.log.String())
	}
	w.got = nil
}
