// Command official runs the yardstick agent of package official. It prints its address as a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alspan/alspan/bench/official"
)

func main() {
	to := flag.String("to", "", "the OTLP sink")
	events := flag.Bool("events", false, "write timings as span events")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a, err := official.Start(*to, *events)
	if err != nil {
		fmt.Fprintln(os.Stderr, "official:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"in": a.Address})
	<-ctx.Done()
	a.Close()
	if n := a.Failed.Load(); n > 0 {
		fmt.Fprintln(os.Stderr, "official: spans failed:", n)
		os.Exit(1)
	}
}
