package tail

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFollows(t *testing.T) {
	w := newWorld(t, "*.log")
	w.append("a.log", "old\nold, too\nhalf ")
	w.open()
	w.round()
	w.want()
	w.append("a.log", "a line\nnext\n")
	w.append("b.log", "new\nand ")
	w.round()
	w.want("half a line", "next", "new")
	w.round()
	w.want()
	w.restart()
	w.append("b.log", "more\n")
	w.append("c.log", "while away\n")
	w.round()
	w.want("and more", "while away")
	if n := w.t.Files.Load(); n != 3 {
		t.Errorf("%d files are open", n)
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\n")
	w.round()
	w.append("a.log", "a2\n")
	w.rename("a.log", "a.log.1")
	w.append("a.log", "b1\n")
	w.round()
	w.round()
	w.append("a.log.1", "a3\nthe la") // by who has it still open
	w.round()
	w.append("a.log.1", "st")
	w.round()
	w.want("a1", "a2", "b1", "a3")
	for range 5 {
		w.round()
	}
	w.want("the last")
	if n := w.t.Rotated.Load(); n != 1 || w.t.Files.Load() != 1 || w.ids["a1"] != w.ids["the last"] || w.ids["a1"] == w.ids["b1"] {
		t.Errorf("%d rotated, %d open, ids %v", n, w.t.Files.Load(), w.ids)
	}
	w.restart()
	w.round()
	w.want()
}

// A file that was empty when it was last seen is not known by its inode alone: nothing says that the one that has it now is
// the same, and that its last line is.
func TestInodeOfAnEmptyFile(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "")
	w.round()
	w.rename("a.log", "b.log")
	w.append("b.log", "a li")
	for range 6 {
		w.round()
	}
	w.append("b.log", "ne\n")
	w.round()
	w.want("a line")
}

func TestRotationToANameThatIsFollowed(t *testing.T) {
	w := newWorld(t, "a.log*")
	w.open()
	w.append("a.log", "a1\nthe ")
	w.round()
	w.rename("a.log", "a.log.1")
	w.append("a.log", "b1\n")
	w.round()
	w.append("a.log.1", "last")
	w.restart()
	for range 6 {
		w.round()
	}
	w.want("a1", "b1", "the last")
	w.append("a.log.1", "more\n")
	w.round()
	w.want("more")
}

func TestDeletedWhileOpen(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\n")
	w.round()
	w.append("a.log", "a2\nrest")
	w.must(os.Remove(w.path("a.log")))
	for range 6 {
		w.round()
	}
	w.want("a1", "a2", "rest")
	if len(w.t.files) != 0 || w.t.Files.Load() != 0 || w.t.Lost.Load() != 0 {
		t.Errorf("%d files known, %d lost", len(w.t.files), w.t.Lost.Load())
	}
}

func TestRewritten(t *testing.T) {
	first := "the first line is longer than a row of the fingerprint\n"
	for name, text := range map[string]string{
		"shorter": "b1\n", "of the same size": strings.Repeat("b", len(first)+2) + "\n", "longer": strings.Repeat("c", 3*len(first)) + "\n",
		"sparse": strings.Repeat("\x00", len(first)+3) + "b1\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "*.log")
			w.open()
			w.append("a.log", first+"a2\n")
			w.round()
			w.want(strings.TrimSpace(first), "a2")
			w.must(os.Truncate(w.path("a.log"), 0))
			w.append("a.log", text)
			w.must(os.Chtimes(w.path("a.log"), w.clock, w.clock)) // clocks of file systems tick slowly
			w.round()
			w.want(strings.Trim(text, "\x00\n"))
			if w.t.Truncated.Load() != 1 || w.t.Rotated.Load() != 0 {
				t.Errorf("%d truncated, %d rotated", w.t.Truncated.Load(), w.t.Rotated.Load())
			}
			w.restart()
			w.round()
			w.want()
		})
	}
}

// What is saved must not say more than what has settled, and must be true of a file that was cut meanwhile.
func TestTooLong(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", strings.Repeat("x", 1001)+"\n"+strings.Repeat("y", 1<<20)+"\nb\n")
	w.round()
	w.want("b")
	if n := w.t.TooLong.Load(); n != 2 {
		t.Errorf("%d too long", n)
	}
}

// More files than may be open: what is closed is opened again when it grew, by whatever name.
func TestManyFiles(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.t.maxOpen = 4
	name := func(i int) string { return fmt.Sprintf("f%02d.log", i) }
	for i := range 20 {
		w.append(name(i), fmt.Sprintf("the first of %d\n%s", i, strings.Repeat("u", 600*i)))
	}
	w.round()
	if n := w.t.Files.Load(); n > 4 || len(w.got) != 20 {
		t.Fatalf("%d files are open, %d lines", n, len(w.got))
	}
	w.got = nil
	w.rename(name(1), "old") // closed by now
	w.append("old", "-\nsecond of 1\n")
	w.append(name(2), "-\nsecond of 2\n")
	w.append(name(19), "-\nsecond of 19\n")
	w.must(os.Remove(w.path(name(3))))
	w.round()
	w.want(strings.Repeat("u", 600)+"-", "second of 1", "second of 2", "second of 19")
	if w.t.Files.Load() > 4 || len(w.t.files) != 19 || w.t.Lost.Load() != 0 {
		t.Errorf("%d files open, %d known, %d bytes lost", w.t.Files.Load(), len(w.t.files), w.t.Lost.Load())
	}
}

