package toolbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// The binary is Python, which finds the packages that stand beside it.
const pythonScript = `#!/bin/sh
PYTHONPATH="$(dirname "$0")/packages" exec python3 "$@"
`

// fetchPython installs OpenTelemetry's SDK for Python, and its exporter for OTLP over HTTP.
func fetchPython(ctx context.Context, version, work, target string) error {
	_, err := command(ctx, work, nil, "python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
		"--target", filepath.Join(filepath.Dir(target), "packages"), "opentelemetry-sdk=="+version, "opentelemetry-exporter-otlp-proto-http=="+version)
	if err != nil {
		return err
	}
	if err := os.WriteFile(target, []byte(pythonScript), 0o755); err != nil {
		return fmt.Errorf("cannot write the script: %w", err)
	}
	_, err = command(ctx, work, nil, target, "-c", "import opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.http.trace_exporter")
	return err
}
