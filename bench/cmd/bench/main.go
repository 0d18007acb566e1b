// Command bench runs alspan, the OpenTelemetry Collector, the official path and the floor of the kernel as processes under
// the same load, in turns, and writes bench/RESULTS.md and bench/scaling.svg.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/alspan/alspan/bench/report"
	"github.com/alspan/alspan/bench/systems"
	"github.com/alspan/alspan/bench/trial"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	quick := flag.Bool("quick", false, "the main tables only, shorter; print them and write no file")
	only := flag.String("only", "", "run the scenarios whose name matches this expression, print them and write no file")
	chosen := flag.String("systems", "", "measure only the systems whose name matches this expression; write no file")
	rounds := flag.Int("rounds", 0, "rounds of each table (default 5, quick 1)")
	duration := flag.Duration("duration", 0, "measured time of each trial (default 4s, quick 2s)")
	other := flag.String("other", "", "another build of alspan: one more row in the tables of access logs")
	profiles := flag.String("profiles", "", "folder for CPU profiles of alspan, one of each trial; they cost some of what is measured")
	stages := flag.String("stages", "", "file with the output of go test -bench, for the table of stages")
	flag.Parse()

	q := scale{warm: time.Second, duration: 4 * time.Second, rounds: 5, scalingRounds: 3, scaling: true}
	if *quick {
		q = scale{warm: time.Second, duration: 2 * time.Second, rounds: 1}
	}
	if *rounds > 0 {
		q.rounds, q.scalingRounds = *rounds, *rounds
	}
	if *duration > 0 {
		q.duration = *duration
	}
	q.other = *other != ""
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("cannot understand -only: %w", err)
	}

	named, err := regexp.Compile(*chosen)
	if err != nil {
		return fmt.Errorf("cannot understand -systems: %w", err)
	}

	dir, err := os.MkdirTemp("", "alspan-bench-")
	if err != nil {
		return fmt.Errorf("cannot make a folder for the binaries: %w", err)
	}
	defer os.RemoveAll(dir)
	bin, err := systems.Build(ctx, dir)
	if err != nil {
		return err
	}
	bin.Other, bin.Profiles = *other, *profiles
	doc := &report.Document{Machine: report.ThisMachine(bin.Root),
		How: fmt.Sprintf("%d rounds of %s after a warm-up of %s; %d for the plots.\n", q.rounds, q.duration, q.warm, q.scalingRounds)}
	if *stages != "" {
		if doc.Stages, err = report.ReadStages(*stages); err != nil {
			return err
		}
	}
	if wanted.MatchString(idleName) {
		if err := idle(ctx, bin, doc); err != nil {
			return err
		}
	}
	for _, s := range append(append(scenarios(q), joins(q)...), scaling(q)...) {
		if !wanted.MatchString(s.String()) {
			continue
		}
		t, err := measure(ctx, bin, &s, named)
		if err != nil {
			return err
		}
		doc.Tables = append(doc.Tables, *t)
	}
	if *quick || *only != "" || *chosen != "" {
		fmt.Print(doc.Text())
		return nil
	}
	folder := filepath.Join(bin.Root, "bench")
	if err := doc.Plot(filepath.Join(folder, "scaling.svg"), []string{byStreams, byRate, bySize}); err != nil {
		return err
	}
	return doc.WriteInto(filepath.Join(folder, "RESULTS.md"))
}

// measure runs a scenario: in each round every system has its turn, so that a slower hour hits all of them.
func measure(ctx context.Context, bin *systems.Binaries, s *scenario, wanted *regexp.Regexp) (*report.Table, error) {
	t := &report.Table{Name: s.name, Note: s.note, Point: s.point, Traces: s.point == 0, Base: s.base}
	var able []*systems.System
	for _, system := range s.systems {
		row := report.Row{System: system.Name}
		if !wanted.MatchString(system.Name) {
			row.Missing = "not asked for"
		} else if system.Needs != nil {
			if err := system.Needs(bin); err != nil {
				row.Missing = err.Error()
			}
		}
		t.Rows = append(t.Rows, row)
		able = append(able, system)
	}
	for round := range s.rounds {
		for i, system := range able {
			if t.Rows[i].Missing != "" {
				continue
			}
			traffic := s.traffic
			if s.each != nil {
				traffic = s.each[i]
			}
			traffic.Name = fmt.Sprintf("%s %s %d", s.name, system.Name, round+1)
			r, err := trial.Run(ctx, bin, system, traffic)
			if errors.Is(err, systems.ErrNotYet) {
				t.Rows[i].Missing = systems.ErrNotYet.Error()
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("cannot measure %s with %s: %w", s, system.Name, err)
			}
			fmt.Fprintf(os.Stderr, "%-45s round %d  %-42s %8.2f us/entry %9.0f/s lost %d doubled %d\n", s, round+1, system.Name, r.CPU, r.Rate, r.Lost, r.Doubled)
			if r.Join != nil {
				fmt.Fprintf(os.Stderr, "  peak %.0f MiB, late %.0f ms, %s\n", r.Peak, r.Late, r.Join)
			}
			if len(r.Named) > 0 && !s.traffic.Overrun && r.Join == nil {
				fmt.Fprintln(os.Stderr, "  "+strings.Join(r.Named, "\n  "))
			}
			t.Rows[i].Results = append(t.Rows[i].Results, *r)
		}
	}
	return t, nil
}

const (
	idleName = "idle"
	idleTime = 5 * time.Second
)

// idle measures what runs for days in a DaemonSet without traffic.
func idle(ctx context.Context, bin *systems.Binaries, doc *report.Document) error {
	for _, s := range alsSystems(false)[:3] {
		if s.Needs != nil && s.Needs(bin) != nil {
			continue
		}
		r, err := trial.Idle(ctx, bin, s, idleTime)
		if err != nil {
			return fmt.Errorf("cannot measure %s idle: %w", s.Name, err)
		}
		doc.Idle = append(doc.Idle, *r)
	}
	return nil
}
