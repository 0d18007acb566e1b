package charts

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	_ "github.com/alspan/alspan/agent" // so that a change of the program makes a cached test result invalid
)

const certificates = "etc/ssl/certs/ca-certificates.crt"

// image is what a builder wrote.
type image struct {
	layer  string // its digest
	config struct {
		User            string
		ExposedPorts    map[string]struct{}
		Entrypoint, Cmd []string
		Labels          map[string]string
	}
	headers map[string]*tar.Header
	files   map[string][]byte
}

func readImage(t *testing.T, layout string) *image {
	t.Helper()
	var index struct{ Manifests []descriptor }
	text, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	decode(t, text, &index)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blob(t, layout, index.Manifests[0]), &manifest)
	if len(manifest.Layers) != 1 {
		t.Fatalf("the image has %d layers, want 1", len(manifest.Layers))
	}
	i := &image{layer: manifest.Layers[0].Digest, headers: map[string]*tar.Header{}, files: map[string][]byte{}}
	whole := struct{ Config any }{&i.config}
	decode(t, blob(t, layout, manifest.Config), &whole)
	plain, err := gzip.NewReader(bytes.NewReader(blob(t, layout, manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return i
		}
		if err != nil {
			t.Fatal(err)
		}
		i.headers[h.Name] = h
		if i.files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// Builds the Dockerfile twice, with compilers that share no cache, and starts what is in it.
func TestImage(t *testing.T) {
	readAll(t, "../Dockerfile")
	readAll(t, "../.dockerignore")
	b := newBuilder(t)
	own, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	one := readImage(t, b.build(t, "one", strings.TrimSpace(tool(t, ".", "go", "env", "GOCACHE"))))
	two := readImage(t, b.build(t, "two", filepath.Join(own, "alspan", "image-build")))
	if a, b := sha256.Sum256(one.files["alspan"]), sha256.Sum256(two.files["alspan"]); a != b {
		t.Errorf("the second build made another binary: %x, %x", a, b)
	}
	if one.layer != two.layer {
		t.Errorf("the second build made another layer: %s, %s", one.layer, two.layer)
	}
	t.Run("content", func(t *testing.T) { checkContent(t, one) })
	t.Run("settings", func(t *testing.T) { checkSettings(t, one) })
	t.Run("run", func(t *testing.T) { runImage(t, one) })
}

// One binary that needs nothing, and the certificates, where Go looks for them.
func checkContent(t *testing.T, i *image) {
	want := []string{"alspan", "etc/", "etc/ssl/", "etc/ssl/certs/", certificates}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(i.headers))); diff != "" {
		t.Errorf("other files than wanted:\n%s", diff)
	}
	for name, h := range i.headers {
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Gid != 0 || h.Mode&0o7022 != 0 {
			t.Errorf("%s: time %v, owner %d:%d, mode %o", name, h.ModTime, h.Uid, h.Gid, h.Mode)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(i.files["alspan"]))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
	built, err := buildinfo.Read(bytes.NewReader(i.files["alspan"]))
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range built.Settings {
		settings[s.Key] = s.Value
	}
	if settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" || settings["vcs.revision"] != "" {
		t.Errorf("the binary was built with %q", settings)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(i.files[certificates]) {
		t.Error("there are no certificates in the bundle")
	}
}

func checkSettings(t *testing.T, i *image) {
	c := &i.config
	if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/alspan"}) || !slices.Equal(c.Cmd, []string{"run"}) {
		t.Errorf("user %q, entrypoint %q, command %q", c.User, c.Entrypoint, c.Cmd)
	}
	if c.Labels["org.opencontainers.image.version"] != "v9.8.7" || c.Labels["org.opencontainers.image.revision"] != "abc" ||
		c.Labels["org.opencontainers.image.licenses"] != "Apache-2.0" || c.Labels["org.opencontainers.image.source"] == "" {
		t.Errorf("labels: %q", c.Labels)
	}
	pod := at(objects(t, render(t))["DaemonSet"], "spec", "template", "spec")
	if user := at(pod, "securityContext", "runAsUser"); user != uint64(65532) {
		t.Errorf("the chart's user is %v", user)
	}
	var exposed, want []string
	for port := range c.ExposedPorts {
		exposed = append(exposed, strings.TrimSuffix(port, "/tcp"))
	}
	list, _ := at(pod, "containers", 0, "ports").([]any)
	for _, p := range list {
		want = append(want, fmt.Sprint(at(p, "containerPort")))
	}
	slices.Sort(exposed)
	slices.Sort(want)
	if !slices.Equal(exposed, want) {
		t.Errorf("the image exposes %q, the chart's ports are %q", exposed, want)
	}
}

// runImage starts the binary as a pod would: as the image's user, with the image's files and the chart's arguments.
func runImage(t *testing.T, i *image) {
	root := t.TempDir()
	for name, h := range i.headers {
		if h.Typeflag == tar.TypeReg {
			to := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, i.files[name], h.FileInfo().Mode()); err != nil {
				t.Fatal(err)
			}
		}
	}
	config := filepath.Join(root, "etc", "alspan", "alspan.yaml")
	if err := os.Mkdir(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "receive: {grpc: {address: '127.0.0.1:0'}, http: {address: ''}, zipkin: {address: ''}}\nadmin: {address: '127.0.0.1:0'}\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) *exec.Cmd {
		if os.Geteuid() != 0 { // only root may change the root folder and the user
			for i, a := range args {
				args[i] = strings.Replace(a, "/etc/alspan", filepath.Dir(config), 1)
			}
			return exec.CommandContext(t.Context(), filepath.Join(root, "alspan"), args...)
		}
		cmd := exec.CommandContext(t.Context(), "/alspan", args...)
		cmd.Dir, cmd.Env = "/", []string{"PATH=/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	if out, err := start("--version").Output(); err != nil || string(out) != "alspan version v9.8.7\n" {
		t.Fatalf("--version: %q, %v", out, err)
	}
	var args []string
	list, _ := at(objects(t, render(t))["DaemonSet"], "spec", "template", "spec", "containers", 0, "args").([]any)
	for _, a := range list {
		args = append(args, a.(string))
	}
	cmd := start(args...)
	says, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(says); s.Scan(); {
		lines = append(lines, s.Text())
		if m := regexp.MustCompile(`msg="alspan is running".* admin=(\S+)`).FindStringSubmatch(s.Text()); m != nil {
			for _, path := range []string{"/readyz", "/healthz"} {
				r, err := http.Get("http://" + m[1] + path)
				if err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("%s: %v, %v", path, r, err)
				}
			}
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := cmd.Wait(); err != nil || len(lines) == 0 || !strings.Contains(lines[len(lines)-1], "alspan has stopped") {
		t.Errorf("it ended with %v:\n%s", err, strings.Join(lines, "\n"))
	}
}
