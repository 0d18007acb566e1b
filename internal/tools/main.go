// Command tools takes the names of real peers (Envoy, Jaeger, Python's OpenTelemetry, Kubernetes' API server and its like) and of tools
// (Spin, Helm, Buildah) and gives their binaries, in a cache folder outside the repository. Tests and the demo find them there.
//
//	go run ./internal/tools                       install everything that is missing
//	go run ./internal/tools install envoy 1.39.3  install one
//	go run ./internal/tools path envoy 1.39.3     print where it is
//
// The OpenTelemetry Collector of the benchmarks (otelcol 0.155.0) is only installed by name.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) == 0 {
		args = []string{"install"}
	}
	wanted := toolbox.All()
	if len(args) == 3 {
		wanted = []toolbox.Tool{{Name: args[1], Version: args[2]}}
	}
	switch {
	case args[0] == "path" && len(args) == 3:
		path, err := toolbox.Path(wanted[0])
		if err != nil {
			return err
		}
		fmt.Fprintln(out, path)
		return nil
	case args[0] == "install" && (len(args) == 1 || len(args) == 3):
		for _, tool := range wanted {
			path, err := toolbox.Install(ctx, tool, log)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, path)
		}
		return nil
	}
	return fmt.Errorf("cannot understand %q: want install, install NAME VERSION or path NAME VERSION", args)
}
