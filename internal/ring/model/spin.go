package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// checker runs Spin.
type checker struct{ spin, cc string }

// result is what a verifier found in every interleaving of one configuration.
type result struct {
	states    int
	took      time.Duration
	megabytes int
	fault     string // the first broken assertion, "" when there is none
	trace     string // the last steps towards it
}

// The verifier: assertions and deadlocks, no liveness (what would never go on is asserted by the model's Monitor).
var verifier = []string{"-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=4000", "-o", "pan", "pan.c"}

// check generates, compiles and runs the verifier of a configuration in a folder of its own.
func (c checker) check(ctx context.Context, conf config) (r result, err error) {
	dir, err := os.MkdirTemp("", "alspan-model-")
	if err != nil {
		return r, fmt.Errorf("cannot make a work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, sources); err != nil {
		return r, fmt.Errorf("cannot write the model: %w", err)
	}
	if _, err := command(ctx, dir, c.spin, append(conf.flags(), "-a", "ring.pml")...); err != nil {
		return r, err
	}
	if _, err := command(ctx, dir, c.cc, verifier...); err != nil {
		return r, err
	}
	began := time.Now()
	says, err := command(ctx, dir, filepath.Join(dir, "pan"), "-m10000")
	r.took = time.Since(began)
	if err != nil {
		return r, err
	}
	if err := r.read(says); err != nil || r.fault == "" {
		return r, err
	}
	if _, err := fs.Stat(os.DirFS(dir), "ring.pml.trail"); err != nil {
		return r, fmt.Errorf("cannot find the trace of %q: %w", r.fault, err)
	}
	steps, err := command(ctx, dir, c.spin, append(conf.flags(), "-t", "-p", "ring.pml")...)
	lines := strings.Split(steps, "\n")
	r.trace = strings.Join(lines[max(0, len(lines)-80):], "\n")
	return r, err
}

var (
	statesPattern = regexp.MustCompile(`(?m)^ *(\S+) states, stored`)
	memoryPattern = regexp.MustCompile(`(?m)^ *(\S+)\s+total actual memory usage`)
	errorsPattern = regexp.MustCompile(`errors: (\d+)`)
	faultPattern  = regexp.MustCompile(`(?m)^pan:\d+: (.*) \(at depth \d+\)`)
)

// read understands the verifier's report; whatever is not a whole search or a fault is an error.
func (r *result) read(says string) error {
	states, found := statesPattern.FindStringSubmatch(says), errorsPattern.FindStringSubmatch(says)
	if states == nil || found == nil {
		return fmt.Errorf("cannot read the verifier's report: %q", says)
	}
	n, err := strconv.ParseFloat(states[1], 64)
	if err != nil {
		return fmt.Errorf("cannot read the number of states: %w", err)
	}
	r.states = int(n)
	if m := memoryPattern.FindStringSubmatch(says); m != nil {
		mb, _ := strconv.ParseFloat(m[1], 64)
		r.megabytes = int(mb)
	}
	fault := faultPattern.FindStringSubmatch(says)
	if found[1] != "0" && fault != nil {
		r.fault = fault[1]
		return nil
	}
	for _, sign := range []string{"Search not completed", "max search depth too small", "pan: reached", "pan: out of memory"} {
		if strings.Contains(says, sign) {
			return fmt.Errorf("cannot finish the search: %s", sign)
		}
	}
	if found[1] != "0" {
		return fmt.Errorf("cannot read the fault in the verifier's report: %q", says)
	}
	return nil
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot run %s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
