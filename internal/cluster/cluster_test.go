package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

const (
	pods    = "/api/v1/namespaces/default/pods"
	merge   = "application/merge-patch+json"
	rbac    = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
	rbacAPI = "rbac.authorization.k8s.io/v1"
)

func TestMissingToolIsNamed(t *testing.T) {
	t.Setenv("ALSPAN_TOOLS", t.TempDir())
	_, err := Run(t.TempDir(), Options{})
	if err == nil || !strings.Contains(err.Error(), toolbox.Etcd().String()) || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("got error %v, want one that names the tool and says how to install it", err)
	}
}

func TestWhatEndsEarlyIsShown(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("ALSPAN_TOOLS", tools)
	for tool, script := range map[toolbox.Tool]string{
		toolbox.Etcd():      "exec sleep 60",
		toolbox.APIServer(): "echo no port is free; exit 3",
	} {
		path := filepath.Join(tools, tool.Name+"-"+tool.Version, tool.Name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	_, err := Run(t.TempDir(), Options{})
	for _, want := range []string{"kube-apiserver, which has ended", "exit status 3", "no port is free"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestAPIServerAlone(t *testing.T) {
	dir := t.TempDir()
	c, err := Run(dir, Options{})
	must(t, err)
	defer c.Close()
	var version struct{ GitVersion string }
	must(t, c.Get(t.Context(), "/version", &version))
	if version.GitVersion != toolbox.APIServer().Version {
		t.Errorf("got version %q, want %q", version.GitVersion, toolbox.APIServer().Version)
	}

	const count, workers = 400, 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < count; i += workers {
				name := fmt.Sprintf("pod-%d", i)
				if err := c.Create(t.Context(), pods, pod(name)); err != nil {
					t.Error(err)
				}
				status := object{"status": object{"podIP": "10.1.2.3", "podIPs": []object{{"ip": "10.1.2.3"}}}}
				if err := c.Patch(t.Context(), pods+"/"+name+"/status", merge, status); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, c.Delete(t.Context(), pods+"/pod-0?gracePeriodSeconds=0"))
	found := list(t, c.Client)
	if len(found) != count-1 || found[0].Status.PodIP != "10.1.2.3" {
		t.Errorf("got %d pods, the first %+v; want %d with an address", len(found), found[0], count-1)
	}

	// A process of its own has a kubeconfig: Helm reads it as any client does.
	helm, err := toolbox.Path(toolbox.Helm())
	must(t, err)
	releases := exec.Command(helm, "list", "--kubeconfig", c.Kubeconfig())
	releases.Env = append(os.Environ(), "HOME="+dir)
	if says, err := releases.CombinedOutput(); err != nil || !strings.Contains(string(says), "NAMESPACE") {
		t.Errorf("helm list: %v\n%s", err, says)
	}

	c.Close()
	c.Close() // twice does no harm
	if err := c.Get(t.Context(), "/readyz", nil); err == nil {
		t.Error("the API server answers after Close")
	}
	if says := c.Logs(); !strings.Contains(says, "kube-apiserver wrote last:") {
		t.Errorf("got logs %q, want the API server's", says)
	}
}

func TestWholeControlPlane(t *testing.T) {
	c := Start(t, Options{Controllers: true, Kwok: true})
	must(t, c.AddNode("one"))
	must(t, c.Create(t.Context(), "/apis/apps/v1/namespaces/default/daemonsets", object{
		"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": object{"name": "agent"},
		"spec": object{
			"selector": object{"matchLabels": object{"app": "agent"}},
			"template": object{
				"metadata": object{"labels": object{"app": "agent"}},
				"spec":     object{"containers": []object{{"name": "agent", "image": "agent"}}},
			},
		},
	}))
	readyOn(t, c, "one")

	t.Run("what a token may", func(t *testing.T) { tokenMay(t, c) })

	c.StopAPI()
	if err := c.Get(t.Context(), pods, nil); err == nil {
		t.Error("the API server answers after it was stopped")
	}
	must(t, c.StartAPI())
	if len(list(t, c.Client)) != 1 {
		t.Error("the pod is gone after a restart")
	}
	must(t, c.AddNode("two"))
	readyOn(t, c, "one", "two")
}

// tokenMay proves that a role holds: its ServiceAccount lists pods and nothing else.
func tokenMay(t *testing.T, c *Cluster) {
	must(t, c.Create(t.Context(), "/api/v1/namespaces/default/serviceaccounts", object{"metadata": object{"name": "reader"}}))
	must(t, c.Create(t.Context(), rbac+"/roles", object{
		"apiVersion": rbacAPI, "kind": "Role", "metadata": object{"name": "reader"},
		"rules": []object{{"apiGroups": []string{""}, "resources": []string{"pods"}, "verbs": []string{"list"}}},
	}))
	must(t, c.Create(t.Context(), rbac+"/rolebindings", object{
		"apiVersion": rbacAPI, "kind": "RoleBinding", "metadata": object{"name": "reader"},
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
		"subjects": []object{{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}},
	}))
	token, err := c.Token("default", "reader")
	must(t, err)
	reader := c.As(token)
	eventually(t, func() error { return reader.Get(t.Context(), pods, nil) }) // the authorizer watches roles
	err = reader.Get(t.Context(), "/api/v1/namespaces/default/secrets", nil)
	if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != 403 || refusal.Reason != "Forbidden" {
		t.Errorf("secrets: got error %v, want Forbidden", err)
	}
}

func pod(name string) object {
	return object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name},
		"spec": object{"nodeName": "any", "containers": []object{{"name": "any", "image": "any"}}},
	}
}

type found struct {
	Spec   struct{ NodeName string }
	Status struct {
		PodIP      string
		Conditions []struct{ Type, Status string }
	}
}

func list(t *testing.T, c *Client) []found {
	t.Helper()
	var all struct{ Items []found }
	must(t, c.Get(t.Context(), pods, &all))
	return all.Items
}

// readyOn waits until each of the nodes has one pod that is ready and has an address.
func readyOn(t *testing.T, c *Cluster, nodes ...string) {
	t.Helper()
	eventually(t, func() error {
		ready := map[string]int{}
		for _, p := range list(t, c.Client) {
			for _, condition := range p.Status.Conditions {
				if condition.Type == "Ready" && condition.Status == "True" && p.Status.PodIP != "" {
					ready[p.Spec.NodeName]++
				}
			}
		}
		for _, node := range nodes {
			if ready[node] != 1 {
				return fmt.Errorf("ready pods by node: got %v, want one on each of %q", ready, nodes)
			}
		}
		return nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, ask func() error) {
	t.Helper()
	Eventually(t, time.Minute, ask)
}
