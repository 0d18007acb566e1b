package toolbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fetchSpin takes the model checker out of the Debian package `spin`, without root: apt-get downloads it with the
// machine's lists of packages, or, where those are missing or old, with lists of its own. A Spin of that version that is
// in the PATH serves, too.
func fetchSpin(ctx context.Context, version, work, target string, log io.Writer) error {
	if path, err := exec.LookPath("spin"); err == nil && isSpin(ctx, version, work, path) == nil {
		fmt.Fprintf(log, "taking %s\n", path)
		return copyFile(path, target)
	}
	if err := downloadDebs(ctx, work, "spin="+version+"*"); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("cannot find the one package that apt-get downloaded: %q", debs)
	}
	fmt.Fprintf(log, "unpacking %s\n", filepath.Base(debs[0]))
	tree := filepath.Join(work, "tree")
	if _, err := command(ctx, work, nil, "dpkg-deb", "-x", debs[0], tree); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(tree, "usr", "bin", "spin"), target); err != nil {
		return err
	}
	return isSpin(ctx, version, work, target)
}

// downloadDebs puts packages into the folder work; the second attempt has lists of packages of its own.
func downloadDebs(ctx context.Context, work string, names ...string) error {
	_, first := command(ctx, work, nil, "apt-get", append([]string{"-q", "download"}, names...)...)
	if first == nil {
		return nil
	}
	lists, cache := filepath.Join(work, "lists"), filepath.Join(work, "cache")
	for _, dir := range []string{filepath.Join(lists, "partial"), filepath.Join(cache, "archives", "partial")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make a folder for lists of packages: %w", err)
		}
	}
	// apt leaves root for a user who may not write here.
	own := []string{"-q", "-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache=" + cache, "-o", "APT::Sandbox::User="}
	if _, err := command(ctx, work, nil, "apt-get", append(own, "update")...); err != nil {
		return fmt.Errorf("%w\nbefore that: %w", err, first)
	}
	_, err := command(ctx, work, nil, "apt-get", append(append(own, "download"), names...)...)
	return err
}

func isSpin(ctx context.Context, version, work, path string) error {
	says, err := command(ctx, work, nil, path, "-V")
	if err != nil {
		return err
	}
	if !strings.Contains(says, "Spin Version "+version+" ") {
		return fmt.Errorf("cannot use %s: it calls itself %q", path, strings.TrimSpace(says))
	}
	return nil
}

// copyFile makes an executable copy.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("cannot read the binary: %w", err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		return fmt.Errorf("cannot write the binary: %w", err)
	}
	return nil
}
