package charts

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/config"
)

// What holds with any values.
func TestEveryRendering(t *testing.T) {
	for name, file := range cases(t) {
		t.Run(name, func(t *testing.T) {
			text := render(t, "-f", file)
			if strings.Contains(text, "checksum/") {
				t.Error("a checksum of the configuration would restart the agents")
			}
			all := objects(t, text)
			daemon := all["DaemonSet"]
			selector, _ := at(daemon, "spec", "selector", "matchLabels").(object)
			keys := slices.Sorted(maps.Keys(selector))
			if want := []string{"app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/name"}; !slices.Equal(keys, want) {
				t.Errorf("the selector has %q, want %q for ever", keys, want)
			}
			for key, value := range selector {
				if got := at(daemon, "spec", "template", "metadata", "labels", key); got != value {
					t.Errorf("pods have the label %s=%v, and the selector wants %v", key, got, value)
				}
			}
			ports := map[any]bool{}
			container := at(daemon, "spec", "template", "spec", "containers", 0)
			list, _ := at(container, "ports").([]any)
			for _, p := range list {
				ports[at(p, "name")] = true
			}
			for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
				if port := at(container, probe, "httpGet", "port"); !ports[port] {
					t.Errorf("%s asks the port %v, which is none", probe, port)
				}
			}
			if service := all["Service"]; service != nil {
				if diff := cmp.Diff(selector, at(service, "spec", "selector")); diff != "" {
					t.Errorf("the Service selects other pods:\n%s", diff)
				}
				list, _ = at(service, "spec", "ports").([]any)
				for _, p := range list {
					if target := at(p, "targetPort"); !ports[target] {
						t.Errorf("the Service leads to the port %v, which is none", target)
					}
				}
			}
			env := map[any]any{}
			list, _ = at(container, "env").([]any)
			for _, e := range list {
				env[at(e, "name")] = at(e, "valueFrom", "fieldRef", "fieldPath")
			}
			if env["NODE_NAME"] != "spec.nodeName" || env["POD_IP"] != "status.podIP" {
				t.Errorf("the agent does not know its node and its address: %v", env)
			}
			for kind, o := range all {
				if ns := at(o, "metadata", "namespace"); (ns == nil) != strings.HasPrefix(kind, "ClusterRole") {
					t.Errorf("%s has the namespace %v", kind, ns)
				}
			}
		})
	}
}

// read gives what the agent makes of its ConfigMap.
func read(t *testing.T, manifests string) *config.Config {
	t.Helper()
	text, _ := at(objects(t, manifests)["ConfigMap"], "data", "alspan.yaml").(string)
	c, err := config.Parse("alspan.yaml", []byte(text), func(name string) (string, bool) {
		return map[string]string{"TOKEN": "secret"}[name], name == "TOKEN"
	})
	if err != nil {
		t.Fatalf("the agent refuses it: %v\n%s", err, text)
	}
	return c
}

