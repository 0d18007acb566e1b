package toolbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

var helmClient = regexp.MustCompile(`(?m)^\s*k8s\.io/client-go v0\.(\d+)\.`)

// buildHelm builds Helm as its own Makefile does: without a cluster, a chart is rendered for the Kubernetes that Helm's
// client is of, and not for the old one of a plain build.
func buildHelm(ctx context.Context, version, work, target string) error {
	helm := goModule{path: "helm.sh/helm/v3", version: version}
	dir, err := helm.download(ctx, work)
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return fmt.Errorf("cannot read the module's go.mod: %w", err)
	}
	client := helmClient.FindSubmatch(mod)
	if client == nil {
		return errors.New("cannot find the version of client-go in Helm's go.mod")
	}
	says := "-X helm.sh/helm/v3/internal/version.version=" + version
	for _, pkg := range []string{"lint/rules", "chartutil"} {
		in := " -X helm.sh/helm/v3/pkg/" + pkg + ".k8sVersion"
		says += in + "Major=1" + in + "Minor=" + string(client[1])
	}
	if err := helm.build(ctx, "/cmd/helm", says, work, target); err != nil {
		return err
	}
	return calls(ctx, work, target, version, "version", "--template", "{{.Version}}")
}
