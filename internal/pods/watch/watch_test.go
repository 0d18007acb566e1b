package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/cluster"
	"github.com/alspan/alspan/internal/pods"
)

type object = map[string]any

const merge = "application/merge-patch+json"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks until the answer is good.
func eventually(t testing.TB, ask func() error) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, ask)
}

// logs is a log that tests read.
type logs struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *logs) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.String(), text)
}

func begin(t testing.TB, o Options) (*pods.Index, *Watcher, *logs) {
	t.Helper()
	x, said := pods.NewIndex(), new(logs)
	o.Log, o.UserAgent = slog.New(slog.NewTextHandler(said, nil)), "alspan/test"
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the watcher said:\n%s", said.String())
		}
	})
	w, err := New(x, o)
	must(t, err)
	t.Cleanup(w.Stop)
	return x, w, said
}

func synced(t testing.TB, w *Watcher) {
	t.Helper()
	eventually(t, func() error {
		for _, s := range w.Sources {
			if !s.Synced() {
				return fmt.Errorf("the %s are not known yet", s.Name)
			}
		}
		return nil
	})
}

// makePod makes a pod with an address on a node; more is merged into its metadata, spec into its spec.
func makePod(t testing.TB, c *cluster.Cluster, name, node, ip string, metadata, spec object) {
	t.Helper()
	m := object{"name": name, "namespace": "default"}
	for k, v := range metadata {
		m[k] = v
	}
	s := object{"nodeName": node, "containers": []object{{"name": "app", "image": "shop:1.2"}}}
	for k, v := range spec {
		s[k] = v
	}
	must(t, c.Create(t.Context(), "/api/v1/namespaces/default/pods", object{"apiVersion": "v1", "kind": "Pod", "metadata": m, "spec": s}))
	running(t, c, name, ip, "Running")
}

func running(t testing.TB, c *cluster.Cluster, name, ip, phase string) {
	t.Helper()
	must(t, c.Report(t.Context(), "default", name, phase, time.Now(), ip, "fd00::"+strings.ReplaceAll(ip, ".", ":")))
}

func deletePod(t testing.TB, c *cluster.Cluster, name string) {
	t.Helper()
	must(t, c.Delete(t.Context(), "/api/v1/namespaces/default/pods/"+name+"?gracePeriodSeconds=0"))
}

func makeSlice(t testing.TB, c *cluster.Cluster, name, service string, endpoints []object) {
	t.Helper()
	must(t, c.Create(t.Context(), "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice(name, service, endpoints)))
}

func slice(name, service string, endpoints []object) object {
	return object{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
		"metadata": object{"name": name, "namespace": "default", "labels": object{"kubernetes.io/service-name": service}}}
}

func endpoint(pod, node, ip string) object {
	return object{"addresses": []string{ip}, "nodeName": node, "targetRef": object{"kind": "Pod", "name": pod, "namespace": "default", "uid": "uid-of-" + pod}}
}

func now() int64 { return time.Now().Add(time.Second).UnixNano() }

// name gives the name of the pod with an address.
func name(x *pods.Index, ip string) string {
	if p := x.Load().ByIP(netip.MustParseAddr(ip), now()); p != nil {
		return p.Name
	}
	return ""
}

func wants(t testing.TB, x *pods.Index, ip, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := name(x, ip); got != want {
			return fmt.Errorf("%s is %q, want %q", ip, got, want)
		}
		return nil
	})
}

