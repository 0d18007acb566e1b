package toolbox

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// helmKubernetes is the minor version of Kubernetes that Helm was written for. Its own build sets it, too: without it, Helm takes
// a cluster that it cannot ask for version 1.20.
const helmKubernetes = "37"

// buildHelm builds Helm from its module.
func buildHelm(ctx context.Context, version, work, target string) error {
	flags := []string{"-s", "-w", "-X", "helm.sh/helm/v3/internal/version.version=" + version}
	for _, name := range []string{"pkg/chartutil", "pkg/lint/rules"} {
		flags = append(flags, "-X", "helm.sh/helm/v3/"+name+".k8sVersionMajor=1", "-X", "helm.sh/helm/v3/"+name+".k8sVersionMinor="+helmKubernetes)
	}
	env := []string{"GOWORK=off", "CGO_ENABLED=0", "GOBIN=" + filepath.Dir(target)}
	_, err := command(ctx, work, env, "go", "install", "-trimpath", "-buildvcs=false", "-ldflags", strings.Join(flags, " "), "helm.sh/helm/v3/cmd/helm@"+version)
	if err != nil {
		return err
	}
	says, err := command(ctx, work, nil, target, "version", "--short")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(says, version) {
		return fmt.Errorf("cannot use the built binary: it calls itself %q", strings.TrimSpace(says))
	}
	return nil
}
