package e2e

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a child process whose stderr and stdout are kept for the failure report.
type process struct {
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // after done
}

// start starts a process that is killed at the end of the test at the latest. What it wrote is shown if the test fails.
func start(t *testing.T, name, path string, args ...string) *process {
	t.Helper()
	return startInto(t, nil, name, path, args...)
}

// startInto is start with another place for stdout, unless that is nil.
func startInto(t *testing.T, stdout io.Writer, name, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.out.news = make(chan struct{}, 1)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, tail(p.out.String(), 60))
		}
	})
	return p
}

// stop asks the process to end and waits; it gives how long that took and the exit error.
func (p *process) stop(limit time.Duration) (time.Duration, error) {
	began := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
		p.cmd.Process.Kill()
		<-p.done
	}
	return time.Since(began), p.err
}

// await waits until find has something in the output, and gives that.
func (p *process) await(t *testing.T, limit time.Duration, find func(output string) string) string {
	t.Helper()
	deadline := time.After(limit)
	for {
		if found := find(p.out.String()); found != "" {
			return found
		}
		select {
		case <-p.out.news:
		case <-p.done:
			if found := find(p.out.String()); found != "" {
				return found
			}
			t.Fatalf("%s ended too early: %v", p.name, p.err)
		case <-deadline:
			t.Fatalf("%s did not say what it should within %s", p.name, limit)
		}
	}
}

// output collects what a process writes and tells when there is more.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	news chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually asks again and again until there is no error, and fails the test with the last one after the limit.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
