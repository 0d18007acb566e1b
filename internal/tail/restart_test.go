package tail

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFirstStartWithinPieces(t *testing.T) {
	w := newWorld(t, "*.log")
	w.append("a.log", stamp+"stdout P a\n"+stamp+"stderr F x\n")
	w.open()
	w.append("a.log", stamp+"stdout F b\n")
	w.round()
	w.want("ab")
}

func TestRotationWhileAway(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\n")
	w.append("gone.log", "c1\n")
	w.append("zip.log", "d1\n")
	w.round()
	w.append("gone.log", "c2\n")
	w.round()
	w.want("a1", "c1", "d1", "c2")
	id := w.ids["a1"]
	w.t.Stop()
	w.append("a.log", "a2\n")
	w.rename("a.log", "a-2026.old")
	w.append("a.log", "b1\n")
	w.must(os.Remove(w.path("gone.log")))
	w.rename("zip.log", "zip.log.gz")
	w.restart()
	w.append("a-2026.old", "a3")
	for range 6 {
		w.round()
	}
	slices.Sort(w.got)
	w.want("a2", "a3", "b1")
	if w.ids["a2"] != id || len(w.t.files) != 1 {
		t.Errorf("ids %v, files %v", w.ids, w.t.files)
	}
}

func TestCut(t *testing.T) {
	long := strings.Repeat("x", 40)
	for name, c := range map[string]struct {
		text string
		cut  int
		more string
		want []string
	}{
		"between lines":          {long + "\nsecond\n", 41, "third\n", []string{"third"}},
		"within a line":          {long + "\nsecond\n", 44, "third\n", []string{"third"}},
		"within the unfinished":  {long + "\nunfinished", 44, "e\n", []string{"unfe"}},
		"before the unfinished":  {long + "\nsecond\nunfinished", 46, "e\n", []string{"e"}},
		"behind a piece":         {stamp + "stdout P a\n" + stamp + "stderr F x\n" + "plain\n", 84, stamp + "stdout F b\n", []string{"ab"}},
		"in a line after pieces": {stamp + "stdout P a\n" + stamp + "stderr F x\n" + "plain\n", 86, stamp + "stdout F b\n", []string{"ab"}},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restarted ", restarted), func(t *testing.T) {
				w := newWorld(t, "*.log")
				w.open()
				w.append("a.log", c.text)
				w.round()
				w.got = nil
				w.must(os.Truncate(w.path("a.log"), int64(c.cut)))
				w.round()
				w.want()
				if restarted {
					w.restart()
				}
				w.append("a.log", c.more)
				w.round()
				w.want(c.want...)
				w.restart()
				w.round()
				w.want()
			})
		}
	}
}

func TestKill(t *testing.T) {
	w := newWorld(t, "*.log")
	w.o.Settled = func() time.Time { return w.settled }
	w.open()
	w.append("a.log", strings.Repeat("x", 99)+"\na2\n")
	w.round()
	w.settled = w.clock.Add(1)
	w.round()
	w.append("a.log", "a3\n")
	w.round()
	w.got = nil
	w.kill()
	w.round()
	w.want("a3")
	w.settled = w.clock.Add(1)
	w.round()
	w.must(os.Truncate(w.path("a.log"), 100))
	w.round()
	w.append("a.log", "a4\n")
	w.round()
	w.want("a4")
	w.kill()
	w.round()
	w.want("a4")
	w.rename("a.log", "a.log.1")
	w.append("a.log", "b1\n")
	w.round()
	w.rename("a.log", "a.log.2")
	w.kill()
	w.round()
	slices.Sort(w.got)
	w.want("a4", "b1", "b1")
}

func TestPiecesOverARestart(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "")
	w.round()
	w.append("a.log", stamp+"stdout P a\n"+stamp+"stderr F x\nplain\n"+stamp+"stderr P y\n"+stamp+"stdout P b\n"+stamp+"std")
	w.round()
	w.want("x", "plain")
	for _, step := range []struct{ text, want string }{{"err F z\n", "yz"}, {stamp + "stderr F w\n", "w"}, {stamp + "stdout F c\n", "abc"}} {
		w.restart()
		w.append("a.log", step.text)
		w.round()
		w.want(step.want)
	}
	w.restart()
	w.round()
	w.want()
}

func TestPositionsThatCannotBeUsed(t *testing.T) {
	w := newWorld(t, "*.log")
	w.append("a.log", "a\n")
	for _, text := range []string{"{", `{"version":2}`, `{"version":1,"files":[{"offset":-1}]}`, `{"version":1,"files":[{"fingerprint":"9:00"}]}`} {
		w.must(os.WriteFile(w.o.Positions, []byte(text), 0o600))
		w.open()
		w.round()
		w.want("a")
		bad, err := os.ReadFile(w.o.Positions + ".bad")
		if err != nil || string(bad) != text {
			t.Errorf("set aside: %q, %v", bad, err)
		}
		w.t.close()
	}
	w.o.Positions = w.path("none/positions.json")
	if _, err := Open(w.o, nil); err == nil || !strings.HasPrefix(err.Error(), "cannot write positions: ") {
		t.Errorf("error %v", err)
	}
	w.o.Paths = []string{"["}
	if _, err := Open(w.o, nil); err == nil || !strings.Contains(err.Error(), `cannot follow "["`) {
		t.Errorf("error %v", err)
	}
}

func TestNothingSettlesForLong(t *testing.T) {
	w := newWorld(t, "*.log")
	w.o.Settled = func() time.Time { return w.settled }
	w.open()
	for i := range 500 {
		w.append(fmt.Sprint(i%10, ".log"), fmt.Sprint(i, "\n"))
		w.round()
	}
	if n := len(w.t.save.pending); n > maxPending {
		t.Errorf("%d snapshots", n)
	}
	w.settled = w.clock
	w.round() // the last line is not older
	w.got = nil
	w.kill()
	w.round()
	if n := len(w.got); n == 0 || n > 60 || !slices.Contains(w.got, "499") {
		t.Errorf("%d lines again: %v", n, w.got)
	}
	w.settled = w.clock.Add(1)
	w.round()
	w.kill()
	w.got = nil
	w.round()
	w.want()
}

// The inode of a known file is not enough: other content is another file, which no glob asks for.
func TestInodeOfAnotherFileWhileAway(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\n")
	w.round()
	w.want("a1")
	w.t.Stop()
	w.append("a.log", "a2\n")
	w.restart()
	w.rename("a.log", "data")
	w.must(os.WriteFile(w.path("data"), []byte("something else\n"), 0o600))
	for range 6 {
		w.round()
	}
	w.want()
	if len(w.t.files) != 0 {
		t.Errorf("%d files known", len(w.t.files))
	}
}

// A folder that cannot be listed for a while has no paths, but its files are still there.
func TestFolderThatCannotBeListed(t *testing.T) {
	w := newWorld(t, "*.log")
	w.open()
	w.append("a.log", "a1\n")
	w.round()
	paths := w.t.o.Paths
	w.t.o.Paths = nil
	for range 10 {
		w.round()
	}
	w.t.o.Paths = paths
	w.append("a.log", "a2\n")
	w.round()
	w.want("a1", "a2")
}
