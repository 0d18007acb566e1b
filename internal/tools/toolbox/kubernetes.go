package toolbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// buildKubernetes builds one of the programs of Kubernetes' own repository: the API server, the controller manager or
// the scheduler. They share most packages, which go's build cache keeps from one to the next.
func buildKubernetes(ctx context.Context, name, version, work, target string) error {
	minor, ok := strings.CutPrefix(version, "v1.")
	if !ok {
		return fmt.Errorf("cannot build version %s: only v1 is known", version)
	}
	kubernetes := goModule{path: "k8s.io/kubernetes", version: version, siblings: "v0." + minor}
	minor, _, _ = strings.Cut(minor, ".")
	const in = "k8s.io/component-base/version."
	says := "-X " + in + "gitVersion=" + version + " -X " + in + "gitMajor=1 -X " + in + "gitMinor=" + minor
	if err := kubernetes.build(ctx, "/cmd/"+name, says, work, target); err != nil {
		return err
	}
	return calls(ctx, work, target, version, "--version")
}

// buildEtcd builds the store of the API server.
func buildEtcd(ctx context.Context, version, work, target string) error {
	etcd := goModule{path: "go.etcd.io/etcd/server/v3", version: version, siblings: version}
	if err := etcd.build(ctx, "", "", work, target); err != nil {
		return err
	}
	return calls(ctx, work, target, version, "--version")
}

// What a fake kubelet does: nodes become ready and stay so, pods run, end if they are a job's, and go when asked.
var kwokStages = []string{
	"node/fast/node-initialize.yaml", "node/heartbeat/node-heartbeat.yaml",
	"pod/fast/pod-ready.yaml", "pod/fast/pod-complete.yaml", "pod/fast/pod-delete.yaml",
}

// buildKwok builds the fake kubelet, and keeps its stages in stages.yaml beside the binary, which does nothing without.
func buildKwok(ctx context.Context, version, work, target string) error {
	kwok := goModule{path: "sigs.k8s.io/kwok", version: version}
	says := "-X sigs.k8s.io/kwok/pkg/consts.Version=" + strings.TrimPrefix(version, "v")
	if err := kwok.build(ctx, "/cmd/kwok", says, work, target); err != nil {
		return err
	}
	dir, err := kwok.download(ctx, work)
	if err != nil {
		return err
	}
	var all [][]byte
	for _, name := range kwokStages {
		text, err := os.ReadFile(filepath.Join(dir, "kustomize", "stage", filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("cannot read a stage of kwok: %w", err)
		}
		all = append(all, text)
	}
	stages := filepath.Join(filepath.Dir(target), "stages.yaml")
	if err := os.WriteFile(stages, bytes.Join(all, []byte("\n---\n")), 0o644); err != nil {
		return fmt.Errorf("cannot write the stages of kwok: %w", err)
	}
	return calls(ctx, work, target, version, "--version")
}
