// Package process takes a command and gives it running, with what it costs: the CPU time of all its threads, to the
// nanosecond, and its memory.
package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a running command.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	done  chan struct{}
	err   error
	tail  tail
	asked sync.Once
}

// stopTimeout is how long a process has to end after SIGTERM.
const stopTimeout = 15 * time.Second

// Start runs a program. Its stderr is kept, the last part of it, for error messages.
func Start(name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stderr = &p.tail
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the runner
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot open a pipe: %w", err)
	}
	// Not StdoutPipe: Wait would close it under the reader.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot open a pipe: %w", err)
	}
	p.cmd.Stdout, p.in, p.out = w, in, bufio.NewReader(r)
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Read decodes the next line of JSON that the process prints.
func (p *Process) Read(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("cannot read what %s says: %w\n%s", p.cmd.Path, err, p.tail.text())
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("cannot decode %q of %s: %w", line, p.cmd.Path, err)
	}
	return nil
}

// Say writes an empty line to the process.
func (p *Process) Say() error {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return fmt.Errorf("cannot write to %s: %w", p.cmd.Path, err)
	}
	return nil
}

// Alive gives an error when the process has ended.
func (p *Process) Alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("cannot go on: %s has ended (%w)\n%s", p.cmd.Path, errors.Join(p.err, errors.New("too early")), p.tail.text())
	default:
		return nil
	}
}

// CPU gives the CPU time that all threads of the process have used, those that have ended included.
func (p *Process) CPU() (time.Duration, error) {
	// The clock of another process: CPUCLOCK_SCHED (2) and the complement of its number, as clock_getcpuclockid(3) makes it.
	clock := int32(^p.cmd.Process.Pid)<<3 | 2
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("cannot read the CPU clock of %s: %w", p.cmd.Path, err)
	}
	return time.Duration(t.Nano()), nil
}

// Memory is resident memory in bytes.
type Memory struct{ Now, Peak int64 }

// Memory gives what the process occupies.
func (p *Process) Memory() (m Memory, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return m, fmt.Errorf("cannot read the memory of %s: %w", p.cmd.Path, err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64) // other lines have other values
		switch f[0] {
		case "VmRSS:":
			m.Now = kib << 10
		case "VmHWM:":
			m.Peak = kib << 10
		}
	}
	return m, nil
}

// Wait waits until the process ends by itself.
func (p *Process) Wait(within time.Duration) error {
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("cannot go on: %s failed: %w\n%s", p.cmd.Path, p.err, p.tail.text())
		}
		return nil
	case <-time.After(within):
		return fmt.Errorf("cannot wait longer for %s", p.cmd.Path)
	}
}

// Stop asks the process to end, and kills it if it does not.
func (p *Process) Stop() {
	p.asked.Do(func() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }) // it may have ended
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.in.Close()
}

// tail keeps the last part of what is written.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b = append(t.b, b...); len(t.b) > 8<<10 {
		t.b = append(t.b[:0], t.b[len(t.b)-4<<10:]...)
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
