package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// container is a container with its runtime and the kubelet: it writes what a container says to its log file, in the format of CRI, and rotates that.
type container struct {
	path string // pods/NAMESPACE_POD_UID/CONTAINER/0.log

	mu     sync.Mutex
	file   *os.File
	rest   []byte // of a line that is not all said
	lines  int
	pieces int
	err    error
}

func newContainer(dir, namespace, pod, name string) (*container, error) {
	dir = filepath.Join(dir, "pods", namespace+"_"+pod+"_"+uuid(pod), name)
	r := &container{path: filepath.Join(dir, "0.log")}
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = r.open()
	}
	return r, err
}

func (r *container) open() (err error) {
	r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return err
}

// Write takes what the container says on its standard output.
func (r *container) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, b...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte{'\n'})
		if !whole {
			break
		}
		r.write(line)
		r.rest = rest
	}
	return len(b), r.err
}

// write writes a line, of each three one in a piece, one in two and one in three, with a word on stderr between them.
func (r *container) write(line []byte) {
	for n := r.lines % 3; n > 0; n-- {
		piece := line[:len(line)/(n+1)]
		line = line[len(piece):]
		r.say("stdout P", piece)
		r.say("stderr F", []byte("[warning][misc] something else"))
		r.pieces++
	}
	r.say("stdout F", line)
	r.lines++
}

func (r *container) say(what string, text []byte) {
	_, err := fmt.Fprintf(r.file, "%s %s %s\n", time.Now().Format(time.RFC3339Nano), what, text)
	r.err = errors.Join(r.err, err)
}

// rotate renames the file and opens another one in its place.
func (r *container) rotate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.path + "." + time.Now().Format("20060102-150405.000000")
	r.err = errors.Join(r.err, os.Rename(r.path, old), r.file.Close(), r.open())
}

// written gives how many lines there are.
func (r *container) written() (lines, pieces int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines, r.pieces, r.err
}
