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

// Buildah's Debian package needs these libraries beside it, of which a small machine may have none.
var buildahLibraries = []string{"libgpgme11", "libassuan0", "libgpg-error0", "libdevmapper1.02.1", "libseccomp2"}

// fetchBuildah takes Buildah and its libraries out of Debian packages, without root. One that is in the PATH serves, too, of
// whatever version. It starts itself anew in an empty environment and in other folders, so that the place of its libraries
// has to be in the binary, and whole.
func fetchBuildah(ctx context.Context, version, work, target, final string, log io.Writer) error {
	if path, err := exec.LookPath("buildah"); err == nil {
		fmt.Fprintf(log, "taking %s\n", path)
		if err := os.Symlink(path, target); err != nil {
			return fmt.Errorf("cannot link to it: %w", err)
		}
		return nil
	}
	if err := downloadDebs(ctx, work, append([]string{"buildah=" + version + "*", "patchelf"}, buildahLibraries...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return fmt.Errorf("cannot find the packages: %w", err)
	}
	tree := filepath.Join(work, "tree")
	for _, deb := range debs {
		fmt.Fprintf(log, "unpacking %s\n", filepath.Base(deb))
		if _, err := command(ctx, work, nil, "dpkg-deb", "-x", deb, tree); err != nil {
			return err
		}
	}
	lib := filepath.Join(filepath.Dir(target), "lib")
	if err := os.Mkdir(lib, 0o755); err != nil {
		return fmt.Errorf("cannot make a folder for libraries: %w", err)
	}
	for _, pattern := range []string{"lib/*/*.so.*", "usr/lib/*/*.so.*"} {
		found, _ := filepath.Glob(filepath.Join(tree, pattern))
		for _, file := range found {
			if err := copyFile(file, filepath.Join(lib, filepath.Base(file))); err != nil {
				return err
			}
		}
	}
	if err := copyFile(filepath.Join(tree, "usr", "bin", "buildah"), target); err != nil {
		return err
	}
	patchelf := filepath.Join(tree, "usr", "bin", "patchelf")
	if _, err := command(ctx, work, nil, patchelf, "--force-rpath", "--set-rpath", filepath.Join(final, "lib"), target); err != nil {
		return err
	}
	says, err := command(ctx, work, []string{"LD_LIBRARY_PATH=" + lib}, target, "--version")
	if err != nil {
		return err
	}
	if !strings.Contains(says, "version "+version+" ") {
		return fmt.Errorf("cannot use the unpacked binary: it calls itself %q", strings.TrimSpace(says))
	}
	return nil
}
