package charts

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// builder runs Buildah with a store of its own, and no isolation but folders: nothing of the machine is changed.
type builder struct {
	binary, home, policy string
	mounts               []string
}

// newBuilder makes the stand-in for the image with Go, since no registry is asked: the machine's Go, a shell, certificates.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	path, err := toolbox.Path(toolbox.Buildah())
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{binary: path, home: t.TempDir()}
	b.policy = filepath.Join(b.home, "policy.json")
	if err := os.WriteFile(b.policy, []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "..", "go", "mod", "download") // the build has no network
	env := strings.Fields(tool(t, "..", "go", "env", "GOROOT", "GOMODCACHE"))
	b.mounts = []string{"-v", env[0] + ":/usr/local/go:ro", "-v", env[1] + ":/go/pkg/mod:ro"}

	tree := filepath.Join(b.home, "base")
	for _, name := range []string{"sh", "mkdir", "cp", "touch", "chmod"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		copyInto(t, path, filepath.Join(tree, "bin", name))
		for _, m := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(tool(t, ".", "ldd", path), -1) {
			copyInto(t, m[1], filepath.Join(tree, m[1]))
		}
	}
	copyInto(t, "/"+certificates, filepath.Join(tree, certificates))
	for _, dir := range []string{"tmp", "root"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := strings.TrimSpace(b.run(t, "from", "--signature-policy", b.policy, "scratch"))
	b.run(t, "copy", c, tree, "/")
	b.run(t, "config", "--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOPATH=/go", "--env", "GOTOOLCHAIN=local", "--env", "GOCACHE=/cache", c)
	b.run(t, "commit", "--signature-policy", b.policy, "--rm", c, "localhost/golang:1.26")
	return b
}

// build builds the image with one of Go's build caches and gives the folder that it is written to, as an OCI layout.
func (b *builder) build(t *testing.T, name, cache string) string {
	t.Helper()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"build", "--signature-policy", b.policy, "--isolation", "chroot"}, b.mounts...)
	b.run(t, append(args, "-v", cache+":/cache", "--build-arg", "GO=localhost/golang:1.26", "--build-arg", "GOPROXY=off",
		"--build-arg", "VERSION=v9.8.7", "--build-arg", "REVISION=abc", "-t", "localhost/"+name, "..")...)
	layout := filepath.Join(b.home, name)
	b.run(t, "push", "--signature-policy", b.policy, "localhost/"+name, "oci:"+layout)
	return layout
}

func (b *builder) run(t *testing.T, args ...string) string {
	t.Helper()
	store := []string{"--storage-driver", "vfs", "--root", filepath.Join(b.home, "store"), "--runroot", filepath.Join(b.home, "run")}
	cmd := exec.Command(b.binary, append(store, args...)...)
	cmd.Env = []string{"HOME=" + b.home, "TMPDIR=" + b.home, "XDG_RUNTIME_DIR=" + b.home, "PATH=" + os.Getenv("PATH")}
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		t.Fatalf("cannot run buildah %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), says.String())
	}
	return out.String()
}

// tool runs a command in a folder and gives what it prints.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot run %s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// descriptor points to a part of an image.
type descriptor struct {
	Digest    string
	MediaType string
}

// blob gives a part of an image that is written as an OCI layout.
func blob(t *testing.T, layout string, d descriptor) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(layout, "blobs", strings.Replace(d.Digest, ":", "/", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
