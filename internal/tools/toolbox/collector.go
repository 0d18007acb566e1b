package toolbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ownModule is where the manifest of the collector lies: it builds in a receiver of ours.
const ownModule = "github.com/alspan/alspan"

// buildCollector builds the OpenTelemetry Collector of bench/collector with the collector's own builder. It works in a
// copy, so that the repository stays as it is.
func buildCollector(ctx context.Context, version, work, target string) error {
	dir, err := command(ctx, "", nil, "go", "list", "-m", "-f", "{{.Dir}}", ownModule)
	if err != nil {
		return err
	}
	scratch := filepath.Join(work, "collector")
	if err := os.CopyFS(scratch, os.DirFS(filepath.Join(strings.TrimSpace(dir), "bench", "collector"))); err != nil {
		return fmt.Errorf("cannot copy the manifest: %w", err)
	}
	manifest, err := os.ReadFile(filepath.Join(scratch, "manifest.yaml"))
	if err != nil {
		return fmt.Errorf("cannot read the manifest: %w", err)
	}
	if !strings.Contains(string(manifest), "\n  version: "+version+"\n") {
		return fmt.Errorf("cannot build version %s: the manifest has another one", version)
	}
	env := []string{"GOWORK=off", "CGO_ENABLED=0"}
	_, err = command(ctx, scratch, env, "go", "run", "go.opentelemetry.io/collector/cmd/builder@v"+version,
		"--config", "manifest.yaml", "--skip-strict-versioning=false")
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(scratch, "out", "otelcol"), target); err != nil {
		return fmt.Errorf("cannot take the built binary: %w", err)
	}
	_, err = command(ctx, work, nil, target, "--version")
	return err
}
