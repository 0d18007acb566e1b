package charts

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/cluster"
)

// site is a cluster with nodes, in which the chart gets installed.
type site struct {
	*cluster.Cluster
	home  string // Helm's, with what it keeps of the API server's answers
	nodes []string
	kinds []resource
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Cluster: cluster.Start(t, cluster.Options{Controllers: true, Kwok: true}), home: t.TempDir(), nodes: []string{"one", "two"}}
	for _, name := range s.nodes {
		if err := s.AddNode(name); err != nil {
			t.Fatal(err)
		}
	}
	s.kinds = s.resources(t)
	return s
}

// namespace makes a namespace; the levels are those of Pod Security, as enforce=restricted.
func (s *site) namespace(t *testing.T, name string, levels ...string) {
	t.Helper()
	labels := object{}
	for _, level := range levels {
		mode, value, _ := strings.Cut(level, "=")
		labels["pod-security.kubernetes.io/"+mode] = value
	}
	if err := s.Create(t.Context(), "/api/v1/namespaces", object{"metadata": object{"name": name, "labels": labels}}); err != nil {
		t.Fatal(err)
	}
}

// helm runs Helm in the cluster. That it succeeds is not enough: what the API server warns of comes to stderr.
func (s *site) helm(t *testing.T, args ...string) string {
	t.Helper()
	out, says, err := s.tryHelm(t, args...)
	if err != nil || says != "" {
		t.Fatalf("helm %s: %v\n%s%s", strings.Join(args, " "), err, out, says)
	}
	return out
}

func (s *site) tryHelm(t *testing.T, args ...string) (out, says string, err error) {
	t.Helper()
	began := time.Now()
	out, says, err = runHelm(t, s.home, s.Kubeconfig(), append(args, "--timeout", "90s")...)
	t.Logf("%s: helm %s", time.Since(began).Round(100*time.Millisecond), strings.Join(args, " "))
	return out, says, err
}

// get reads an object.
func (s *site) get(t *testing.T, path string) (o object) {
	t.Helper()
	if err := s.Get(t.Context(), path, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func (s *site) list(ctx context.Context, path string) ([]any, error) {
	var all struct{ Items []any }
	err := s.Get(ctx, path, &all)
	return all.Items, err
}

// agents gives the pods of a release that are ready and stay, by node.
func (s *site) agents(ctx context.Context, namespace string) (map[string][]object, error) {
	pods, err := s.list(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app.kubernetes.io/component=agent")
	ready := map[string][]object{}
	for _, p := range pods {
		conditions, _ := at(p, "status", "conditions").([]any)
		if at(p, "metadata", "deletionTimestamp") == nil && slices.ContainsFunc(conditions, func(c any) bool {
			return at(c, "type") == "Ready" && at(c, "status") == "True"
		}) {
			node, _ := at(p, "spec", "nodeName").(string)
			ready[node] = append(ready[node], p.(object))
		}
	}
	return ready, err
}

// oneOnEach waits until each node has one ready agent and no other, and gives them.
func (s *site) oneOnEach(t *testing.T, namespace string) (pods []object) {
	t.Helper()
	eventually(t, func() error {
		ready, err := s.agents(t.Context(), namespace)
		if err != nil {
			return err
		}
		pods = nil
		for _, node := range s.nodes {
			if len(ready[node]) != 1 {
				return fmt.Errorf("%s: the node %s has %d ready agents, want 1", namespace, node, len(ready[node]))
			}
			pods = append(pods, ready[node][0])
		}
		return nil
	})
	return pods
}

// resource is a kind of objects that the API server keeps.
type resource struct {
	api, kind, name string
	namespaced      bool
}

// path gives where objects of a kind are; without a namespace those of all.
func (r resource) path(namespace string) string {
	root := "/apis/" + r.api + "/"
	if r.api == "v1" {
		root = "/api/v1/"
	}
	if r.namespaced && namespace != "" {
		root += "namespaces/" + namespace + "/"
	}
	return root + r.name
}

// resources asks the API server for all kinds that it keeps.
func (s *site) resources(t *testing.T) (all []resource) {
	t.Helper()
	paths := []string{"/api/v1"}
	groups, _ := s.get(t, "/apis")["groups"].([]any)
	for _, g := range groups {
		paths = append(paths, fmt.Sprint("/apis/", at(g, "preferredVersion", "groupVersion")))
	}
	for _, path := range paths {
		var found struct {
			GroupVersion string
			Resources    []struct {
				Name, Kind string
				Namespaced bool
				Verbs      []string
			}
		}
		if err := s.Get(t.Context(), path, &found); err != nil {
			t.Fatal(err)
		}
		for _, r := range found.Resources {
			if slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "delete") {
				all = append(all, resource{found.GroupVersion, r.Kind, r.Name, r.Namespaced})
			}
		}
	}
	return all
}

// labelled gives what there is of any kind in any namespace, sorted by kind.
func (s *site) labelled(ctx context.Context, selector string) (found []string, err error) {
	for _, r := range s.kinds {
		items, err := s.list(ctx, r.path("")+"?labelSelector="+selector)
		if err != nil {
			return nil, err
		}
		for _, o := range items {
			found = append(found, fmt.Sprint(r.kind, " ", at(o, "metadata", "name")))
		}
	}
	slices.Sort(found)
	return found, nil
}

// eventually asks again and again until there is no error.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	cluster.Eventually(t, time.Minute, ask)
}
