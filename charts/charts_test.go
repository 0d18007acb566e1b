// Package charts takes the Helm chart and the Dockerfile and gives tests of what they make: manifests, refusals, notes, an image.
package charts

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

var update = flag.Bool("update", false, "write testdata/*.golden.yaml, and the agent's part of values.schema.json")

// kube is the cluster that the chart is rendered for, unless a test says otherwise.
const kube = "1.36.3"

// helm runs Helm without a cluster and without a home, and gives what it prints.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	out, says, err := runHelm(t, home, filepath.Join(home, "none"), args...)
	if err != nil {
		return "", errors.New(strings.TrimSpace(out + says))
	}
	return out, nil
}

// runHelm gives what Helm prints, and what it says besides.
func runHelm(t *testing.T, home, kubeconfig string, args ...string) (out, says string, err error) {
	t.Helper()
	path, err := toolbox.Path(toolbox.Helm())
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, "alspan")
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + kubeconfig}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// readAll reads a folder, so that a cached test result counts no longer when a file of it changes.
func readAll(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// render gives the chart's manifests, as the release alspan in the namespace alspan.
func render(t *testing.T, args ...string) string {
	t.Helper()
	out, err := helm(t, append([]string{"template", "alspan", "alspan", "-n", "alspan", "--kube-version", kube}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// object is one manifest, or a part of one.
type object = map[string]any

// objects decodes manifests; a key that is given twice is an error. They are named by kind, of which there is one each.
func objects(t *testing.T, manifests string) map[string]object {
	t.Helper()
	all := map[string]object{}
	for d := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var o object
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("cannot decode the manifests: %v\n%s", err, manifests)
		}
		kind, _ := o["kind"].(string)
		if kind == "" || o["apiVersion"] == nil || at(o, "metadata", "name") == nil || all[kind] != nil {
			t.Fatalf("not one manifest of its kind: %v", o)
		}
		all[kind] = o
	}
}

// at gives what is at a path of keys and of places in lists, nil if there is nothing.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(object)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// cases are the values files of ci, by name.
func cases(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("alspan/ci/*-values.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("cannot find the values files of ci: %q", files)
	}
	all := map[string]string{}
	for _, f := range files {
		all[strings.TrimSuffix(filepath.Base(f), "-values.yaml")] = f
	}
	return all
}

func TestLint(t *testing.T) {
	for name, file := range cases(t) {
		t.Run(name, func(t *testing.T) {
			if out, err := helm(t, "lint", "--strict", "--kube-version", kube, "-f", file, "alspan"); err != nil {
				t.Errorf("%s%v", out, err)
			}
		})
	}
}

func TestGolden(t *testing.T) {
	var wanted []string
	for name, file := range cases(t) {
		golden := filepath.Join("testdata", name+".golden.yaml")
		wanted = append(wanted, golden)
		t.Run(name, func(t *testing.T) {
			got := render(t, "-f", file)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("other manifests than in %s (-update writes it anew):\n%s", golden, diff)
			}
		})
	}
	files, _ := filepath.Glob("testdata/*.golden.yaml")
	for _, f := range files {
		if !slices.Contains(wanted, f) {
			t.Errorf("%s belongs to no values file", f)
		}
	}
}
