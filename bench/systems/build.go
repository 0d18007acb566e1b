package systems

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// Binaries are the programs. Collector is empty when it is not installed.
type Binaries struct {
	Alspan, Load, Sink, Official, Floor, Collector string
	Root                                           string // of the repository
	Other                                          string // another build of alspan, if there is one
	Profiles                                       string // folder for CPU profiles of alspan; empty: none are taken

	noCollector error
}

// Build builds everything but the collector into a folder.
func Build(ctx context.Context, dir string) (*Binaries, error) {
	root, err := command(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/alspan/alspan")
	if err != nil {
		return nil, err
	}
	b := &Binaries{Root: strings.TrimSpace(root)}
	for _, p := range []struct {
		path    *string
		name    string
		in, pkg string
	}{
		{&b.Alspan, "alspan", b.Root, "."},
		{&b.Load, "load", filepath.Join(b.Root, "bench"), "./cmd/load"},
		{&b.Sink, "sink", filepath.Join(b.Root, "bench"), "./cmd/sink"},
		{&b.Official, "official", filepath.Join(b.Root, "bench"), "./cmd/official"},
		{&b.Floor, "floor", filepath.Join(b.Root, "bench"), "./cmd/floor"},
	} {
		*p.path = filepath.Join(dir, p.name)
		// The same flags as `make build`: what is measured is what ships.
		if _, err := command(ctx, "go", "build", "-C", p.in, "-trimpath", "-ldflags", "-s -w", "-o", *p.path, p.pkg); err != nil {
			return nil, err
		}
	}
	b.Collector, b.noCollector = toolbox.Path(toolbox.Collector())
	return b, nil
}

func (b *Binaries) needsCollector() error { return b.noCollector }

func command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot run %s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
