package toolbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

const jaegerModule = "github.com/jaegertracing/jaeger"

// buildJaeger builds Jaeger from its module. `go install` refuses a module with replace directives, so this is a
// scratch module with Jaeger's own go.mod and go.sum that requires Jaeger itself.
func buildJaeger(ctx context.Context, version, work, target string) error {
	env := []string{"GOWORK=off", "CGO_ENABLED=0"}
	says, err := command(ctx, work, env, "go", "mod", "download", "-json", jaegerModule+"@"+version)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(says), &module); err != nil || module.Dir == "" {
		return fmt.Errorf("cannot find the folder of the module in %q: %w", says, err)
	}
	scratch := filepath.Join(work, "scratch")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return fmt.Errorf("cannot make the scratch module: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(module.Dir, "go.mod"))
	if err != nil {
		return fmt.Errorf("cannot read the module's go.mod: %w", err)
	}
	sum, err := os.ReadFile(filepath.Join(module.Dir, "go.sum"))
	if err != nil {
		return fmt.Errorf("cannot read the module's go.sum: %w", err)
	}
	mod = regexp.MustCompile(`(?m)^module .*$`).ReplaceAll(mod, []byte("module scratch"))
	for name, content := range map[string][]byte{"go.mod": mod, "go.sum": sum, "scratch.go": []byte("package scratch\n")} {
		if err := os.WriteFile(filepath.Join(scratch, name), content, 0o644); err != nil {
			return fmt.Errorf("cannot write the scratch module: %w", err)
		}
	}
	if _, err := command(ctx, scratch, env, "go", "mod", "edit", "-require="+jaegerModule+"@"+version); err != nil {
		return err
	}
	_, err = command(ctx, scratch, env, "go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
		"-o", target, jaegerModule+"/cmd/jaeger")
	if err != nil {
		return err
	}
	_, err = command(ctx, work, nil, target, "version")
	return err
}
