package toolbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// goModule is the source of a tool that is built here.
type goModule struct {
	path, version string
	// Repositories of many modules replace them by folders that no registry has; this is the version under which those
	// are published with this one. Empty: nothing is replaced by a folder.
	siblings string
}

var (
	moduleLine    = regexp.MustCompile(`(?m)^module .*$`)
	toolchainLine = regexp.MustCompile(`(?m)^toolchain .*\n`)
	byFolder      = regexp.MustCompile(`(?m)^((?:replace|\s)\s*)(\S+) => \.\S*$`)
)

// build builds a command of the module. `go install` refuses a module with replace directives, so this is a scratch
// module with the module's own go.mod and go.sum that requires the module itself; go adds the sums that are missing.
func (m goModule) build(ctx context.Context, pkg, ldflags, work, target string) error {
	dir, err := m.download(ctx, work)
	if err != nil {
		return err
	}
	scratch := filepath.Join(work, "scratch")
	if err := os.Mkdir(scratch, 0o755); err != nil {
		return fmt.Errorf("cannot make the scratch module: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return fmt.Errorf("cannot read the module's go.mod: %w", err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return fmt.Errorf("cannot read the module's go.sum: %w", err)
	}
	for name, content := range map[string][]byte{"go.mod": m.scratch(mod), "go.sum": sum, "scratch.go": []byte("package scratch\n")} {
		if err := os.WriteFile(filepath.Join(scratch, name), content, 0o644); err != nil {
			return fmt.Errorf("cannot write the scratch module: %w", err)
		}
	}
	if _, err := command(ctx, scratch, buildEnv(), "go", "mod", "edit", "-require="+m.path+"@"+m.version); err != nil {
		return err
	}
	_, err = command(ctx, scratch, buildEnv(), "go", "build", "-mod=mod", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.TrimSpace("-s -w "+ldflags), "-o", target, m.path+pkg)
	return err
}

// download gives the folder of the module's source.
func (m goModule) download(ctx context.Context, work string) (string, error) {
	says, err := command(ctx, work, buildEnv(), "go", "mod", "download", "-json", m.path+"@"+m.version)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(says), &module); err != nil {
		return "", fmt.Errorf("cannot read what go says of the module: %w", err)
	}
	if module.Dir == "" {
		return "", fmt.Errorf("cannot find the folder of the module in %q", says)
	}
	return module.Dir, nil
}

// scratch gives the scratch module's go.mod. The go that is here builds it: the toolchain that the module's authors
// prefer is no need.
func (m goModule) scratch(mod []byte) []byte {
	mod = moduleLine.ReplaceAll(mod, []byte("module scratch"))
	mod = toolchainLine.ReplaceAll(mod, nil)
	return byFolder.ReplaceAll(mod, []byte("${1}${2} => ${2} "+m.siblings))
}

func buildEnv() []string { return []string{"GOWORK=off", "CGO_ENABLED=0"} }

// calls fails unless the binary says that it has the version.
func calls(ctx context.Context, work, target, version string, args ...string) error {
	says, err := command(ctx, work, nil, target, args...)
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(says) {
		if strings.TrimPrefix(word, "v") == strings.TrimPrefix(version, "v") {
			return nil
		}
	}
	return fmt.Errorf("cannot use the built binary: it calls itself %q", strings.TrimSpace(says))
}
