// Command sink counts OTLP spans and log records and discards plain TCP. It prints its addresses as a line of JSON
// and answers on the control address until it is ended.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alspan/alspan/bench/sink"
)

func main() {
	byRequest := flag.Bool("by-request-id", false, "take the item's number from the request id instead of the trace id")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := sink.Start(*byRequest)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"otlp": s.OTLP, "raw": s.Raw, "control": s.Control})
	<-ctx.Done()
	s.Close()
}
