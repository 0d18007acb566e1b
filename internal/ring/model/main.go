// Command model checks the protocol of internal/ring with Spin: every interleaving of small configurations must keep the
// assertions of ring.pml, and each seeded fault must break one. It installs Spin if it is missing, and needs a C compiler.
//
//	go run ./internal/ring/model          everything: minutes, up to 4 GB of memory
//	go run ./internal/ring/model -quick   the small configurations and the faults: seconds
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

//go:embed *.pml
var sources embed.FS

func main() {
	quick := flag.Bool("quick", false, "leave out the large configurations")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, quick bool) error {
	cc, err := compiler()
	if err != nil {
		return err
	}
	spin, err := toolbox.Install(ctx, toolbox.Spin(), os.Stderr)
	if err != nil {
		return err
	}
	began, c := time.Now(), checker{spin: spin, cc: cc}
	fmt.Printf("%-46s %12s %8s %9s  %s\n", "configuration", "states", "time", "memory", "verdict")
	bad := c.checkAll(ctx, small, runtime.NumCPU())
	if !quick {
		bad += c.checkAll(ctx, large, 1) // one by one, for their memory
	}
	bad += c.checkAll(ctx, faults, runtime.NumCPU())
	if bad > 0 {
		return fmt.Errorf("cannot trust the protocol or its model: %d verdicts are wrong", bad)
	}
	fmt.Printf("all as wanted, in %v, by %s\n", time.Since(began).Round(time.Second), toolbox.Spin())
	return nil
}

// compiler finds what Spin's verifiers are compiled with; Spin itself calls gcc for its preprocessor.
func compiler() (string, error) {
	for _, name := range []string{"gcc", "cc"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("cannot find a C compiler (gcc or cc): install one, on Debian the package gcc")
}

// checkAll checks configurations, several at a time, and tells how many verdicts were not the wanted ones.
func (c checker) checkAll(ctx context.Context, all []config, parallel int) (bad int) {
	type answer struct {
		result
		err error
	}
	answers := make([]chan answer, len(all))
	turns := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, conf := range all {
		answers[i] = make(chan answer, 1)
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			r, err := c.check(ctx, conf)
			answers[i] <- answer{r, err}
		})
	}
	for i, conf := range all {
		a := <-answers[i]
		verdict, ok := judge(conf, a.result, a.err)
		if !ok {
			bad++
		}
		fmt.Printf("%-46s %12d %7.1fs %6d MB  %s\n", conf, a.states, a.took.Seconds(), a.megabytes, verdict)
	}
	wg.Wait()
	return bad
}

// judge compares what was found with what is wanted: no fault in the protocol, one in each mutant.
func judge(conf config, r result, err error) (verdict string, ok bool) {
	switch {
	case err != nil:
		return "NOT CHECKED: " + err.Error(), false
	case conf.fault == "" && r.fault == "":
		return "holds", true
	case conf.fault == "":
		return "FAILS: " + r.fault + "\n" + indent(r.trace), false
	case r.fault == "":
		return "PASSES, although " + conf.why, false
	}
	return "caught: " + r.fault, true
}

func indent(s string) string { return "\t" + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n\t") }
