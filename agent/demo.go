package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/spanbuilder"
)

// demo is the whole product on one machine: traffic through two Envoys, the agent, and an upstream that draws what it gets.
type demo struct {
	out   io.Writer
	log   *slog.Logger
	envoy string // path of a real Envoy, "" for the built-in one
	rate  float64
}

func demoCommand() *cobra.Command {
	var d demo
	var duration time.Duration
	var builtin bool
	c := &cobra.Command{Use: "demo", Short: "Show traces of real or made-up traffic, with nothing to set up.", Args: cobra.NoArgs,
		Long: "Starts the agent, an OTLP receiver that draws each finished trace, and traffic: through a real Envoy when one is found,\n" +
			"else from a built-in stand-in that speaks the same protocol.",
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			if duration > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, duration)
				defer cancel()
			}
			if builtin {
				d.envoy = ""
			} else if d.envoy == "" {
				d.envoy = findEnvoy()
			}
			d.out, d.log = c.OutOrStdout(), newLog(c.ErrOrStderr(), "text", slog.LevelWarn)
			return d.run(ctx)
		}}
	c.Flags().DurationVar(&duration, "duration", 0, "end after this time; without it Ctrl-C ends the demo")
	c.Flags().StringVar(&d.envoy, "envoy", "", "the Envoy binary to use")
	c.Flags().BoolVar(&builtin, "fake", false, "use the built-in fake Envoy even if a real one is found")
	c.Flags().Float64Var(&d.rate, "rate", 2, "requests per second")
	return c
}

func (d *demo) run(ctx context.Context) error {
	screen := newScreen(d.out)
	backend, err := fake.NewBackend(fake.BackendOptions{Keep: -1, OnRequest: func(r *fake.Request) {
		if r.Traces != nil {
			screen.add(r.Traces.ResourceSpans)
		}
	}})
	if err != nil {
		return err
	}
	defer backend.Close()
	c := config.Default()
	c.Receive.GRPC.Address, c.Receive.ALS.Address, c.Admin.Address = "127.0.0.1:0", "", "127.0.0.1:0"
	c.Receive.HTTP.Address, c.Receive.Zipkin.Address = "", ""
	if d.envoy == "" {
		c.Correlate.Wait = 0 // the built-in Envoy has no tracer
	}
	c.Export.Endpoint, c.Export.Drain = "http://"+backend.Address(), 5*time.Second
	c.Pods.Enabled = "off" // its Envoys are no pods
	a, err := Start(c, nil, d.log)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "alspan receives access logs on %s and has metrics on http://%s/metrics\n", a.Address(), a.admin.listeners[0].Addr())
	sent, err := d.traffic(ctx, a.Address(), screen)
	a.Stop()
	screen.close()
	return errors.Join(err, d.totals(a, sent, backend.Stats()))
}

// traffic makes requests until ctx is over and gives their number.
func (d *demo) traffic(ctx context.Context, address string, s *screen) (int, error) {
	if d.envoy != "" {
		fmt.Fprintf(d.out, "Traffic goes through a real Envoy: %s\nCtrl-C ends the demo.\n\n", d.envoy)
		return d.realTraffic(ctx, address)
	}
	fmt.Fprint(d.out, "Traffic comes from the built-in fake Envoy, since no real one was found.\n"+
		"For a real one run \"go run ./internal/tools install envoy 1.39.3\", put envoy on the PATH, or name it with --envoy.\nCtrl-C ends the demo.\n\n")
	totals, err := fake.Shop(ctx, fake.ShopOptions{Target: address, Rate: d.rate})
	return int(totals.Requests), err
}

// totals prints what came in and what went out, and complains when they do not add up.
func (d *demo) totals(a *Agent, sent int, got fake.BackendStats) error {
	e, s := &a.pipeline.Entries, &a.pipeline.Spans
	fmt.Fprintf(d.out, "\n%d requests\n%d entries received = %d used for spans + %d that told the caller's context + %d dropped\n", sent,
		e.Received.Load(), e.Used.Load(), e.Taught.Load(), dropped(e.Dropped[:]))
	fmt.Fprintf(d.out, "%d spans made + %d received from Envoy's tracer = %d taken by the receiver + %d dropped\n", s.Made.Load(), s.In.Load(), got.Spans, dropped(s.Dropped[:]))
	if n := a.pipeline.entryFates[spanbuilder.Joined].Load(); n > 0 {
		fmt.Fprintf(d.out, "%d entries and spans were joined into one\n", n)
	}
	if e.Balance() != 0 || s.Balance(a.pipeline.core) != 0 || s.Exported.Load() != int64(got.Spans) {
		return fmt.Errorf("cannot account for everything: entries %+d, spans %+d, the receiver has %d of %d", e.Balance(), s.Balance(a.pipeline.core), got.Spans, s.Exported.Load())
	}
	return nil
}
