package trial

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alspan/alspan/bench/systems"
)

// Rest is what a system costs that has nothing to do.
type Rest struct {
	System   string
	Resident float64 // MiB
	Core     float64 // percent of one
}

const settleTime = time.Second

// Idle measures a system without traffic.
func Idle(ctx context.Context, bin *systems.Binaries, s *systems.System, d time.Duration) (*Rest, error) {
	dir, err := os.MkdirTemp("", "alspan-bench-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	b, err := start(ctx, bin, s, dir, false)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	time.Sleep(settleTime)
	before, err := b.running.CPU()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	time.Sleep(d)
	after, err := b.running.CPU()
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	m, err := b.running.Memory()
	if err != nil {
		return nil, err
	}
	return &Rest{System: s.Name, Resident: float64(m.Now) / (1 << 20), Core: (after - before).Seconds() / took.Seconds() * 100}, nil
}
