// Package tail takes globs of log files and gives their complete lines, each once, over rotation, truncation and restarts.
//
// A file is known by its device, its inode and what it begins with, never by its name. What was read of it is saved once
// it has left the process, so that a kill loses nothing: what was on its way is read again.
package tail

import (
	"container/list"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what is followed.
type Options struct {
	Paths     []string         // globs, in the syntax of filepath.Match; those that match copies of other files give lines twice
	Positions string           // file in which positions are saved; "" saves none
	MaxLine   int              // bytes of a logical line; a longer one is left out whole and counted; 1 MiB when 0
	Poll      time.Duration    // how often files are looked at; 200 ms when 0
	Settled   func() time.Time // everything handed over before that time has left the process for good; nil: all has
	Log       *slog.Logger     // nil: none
}

// Consumer takes some lines, which are valid during the call. It is called by one goroutine; while it blocks, nothing is read.
type Consumer func(*Batch)

// Counters may be read at any time.
type Counters struct {
	Files     atomic.Int64 // open now
	Behind    atomic.Int64 // bytes not yet read, as of the last look
	Lines     atomic.Int64 // handed over
	Bytes     atomic.Int64 // read
	Rotated   atomic.Int64 // files whose path leads elsewhere, or nowhere
	Truncated atomic.Int64 // times that a file was rewritten or cut
	TooLong   atomic.Int64 // lines left out
	Lost      atomic.Int64 // bytes that were there, and gone before they were read
	Failed    atomic.Int64 // errors of opening and reading; what cannot be opened counts once
}

const (
	portion  = 256 << 10 // of a file, until it is the next one's turn
	maxOpen  = 512       // files that stay open although nothing is to be read
	maxIdle  = 4 << 10   // bytes of unfinished lines that are kept of a closed file; more are read again
	maxHeld  = 64 << 10  // bytes of unfinished lines that are kept of an open file, once it is read to its end
	hold     = 50        // looks without growth until a file that was rotated is done
	globEach = 5         // looks
)

// Tailer follows files.
type Tailer struct {
	Counters
	o       Options
	consume Consumer
	log     *slog.Logger
	now     func() time.Time
	maxOpen int
	hold    int

	mu       sync.Mutex // held by who reads or saves
	stop     chan struct{}
	stopOnce sync.Once

	looks  int
	paths  []string
	failed map[string]bool // paths whose failure was logged
	files  map[key]*file
	order  []*file    // as they were found
	open   *list.List // of *file, the one that was read last first
	buf    []byte
	head   []byte
	batch  Batch
	save   saver
}

type key struct{ device, inode uint64 }

// Open reads the saved positions. Without any, files that are there go on from their end, except for an unfinished line;
// files that appear later, and with saved positions all others, are read from their start. It is an error if positions
// cannot be saved. A file of positions that cannot be understood is set aside.
func Open(o Options, consume Consumer) (*Tailer, error) {
	for _, p := range o.Paths {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("cannot follow %q: %w", p, err)
		}
	}
	if o.MaxLine == 0 {
		o.MaxLine = 1 << 20
	}
	if o.Poll == 0 {
		o.Poll = 200 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tailer{o: o, consume: consume, log: o.Log, now: time.Now, maxOpen: maxOpen, hold: hold, stop: make(chan struct{}),
		failed: map[string]bool{}, files: map[key]*file{}, open: list.New(),
		buf: make([]byte, portion), head: make([]byte, printed), save: saver{path: o.Positions, files: map[key]record{}}}
	known, err := t.load()
	if err != nil {
		return nil, err
	}
	if !known {
		t.find(true)
	}
	if err := t.save.write(t.now()); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// Run reads until Stop.
func (t *Tailer) Run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	tick := time.NewTicker(t.o.Poll)
	defer tick.Stop()
	for !t.stopped() {
		t.look()
		for more := true; more && !t.stopped(); {
			more = t.pass()
			select {
			case <-tick.C:
				if more {
					t.look()
				}
			default:
			}
		}
		select {
		case <-t.stop:
		case <-tick.C:
		}
	}
	t.glob() // files that have just appeared are known at the next start, whatever they are called by then
	t.look()
	t.save.written = time.Time{}
	t.saveSettled()
	t.close()
}

// Stop ends Run and waits for it, and so for the consumer's last call.
func (t *Tailer) Stop() {
	t.stopOnce.Do(func() { close(t.stop) })
	t.mu.Lock()
	t.mu.Unlock() //nolint:staticcheck // what is waited for is the end of Run
}

// Save saves, after Stop, that everything handed over has left the process. Without it a next start reads again what had
// not settled.
func (t *Tailer) Save() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.snapshot()
	t.save.settle(func(time.Time) bool { return true })
	return t.save.write(t.now())
}

func (t *Tailer) stopped() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

func (t *Tailer) close() {
	for _, f := range t.order {
		t.shut(f)
	}
}
