// Package systems takes the binaries of what is compared (alspan, the OpenTelemetry Collector, the official path, the
// floor of the kernel) and gives them as running processes that send to a sink, all uncompressed.
package systems

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/bench/process"
)

// Output is what a system sends on.
type Output string

// The outputs.
const (
	Spans   Output = "spans"   // counted one by one
	Records Output = "records" // log records, counted
	Bytes   Output = "bytes"   // as they came
	Nothing Output = "nothing" // only received
)

// System is one thing to measure.
type System struct {
	Name  string // as the tables call it
	Takes load.Protocol
	Gives Output
	// Window says that the system drops what it cannot pass on, so that a saturating load must not run ahead further.
	Window int
	// Quiet is how long nothing may come out of it before what has not come is lost, if that is longer than usual.
	Quiet time.Duration
	// Needs is a binary that may be missing.
	Needs func(*Binaries) error

	start func(b *Binaries, dir string, to Sink) (*Running, error)
}

// Sink is where a system sends.
type Sink struct {
	OTLP    string `json:"otlp"`
	Raw     string `json:"raw"`
	Control string `json:"control"`
}

// Running is a system that receives.
type Running struct {
	*process.Process
	In      string `json:"in"`
	Control string `json:"control"` // of the floor: counts the bytes that were read
	Admin   string `json:"-"`       // where alspan's metrics are, if they are wanted
	Pprof   string `json:"-"`       // where its profiles are, if they are
}

// ErrNotYet says that the system cannot do that kind of work.
var ErrNotYet = errors.New("not received yet")

const readyTimeout = 20 * time.Second

// Start starts the system in a folder of its own and waits until it receives.
func (s *System) Start(ctx context.Context, b *Binaries, dir string, to Sink) (*Running, error) {
	r, err := s.start(b, dir, to)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", s.Name, err)
	}
	if err := r.ready(ctx); err != nil {
		r.Stop()
		return nil, fmt.Errorf("cannot start %s: %w", s.Name, err)
	}
	if s.Takes == load.OTLP {
		if err := takesTraces(ctx, r.In); err != nil {
			r.Stop()
			return nil, fmt.Errorf("cannot measure %s with traces: %w", s.Name, err)
		}
	}
	return r, nil
}

// ready waits until the address accepts connections.
func (r *Running) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.In)
		if err == nil {
			return c.Close()
		}
		if err := r.Alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot wait longer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freeAddress gives a port that nobody uses at this moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// configured starts a program with a configuration file; %[1]s in it is the address where it receives.
func configured(dir, config string, command func(file string) []string) (*Running, error) {
	in, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, in), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the configuration: %w", err)
	}
	args := command(file)
	p, err := process.Start(args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	return &Running{Process: p, In: in}, nil
}

// announced starts a program that prints its own addresses.
func announced(name string, args ...string) (*Running, error) {
	p, err := process.Start(name, args...)
	if err != nil {
		return nil, err
	}
	r := &Running{Process: p}
	if err := p.Read(r); err != nil {
		p.Stop()
		return nil, err
	}
	return r, nil
}
