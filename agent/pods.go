package agent

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/pods/watch"
)

// watchPods begins to learn the pods of the cluster. Nothing waits for that: spans that come first say less. It gives nil where
// there is no cluster.
func watchPods(c *config.Pods, log *slog.Logger) (*watch.Watcher, error) {
	switch {
	case c.Enabled == "off":
		return nil, nil
	case c.Enabled == "auto" && c.Kubeconfig == "" && !watch.InCluster():
		log.Info("no pods are looked up: this is no pod of a cluster (pods.enabled: on makes that an error, pods.kubeconfig names a cluster)")
		return nil, nil
	}
	node := c.Node
	if node == "" {
		node = os.Getenv("NODE_NAME")
	}
	if node == "" && c.Watch == "node" {
		log.Warn("pods.node and NODE_NAME are empty, so that only the names and addresses of pods are known, no labels and owners")
	}
	w, err := watch.New(pods.NewIndex(), watch.Options{Kubeconfig: c.Kubeconfig, Node: node, Cluster: c.Watch == "cluster",
		Labels: c.Labels, Annotations: c.Annotations, UserAgent: "alspan/" + version(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("cannot watch pods (pods.enabled is %q): %w", c.Enabled, err)
	}
	return w, nil
}
