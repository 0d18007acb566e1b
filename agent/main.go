// Package agent takes command-line arguments and gives a running alspan: it wires the stages and owns their life.
// pipeline.go is the page to read first.
package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/alspan/alspan/internal/config"
)

// Main runs the command and gives the exit status: 0, or 1 for a failure.
func Main(args []string) int {
	// The first signal stops the agent in good order, a second one at once.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	root := command()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "alspan: %v\n", err)
		return 1
	}
	return 0
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "alspan",
		Short:         "Turns Envoy access logs into OpenTelemetry spans.",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), demoCommand(), validateCommand(), filterCommand(), convertCommand(), configCommand())
	return root
}

func runCommand() *cobra.Command {
	var file string
	var stdout bool
	c := &cobra.Command{Use: "run", Short: "Run the agent.", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		from := &configSource{file: file, level: new(slog.LevelVar)}
		cfg, err := from.load()
		if err != nil {
			return err
		}
		from.level.Set(levelOf(cfg.Log))
		log := newLog(c.ErrOrStderr(), cfg.Log.Format, from.level)
		for _, w := range warnings(cfg, os.LookupEnv) {
			log.Warn(w)
		}
		limitMemory(log)
		if !stdout {
			return run(c.Context(), cfg, from, nil, log)
		}
		screen := newScreen(c.OutOrStdout())
		defer screen.close()
		return run(c.Context(), cfg, from, screen.add, log)
	}}
	fileFlag(c, &file)
	c.Flags().BoolVar(&stdout, "stdout", false, "print spans as trees instead of sending them")
	return c
}

// warnings tells what is allowed and yet hardly meant.
func warnings(c *config.Config, lookup func(string) (string, bool)) (list []string) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if v, ok := lookup(name); ok && v != "" && v != "grpc" {
			list = append(list, fmt.Sprintf("%s is %q, but spans are sent by gRPC", name, v))
		}
	}
	if target, _ := c.Export.Target(); strings.HasSuffix(target, ":4318") {
		list = append(list, "export.endpoint has port 4318, where OTLP over HTTP is expected, but spans are sent by gRPC: port 4317 is usual")
	}
	return list
}

func validateCommand() *cobra.Command {
	var file string
	c := &cobra.Command{Use: "validate", Short: "Check a configuration file.", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		cfg, err := config.Load(file, os.LookupEnv)
		if err == nil {
			err = checkFiles(cfg)
		}
		if err == nil {
			_, err = newRules(cfg, nil, slog.New(slog.DiscardHandler))
		}
		if err == nil {
			_, err = newSampler(cfg, slog.New(slog.DiscardHandler))
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), "The configuration is valid.")
		return nil
	}}
	fileFlag(c, &file)
	return c
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show what can be configured."}
	show := func(use, short string, text func() []byte) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(text())
			return err
		}})
	}
	show("default", "Print the default configuration with explanations.", config.DefaultYAML)
	show("schema", "Print the JSON Schema of the configuration file.", config.Schema)
	return c
}

func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", "", "configuration file (YAML); without it the defaults hold")
}

// newLog makes the agent's own log.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func levelOf(c config.Log) (level slog.Level) {
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// release is set by the linker where the version cannot be read from the checkout: in the image.
var release string

// version gives the module's version: that of the tag it was built from, else "devel" with the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return "devel"
}