func TestTheAgentTakesItsConfiguration(t *testing.T) {
	got := map[string]*config.Config{}
	for name, file := range cases(t) {
		got[name] = read(t, render(t, "-f", file))
	}
	none, err := config.Parse("", nil, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	none.File = got["default"].File
	if !reflect.DeepEqual(got["default"], none) {
		t.Errorf("the chart's default configuration is not the agent's:\n%+v\n%+v", got["default"], none)
	}
	full := got["full"]
	if full.Receive.GRPC.Address != ":5317" || full.Receive.HTTP.Address != "" || full.Admin.Address != ":5464" || full.Admin.Pprof != "localhost:6060" ||
		full.Export.Drain != 90*time.Second || full.Receive.Limits.Connections != 1000000 || full.Spans.Events ||
		full.Export.Headers["authorization"] != "Bearer secret" || len(full.Export.Headers["x-note"]) < 100 {
		t.Errorf("values were lost on the way: %+v", full)
	}
}

// A bare on or off is true or false for Helm.
func TestPodsAreOnOrOff(t *testing.T) {
	for set, want := range map[string]string{"off": "off", "false": "off", "on": "on", "auto": "auto"} {
		for _, flag := range []string{"--set", "--set-string"} {
			if flag == "--set-string" && set == "false" {
				continue
			}
			all := objects(t, render(t, flag, "config.pods.enabled="+set))
			text, _ := at(all["ConfigMap"], "data", "alspan.yaml").(string)
			if !strings.Contains(text, "enabled: "+want+"\n") && !strings.Contains(text, `enabled: "`+want+"\"\n") {
				t.Errorf("%s config.pods.enabled=%s: not %q in\n%s", flag, set, want, text)
			}
			if (all["ClusterRole"] == nil) != (want == "off") {
				t.Errorf("%s config.pods.enabled=%s: the ClusterRole is %v", flag, set, all["ClusterRole"])
			}
		}
	}
}

// The rights are all there is: to list and watch pods and endpointslices.
func TestRights(t *testing.T) {
	all := objects(t, render(t))
	list := []any{"list", "watch"}
	want := []any{
		object{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": list},
		object{"apiGroups": []any{"discovery.k8s.io"}, "resources": []any{"endpointslices"}, "verbs": list},
	}
	if diff := cmp.Diff(want, at(all["ClusterRole"], "rules")); diff != "" {
		t.Error(diff)
	}
	if at(all["ClusterRoleBinding"], "roleRef", "name") != at(all["ClusterRole"], "metadata", "name") ||
		at(all["ClusterRoleBinding"], "subjects", 0, "name") != at(all["DaemonSet"], "spec", "template", "spec", "serviceAccountName") {
		t.Errorf("the binding does not bind the pods' account: %v", all["ClusterRoleBinding"])
	}
	token := func(set string, rights bool) any {
		all := objects(t, render(t, "--set", set))
		if rights != (all["ClusterRole"] != nil) || rights != (all["ClusterRoleBinding"] != nil) {
			t.Errorf("--set %s: the ClusterRole is %v", set, all["ClusterRole"])
		}
		return at(all["DaemonSet"], "spec", "template", "spec", "automountServiceAccountToken")
	}
	if token("rbac.create=true", true) != true || token("rbac.create=false", false) != false || token("config.pods.enabled=off", false) != false ||
		token("rbac.create=false,serviceAccount.automountServiceAccountToken=true", false) != true ||
		token("serviceAccount.automountServiceAccountToken=false", true) != false {
		t.Error("the token is not mounted exactly when there are rights, or when asked for")
	}
}

func TestTrafficDistribution(t *testing.T) {
	for version, want := range map[string]any{"1.36.3": "PreferSameNode", "v1.34.1-gke.100": "PreferSameNode", "1.33.9": nil, "1.26.0": nil} {
		out := render(t, "--kube-version", version)
		if got := at(objects(t, out)["Service"], "spec", "trafficDistribution"); got != want {
			t.Errorf("Kubernetes %s: %v, want %v", version, got, want)
		}
	}
	if got := at(objects(t, render(t, "--set", "service.trafficDistribution="))["Service"], "spec", "trafficDistribution"); got != nil {
		t.Errorf("set to nothing: %v", got)
	}
}

func TestUpdateStrategy(t *testing.T) {
	surge := object{"type": "RollingUpdate", "rollingUpdate": object{"maxSurge": uint64(1), "maxUnavailable": uint64(0)}}
	tenth := object{"type": "RollingUpdate", "rollingUpdate": object{"maxUnavailable": "10%"}}
	for set, want := range map[string]object{"hostNetwork=false": surge, "ports.zipkin.hostPort=9411": tenth, "hostNetwork=true": tenth, "files.enabled=true": tenth} {
		if diff := cmp.Diff(want, at(objects(t, render(t, "--set", set))["DaemonSet"], "spec", "updateStrategy")); diff != "" {
			t.Errorf("%s:\n%s", set, diff)
		}
	}
}

// The Pod Security level "restricted", as Kubernetes documents it.
func TestRestricted(t *testing.T) {
	for _, name := range []string{"default", "tls", "no-rbac", "full"} {
		pod := at(objects(t, render(t, "-f", cases(t)[name]))["DaemonSet"], "spec", "template", "spec")
		container := at(pod, "containers", 0)
		for path, want := range map[string]any{"runAsNonRoot": true, "runAsUser": uint64(65532), "runAsGroup": uint64(65532)} {
			if got := at(pod, "securityContext", path); got != want {
				t.Errorf("%s: %s is %v", name, path, got)
			}
		}
		want := object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": object{"drop": []any{"ALL"}}}
		if diff := cmp.Diff(want, at(container, "securityContext")); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if at(pod, "securityContext", "seccompProfile", "type") != "RuntimeDefault" || at(pod, "hostNetwork") != nil {
			t.Errorf("%s: no seccomp profile, or the node's network", name)
		}
		ports, _ := at(container, "ports").([]any)
		for _, p := range ports {
			if at(p, "hostPort") != nil {
				t.Errorf("%s: %v has a port of the node", name, p)
			}
		}
		volumes, _ := at(pod, "volumes").([]any)
		for _, v := range volumes {
			if at(v, "configMap") == nil && at(v, "secret") == nil {
				t.Errorf("%s: a volume that is no ConfigMap and no Secret: %v", name, v)
			}
		}
	}
}
