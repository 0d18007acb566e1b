// Command load sends traffic to a server for a warm-up, says so on stdout as a line of JSON, waits for a line on stdin,
// sends for the measured time, says so again, waits for a second line and ends its streams.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/alspan/alspan/bench/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o load.Options
	flag.StringVar(&o.To, "to", "127.0.0.1:4317", "the server")
	flag.StringVar((*string)(&o.Protocol), "protocol", string(load.ALS), "als, otlp, raw or both")
	flag.IntVar(&o.Streams, "streams", 4, "connections")
	flag.Float64Var(&o.Rate, "rate", 0, "entries a second in all; 0: as fast as they are taken")
	flag.IntVar(&o.Entries, "entries", 14, "entries a message; 14 make 16 KiB, as Envoy sends them under load")
	flag.StringVar((*string)(&o.Headers), "headers", string(load.W3C), "logged trace context: w3c, b3 or none")
	flag.IntVar(&o.Window, "window", 0, "entries on their way at most; 0: no limit")
	flag.StringVar(&o.Control, "control", "", "the sink's control address, for -window")
	flag.BoolVar(&o.Foreign, "foreign", false, "with otlp: spans of something else than Envoy")
	flag.IntVar(&o.Probes, "probes", 0, "with otlp: every such span is a probe, which the server is expected to drop; 0: none")
	flag.IntVar(&o.Halves.Spans, "spans", 5, "with both: spans a request")
	flag.IntVar(&o.Halves.Every, "every", 1, "with both: every such request has both halves, the others are two requests with one each; 0: none, and no half says that there might be another")
	flag.DurationVar(&o.Halves.Lag, "lag", time.Second, "with both: how long entries come after their spans, at most; the streams differ")
	warm := flag.Duration("warm", time.Second, "warm-up")
	duration := flag.Duration("duration", 5*time.Second, "measured time")
	number := flag.Uint("run", 1, "number of the warm-up's run; the measured one has the next")
	flag.Parse()

	l, err := load.Open(ctx, o)
	if err != nil {
		return err
	}
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for i, d := range []time.Duration{*warm, *duration} {
		report, err := l.Run(ctx, uint32(*number)+uint32(i), d)
		if err != nil {
			return err
		}
		if err := out.Encode(report); err != nil {
			return fmt.Errorf("cannot report: %w", err)
		}
		if _, err := in.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read stdin: %w", err)
		}
	}
	return l.Close()
}
