package charts

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const merge = "application/merge-patch+json"

// A release lives in a real control plane, from its installation until nothing of it is left. The kubelets are fake, so that what is
// shown is what Kubernetes makes of the objects; the agent runs as a process with the token of the chart's account.
func TestInstall(t *testing.T) {
	binary := buildAgent(t) // while the control plane starts
	s := newSite(t)
	t.Run("dry runs", s.dryRuns)

	// As an administrator who wants to be told, too, would label it.
	s.namespace(t, "alspan", "enforce=restricted", "warn=restricted")
	says := s.helm(t, "install", "alspan", "alspan", "-n", "alspan", "--create-namespace", "--wait")
	if !strings.Contains(says, "an HTTP/2 cluster to   alspan.alspan.svc:4317\n") {
		t.Errorf("the notes do not say where access logs are sent to:\n%s", says)
	}
	t.Run("pods", s.checkPods)
	t.Run("endpoints", s.checkEndpoints)
	t.Run("rights", s.checkRights)
	t.Run("agent", func(t *testing.T) { s.runAgent(t, binary()) })
	first := s.get(t, daemons+"/alspan")
	t.Run("upgrade", s.upgrade)
	t.Run("refused", s.refused)
	t.Run("privileged", s.privileged)
	t.Run("rollback", func(t *testing.T) { s.rollback(t, first) })
	t.Run("uninstall", s.uninstall)
}

const daemons = "/apis/apps/v1/namespaces/alspan/daemonsets"

func (s *site) checkPods(t *testing.T) {
	for _, p := range s.oneOnEach(t, "alspan") {
		var token bool
		volumes, _ := at(p, "spec", "volumes").([]any)
		for _, v := range volumes {
			token = token || at(v, "projected", "sources", 0, "serviceAccountToken") != nil
		}
		if at(p, "spec", "serviceAccountName") != "alspan" || !token {
			t.Errorf("the pod on %v has no token of the chart's account", at(p, "spec", "nodeName"))
		}
	}
}