// owned gives metadata of a pod that has a controller.
func owned(kind, name string, labels object) object {
	api := map[string]string{"ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}[kind]
	return object{"labels": labels, "annotations": object{"resource.opentelemetry.io/team": "t1", "note": "n", "other": "o"},
		"ownerReferences": []object{{"apiVersion": api, "kind": kind, "name": name, "uid": "u", "controller": true}}}
}

func serviceAccount(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	must(t, c.Create(t.Context(), "/api/v1/namespaces/default/serviceaccounts", object{"metadata": object{"name": "default"}}))
}

func TestPodsOfARealAPIServer(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	serviceAccount(t, c)
	makePod(t, c, "before", "n1", "10.0.0.1", nil, nil)
	makePod(t, c, "other-node", "n2", "10.0.1.1", nil, nil)
	makeSlice(t, c, "web-1", "web", []object{endpoint("elsewhere", "n2", "10.0.1.2"), {"addresses": []string{"10.0.1.3"}}})
	x, w, _ := begin(t, Options{Kubeconfig: c.Kubeconfig(), Node: "n1", Labels: []string{"app", "x-*"}, Annotations: []string{"note"}})
	synced(t, w)
	for ip, want := range map[string]string{"10.0.0.1": "before", "fd00::10:0:0:1": "before", "10.0.1.1": "", "10.0.1.2": "elsewhere", "10.0.1.3": ""} {
		if got := name(x, ip); got != want {
			t.Errorf("%s is %q, want %q", ip, got, want)
		}
	}
	if p := x.Load().ByName("default", "elsewhere", now()); p == nil || p.Service != "web" || p.Node != "n2" || p.Detail != nil || p.UID != "uid-of-elsewhere" {
		t.Errorf("an endpoint is %+v", p)
	}

	due := fmt.Sprint(time.Now().Unix() / 60)
	for i, o := range []struct{ kind, name, hash, want string }{
		{"ReplicaSet", "cart-7d9fb6c5d8", "7d9fb6c5d8", "deployment cart"}, {"ReplicaSet", "bare", "", "replicaset bare"}, {"StatefulSet", "db", "", "statefulset db"},
		{"DaemonSet", "envoy", "", "daemonset envoy"}, {"Job", "backup-" + due, "", "cronjob backup"}, {"Job", "once", "", "job once"},
	} {
		labels := object{"app": "a", "x-1": "y", "secret": "s"}
		if o.hash != "" {
			labels["pod-template-hash"] = o.hash
		}
		pod := fmt.Sprint("owned-", i)
		makePod(t, c, pod, "n1", fmt.Sprint("10.0.2.", i+1), owned(o.kind, o.name, labels), nil)
		wants(t, x, fmt.Sprint("10.0.2.", i+1), pod)
		p := x.Load().ByName("default", pod, now())
		d := p.Detail
		if got := d.Workload.Kind.String() + " " + d.Workload.Name; got != o.want {
			t.Errorf("the owner of a pod of the %s %s is %s, want %s", o.kind, o.name, got, o.want)
		}
		if fmt.Sprintf("%v %v %v %s %s", d.Labels, d.Annotations, d.Attributes, d.Container, d.Image) != "[{app a} {x-1 y}] [{note n}] [{team t1}] app shop:1.2" {
			t.Errorf("its detail is %+v", d)
		}
	}

	makePod(t, c, "host", "n2", "192.168.0.2", nil, object{"hostNetwork": true})
	makeSlice(t, c, "host-1", "host", []object{endpoint("node-exporter", "n2", "192.168.0.3")})
	wants(t, x, "192.168.0.3", "node-exporter")
	eventually(t, func() error {
		if x.Load().ByName("default", "host", now()) == nil {
			return errors.New("a pod in the network of another node is not known")
		}
		return nil
	})
	if got := name(x, "192.168.0.2"); got != "" {
		t.Errorf("a node's address is the pod %q", got)
	}

	// An address that moves, a pod that completes, one that goes.
	deletePod(t, c, "before")
	makePod(t, c, "after", "n1", "10.0.0.1", nil, nil)
	wants(t, x, "10.0.0.1", "after")
	running(t, c, "after", "10.0.0.1", "Succeeded")
	eventually(t, func() error {
		if p := x.Load().ByName("default", "after", now()); p == nil || p.Deleted == 0 {
			return fmt.Errorf("the pod that has completed is %+v", p)
		}
		return nil
	})
	makePod(t, c, "third", "n1", "10.0.0.1", nil, nil)
	wants(t, x, "10.0.0.1", "third")
	must(t, c.Patch(t.Context(), "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1", merge, slice("web-1", "web", []object{endpoint("moved", "n2", "10.0.1.9")})))
	wants(t, x, "10.0.1.9", "moved")
}

// An API server that goes away takes nothing with it, and what happened meanwhile is known as soon as it is back.
func TestAPIServerGoesAway(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	serviceAccount(t, c)
	makePod(t, c, "stays", "n1", "10.0.0.1", nil, nil)
	makePod(t, c, "goes", "n1", "10.0.0.2", nil, nil)
	x, w, said := begin(t, Options{Kubeconfig: c.Kubeconfig(), Node: "n1"})
	synced(t, w)
	c.StopAPI()
	eventually(t, func() error {
		if !said.has("cannot read pods from the API server") || w.Sources[0].Failed.Load() == 0 {
			return errors.New("nobody says that the API server is gone")
		}
		return nil
	})
	if name(x, "10.0.0.1") != "stays" {
		t.Error("a pod is forgotten because the API server does not answer")
	}
	must(t, c.StartAPI())
	deletePod(t, c, "goes")
	makePod(t, c, "comes", "n1", "10.0.0.2", nil, nil)
	wants(t, x, "10.0.0.2", "comes")
	wants(t, x, "10.0.0.1", "stays")
	eventually(t, func() error {
		if !said.has("the API server answers again") {
			return errors.New("nobody says that the API server is back")
		}
		return nil
	})
}

// An agent that begins before the API server does, or without one, begins all the same.
func TestNoAPIServer(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, os.WriteFile(config, []byte(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: u, user: {}}]}`), 0o600))
	x, w, said := begin(t, Options{Kubeconfig: config})
	eventually(t, func() error {
		if !said.has("connection refused") {
			return errors.New("nobody says why")
		}
		return nil
	})
	if x.Len() != 0 || w.Sources[0].Synced() {
		t.Error("pods are known")
	}
	began := time.Now()
	if w.Stop(); time.Since(began) > 5*time.Second {
		t.Errorf("it took %s to stop", time.Since(began))
	}
	for file, want := range map[string]string{"": "cannot find the API server", filepath.Join(t.TempDir(), "none"): "cannot read the kubeconfig", "watch_test.go": "cannot use the kubeconfig"} {
		if _, err := New(x, Options{Kubeconfig: file, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", file, err, want)
		}
	}
}

// Thousands of pods that come, move and go: in the end the index has what the API server has.
func TestChurn(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{})
	serviceAccount(t, c)
	x, w, _ := begin(t, Options{Kubeconfig: c.Kubeconfig(), Cluster: true})
	synced(t, w)
	const workers, each = 8, 300
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[string]string{} // address: pod
	for worker := range workers {
		wg.Go(func() {
			for i := range each {
				pod := fmt.Sprintf("p-%d-%d", worker, i)
				ip := fmt.Sprintf("10.%d.%d.%d", worker, i/100, i%100+1) // used three times
				makePod(t, c, pod, fmt.Sprint("n", i%7), ip, nil, nil)
				if i%3 == 2 {
					deletePod(t, c, pod)
					continue
				}
				mu.Lock()
				want[ip] = pod
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	eventually(t, func() error {
		wrong := 0
		for ip, pod := range want {
			if name(x, ip) != pod {
				wrong++
			}
		}
		if wrong > 0 {
			return fmt.Errorf("%d of %d addresses are wrong", wrong, len(want))
		}
		return nil
	})
	var list struct {
		Items []struct{ Metadata struct{ Name, UID string } }
	}
	must(t, c.Get(context.Background(), "/api/v1/namespaces/default/pods", &list))
	for _, p := range list.Items {
		if known := x.Load().ByUID(p.Metadata.UID); known == nil || known.Name != p.Metadata.Name || known.Deleted != 0 {
			t.Errorf("%s is %+v", p.Metadata.Name, known)
		}
	}
}