func TestFilesTakeTurns(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", strings.Repeat(strings.Repeat("a", 99)+"\n", 5*portion/100))
	w.append("b.log", "b\n")
	w.look()
	if w.t.Behind.Load() < 4*portion {
		t.Errorf("%d bytes behind", w.t.Behind.Load())
	}
	if !w.t.pass() || len(w.got) > portion/100+2 || w.got[len(w.got)-1] != "b" {
		t.Errorf("after the first turns: %d lines, the last one %q", len(w.got), w.got[len(w.got)-1])
	}
}

func TestSymbolicLink(t *testing.T) {
	w := newWorld(t, "*.log")
	w.must(os.Mkdir(w.path("pod"), 0o700))
	w.must(os.Symlink(w.path("pod/0.log"), w.path("a.log")))
	w.must(os.Symlink(w.path("pod/0.log"), w.path("b.log")))
	w.open()
	w.append("pod/0.log", "a1\n")
	w.round()
	w.restart()
	w.append("pod/0.log", "a2\n")
	w.rename("pod/0.log", "pod/0.log.2026")
	w.append("pod/0.log", "b1\n")
	w.round()
	w.want("a1", "a2", "b1")
}

func TestWhatCannotBeRead(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.must(os.Mkdir(w.path("dir.log"), 0o700))
	w.append("a.log", "a\n")
	w.round()
	w.round()
	w.want("a")
	if n := strings.Count(w.log.String(), "not a regular file"); n != 1 || w.t.Failed.Load() != 1 {
		t.Errorf("logged %d times, counted %d:\n%s", n, w.t.Failed.Load(), w.log.String())
	}
}

func TestLost(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\nunfinished")
	w.round()
	w.append("b.log", "b1\n")
	w.look() // sees b.log, but there is no time to read it
	w.must(os.Remove(w.path("b.log")))
	w.must(os.Truncate(w.path("a.log"), 0))
	w.round()
	w.want("a1")
	if n := w.t.Lost.Load(); n != int64(len("unfinished")+len("b1\n")) {
		t.Errorf("%d bytes lost\n%s", n, w.log.String())
	}
}

// Snapshots are bounded, however long nothing settles, and the newest one is never given up.
func TestRunAndStop(t *testing.T) {
	w := newWorld(t, "*.log")
	w.o.Poll = time.Millisecond
	var mu sync.Mutex
	came := sync.NewCond(&mu)
	lines := 0
	tl, err := Open(w.o, func(b *Batch) {
		mu.Lock()
		defer mu.Unlock()
		lines += len(b.Lines)
		came.Signal()
	})
	w.must(err)
	go tl.Run()
	w.append("a.log", strings.Repeat("a\n", 1000))
	mu.Lock()
	for lines < 1000 {
		came.Wait()
	}
	mu.Unlock()
	tl.Stop()
	tl.Stop()
	w.must(tl.Save())
	if tl.Lines.Load() != 1000 || tl.Bytes.Load() != 2000 || tl.Files.Load() != 0 {
		t.Errorf("%d lines, %d bytes, %d files open", tl.Lines.Load(), tl.Bytes.Load(), tl.Files.Load())
	}
	w.open()
	w.round()
	w.want()
}

// Lines that are longer than a portion come from more files than may be open, too.
func TestLongLinesOfManyFiles(t *testing.T) {
	w := newWorld(t, "*.log")
	w.o.MaxLine = 4 * portion
	w.open()
	w.t.maxOpen = 2
	var want []string
	for i := range 5 {
		text := strings.Repeat(strconv.Itoa(i), 3*portion)
		w.append(fmt.Sprintf("%d.log", i), text+"\n")
		want = append(want, text)
	}
	w.round()
	slices.Sort(w.got)
	w.want(want...)
}

// Unfinished lines are not kept for long, but for short ones, and yet are given whole.
func TestLongUnfinishedLines(t *testing.T) {
	w := newWorld(t, "*.log")
	w.o.MaxLine = 2 * portion
	w.open()
	var want []string
	for i := range 5 {
		text := strings.Repeat(strconv.Itoa(i), portion)
		w.append(fmt.Sprintf("%d.log", i), "first\n"+text)
		want = append(want, text+".")
	}
	w.round()
	w.want("first", "first", "first", "first", "first")
	held := 0
	for _, f := range w.t.order {
		held += f.split.held()
	}
	if held > portion/2 {
		t.Errorf("%d bytes are held", held)
	}
	w.round()
	w.rename("1.log", "1.old")
	for i, name := range []string{"0.log", "1.old", "2.log", "3.log"} {
		w.append(name, []string{".\n", ".", ".\n", ".\n"}[i])
	}
	for range 10 { // until 1.old, too, has no more to come
		w.round()
	}
	slices.Sort(w.got)
	w.want(want[:4]...)
	w.kill()
	w.append("4.log", ".\n")
	w.round()
	w.want(want[4])
	if w.t.Lost.Load() != 0 {
		t.Errorf("%d bytes lost", w.t.Lost.Load())
	}
}