// The Service leads to the agent of each node on all ports, and would keep to that of the caller's node.
func (s *site) checkEndpoints(t *testing.T) {
	want := map[string]string{}
	for _, p := range s.oneOnEach(t, "alspan") {
		ip, _ := at(p, "status", "podIP").(string)
		for port, is := range map[string]string{"otlp-grpc": "4317 grpc", "otlp-http": "4318 http", "zipkin": "9411 http", "als": "4317 grpc"} {
			want[ip+" "+port] = fmt.Sprint(is, " on ", at(p, "spec", "nodeName"), " for ", at(p, "spec", "nodeName"))
		}
	}
	eventually(t, func() error {
		slices, err := s.list(t.Context(), "/apis/discovery.k8s.io/v1/namespaces/alspan/endpointslices?labelSelector=kubernetes.io/service-name=alspan")
		got := map[string]string{}
		for _, slice := range slices {
			endpoints, _ := at(slice, "endpoints").([]any)
			ports, _ := at(slice, "ports").([]any)
			for _, e := range endpoints {
				for _, p := range ports {
					if at(e, "conditions", "ready") == true {
						got[fmt.Sprint(at(e, "addresses", 0), " ", at(p, "name"))] = fmt.Sprint(at(p, "port"), " ", at(p, "appProtocol"),
							" on ", at(e, "nodeName"), " for ", at(e, "hints", "forNodes", 0, "name"))
					}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" && err == nil {
			err = fmt.Errorf("the Service leads elsewhere:\n%s", diff)
		}
		return err
	})
	service := s.get(t, "/api/v1/namespaces/alspan/services/alspan")
	got := map[any]any{}
	ports, _ := at(service, "spec", "ports").([]any)
	for _, p := range ports {
		got[at(p, "name")] = at(p, "port")
	}
	if diff := cmp.Diff(map[any]any{"otlp-grpc": 4317., "otlp-http": 4318., "zipkin": 9411., "als": 9001.}, got); diff != "" {
		t.Errorf("the Service has other ports:\n%s", diff)
	}
}

// An upgrade replaces each pod, and no node is without an agent meanwhile.
func (s *site) upgrade(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	gaps := make(chan map[string]int, 1)
	go func() {
		found := map[string]int{}
		for ctx.Err() == nil {
			if ready, err := s.agents(ctx, "alspan"); err == nil {
				for _, node := range s.nodes {
					if len(ready[node]) == 0 {
						found[node]++
					}
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		gaps <- found
	}()
	s.helm(t, "upgrade", "alspan", "alspan", "-n", "alspan", "--wait", "--set", "podLabels.tier=edge,config.export.endpoint=http://other:4317")
	s.rolledOut(t)
	for _, p := range s.oneOnEach(t, "alspan") {
		if at(p, "metadata", "labels", "tier") != "edge" {
			t.Errorf("the pod on %v is not new", at(p, "spec", "nodeName"))
		}
	}
	stop()
	if found := <-gaps; len(found) > 0 {
		t.Errorf("nodes were seen without a ready agent: %v", found)
	}
	config, _ := at(s.get(t, "/api/v1/namespaces/alspan/configmaps/alspan"), "data", "alspan.yaml").(string)
	if !strings.Contains(config, "endpoint: http://other:4317") {
		t.Errorf("the configuration is not the new one:\n%s", config)
	}
}

// rolledOut tells that the controller has seen what Helm has sent, and made all pods of it.
func (s *site) rolledOut(t *testing.T) {
	t.Helper()
	d := s.get(t, daemons+"/alspan")
	nodes := float64(len(s.nodes))
	if at(d, "status", "observedGeneration") != at(d, "metadata", "generation") ||
		at(d, "status", "desiredNumberScheduled") != nodes || at(d, "status", "updatedNumberScheduled") != nodes {
		t.Errorf("the rollout is not done: %v", d["status"])
	}
}

// Where the namespace is restricted, pods with a port of the node are refused, and the event says why.
func (s *site) refused(t *testing.T) {
	_, says, err := s.tryHelm(t, "upgrade", "alspan", "alspan", "-n", "alspan", "-f", cases(t)["hostport"])
	const why = `PodSecurity "restricted:latest": hostPort (container "alspan" uses hostPorts 19411, 4317)`
	if err != nil || !strings.Contains(strings.ReplaceAll(says, `\`, ""), "would violate "+why) {
		t.Errorf("got error %v and %q, want the warning %q", err, says, why)
	}
	eventually(t, func() error {
		events, err := s.list(t.Context(), "/api/v1/namespaces/alspan/events?fieldSelector=reason=FailedCreate,involvedObject.kind=DaemonSet")
		if err == nil && !slices.ContainsFunc(events, func(e any) bool { return strings.Contains(fmt.Sprint(at(e, "message")), "violates "+why) }) {
			err = fmt.Errorf("no event says %q: %v", why, events)
		}
		return err
	})
	// It takes away one agent for that, no more.
	if ready, err := s.agents(t.Context(), "alspan"); err != nil || len(ready) != len(s.nodes)-1 {
		t.Errorf("%d nodes have an agent, want all but one; %v", len(ready), err)
	}
}

// Where it is privileged, they run.
func (s *site) privileged(t *testing.T) {
	s.namespace(t, "edge", "enforce=privileged")
	s.helm(t, "install", "edge", "alspan", "-n", "edge", "--wait", "-f", cases(t)["hostport"])
	for _, p := range s.oneOnEach(t, "edge") {
		if at(p, "spec", "containers", 0, "ports", 0, "hostPort") != 4317. {
			t.Errorf("the pod has no port of its node: %v", p["spec"])
		}
	}
	s.helm(t, "upgrade", "edge", "alspan", "-n", "edge", "--wait", "-f", cases(t)["hostport"], "-f", cases(t)["files"])
	for _, p := range s.oneOnEach(t, "edge") {
		if at(p, "spec", "volumes", 1, "hostPath", "path") != "/var/log/pods" || at(p, "spec", "containers", 0, "securityContext", "runAsUser") != 0. {
			t.Errorf("the pod does not read logs of its node: %v", p["spec"])
		}
	}
}

// A rollback mends the release: all is as it was at first.
func (s *site) rollback(t *testing.T, first object) {
	s.helm(t, "rollback", "alspan", "1", "-n", "alspan", "--wait")
	s.rolledOut(t)
	s.oneOnEach(t, "alspan")
	now := s.get(t, daemons+"/alspan")
	if diff := cmp.Diff(first["spec"], now["spec"]); diff != "" {
		t.Errorf("the DaemonSet is not as it was:\n%s", diff)
	}
}

// Nothing is left of a release, of any kind, in any namespace, and another release of the chart is not touched.
func (s *site) uninstall(t *testing.T) {
	const own, helms = "app.kubernetes.io/instance=alspan", "owner=helm,name=alspan"
	before, err := s.labelled(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	for kind := range objects(t, render(t)) {
		if !slices.ContainsFunc(before, func(o string) bool { return strings.HasPrefix(o, kind+" ") }) {
			t.Errorf("no %s has the label %s, so that none would be missed: %q", kind, own, before)
		}
	}
	if secrets, err := s.labelled(t.Context(), helms); err != nil || len(secrets) != 4 {
		t.Errorf("Helm has %q of four revisions, %v", secrets, err)
	}
	s.helm(t, "uninstall", "alspan", "-n", "alspan", "--wait")
	eventually(t, func() error { // the pods and the endpoints go after what owns them
		left, err := s.labelled(t.Context(), own)
		secrets, err2 := s.labelled(t.Context(), helms)
		if left = append(left, secrets...); len(left) > 0 {
			return fmt.Errorf("left behind: %q", left)
		}
		if err == nil {
			err = err2
		}
		return err
	})
	s.oneOnEach(t, "edge")
	if edge, err := s.labelled(t.Context(), "app.kubernetes.io/instance=edge"); err != nil || !slices.Contains(edge, "ClusterRole edge-edge-alspan") {
		t.Errorf("the other release has lost its role: %q, %v", edge, err)
	}
}
