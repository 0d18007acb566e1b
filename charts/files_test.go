package charts

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The pod gets the folders of the node and the user that it takes to read logs of pods, and nothing else.
func TestFiles(t *testing.T) {
	const set = "files.enabled=true,files.extraHostPaths={/var/lib/docker/containers},files.stateDir=/srv/alspan"
	with := at(objects(t, render(t, "--set", set))["DaemonSet"], "spec", "template", "spec").(object)
	without := at(objects(t, render(t))["DaemonSet"], "spec", "template", "spec").(object)
	volume := func(name, path, kind string) object {
		return object{"name": name, "hostPath": object{"path": path, "type": kind}}
	}
	mount := func(name, path string) object { return object{"name": name, "mountPath": path, "readOnly": true} }
	container := at(without, "containers", 0).(object)
	container["securityContext"] = object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities": object{"drop": []any{"ALL"}}, "runAsUser": uint64(0), "runAsNonRoot": false}
	container["volumeMounts"] = append(container["volumeMounts"].([]any), mount("files-pods", "/var/log/pods"),
		mount("files-0", "/var/lib/docker/containers"), object{"name": "files-state", "mountPath": "/srv/alspan"})
	without["volumes"] = append(without["volumes"].([]any), volume("files-pods", "/var/log/pods", "Directory"),
		volume("files-0", "/var/lib/docker/containers", "Directory"), volume("files-state", "/srv/alspan", "DirectoryOrCreate"))
	if diff := cmp.Diff(without, with); diff != "" {
		t.Errorf("the pod is another one than without files.enabled, besides folders and user:\n%s", diff)
	}
}

// securityContext goes before files.runAsUser, and only root is root.
func TestFilesUser(t *testing.T) {
	for set, want := range map[string]object{
		"files.runAsUser=1000":        {"runAsUser": uint64(1000), "runAsNonRoot": true},
		"securityContext.runAsUser=0": {"runAsUser": uint64(0), "runAsNonRoot": false},
		"files.runAsUser=1000,securityContext.runAsUser=0,securityContext.runAsNonRoot=false": {"runAsUser": uint64(0), "runAsNonRoot": false},
		"files.enabled=false": {},
	} {
		context := at(objects(t, render(t, "--set", "files.enabled=true", "--set", set))["DaemonSet"], "spec", "template", "spec", "containers", 0, "securityContext").(object)
		maps.DeleteFunc(context, func(key string, _ any) bool { return key != "runAsUser" && key != "runAsNonRoot" })
		if diff := cmp.Diff(want, context); diff != "" {
			t.Errorf("--set %s:\n%s", set, diff)
		}
	}
}

// What config says goes before the chart's defaults, each key by itself.
func TestFilesConfiguration(t *testing.T) {
	const paths, positions = "/var/log/pods/*/envoy/*.log", "/var/lib/alspan/positions.json"
	for set, want := range map[string]struct {
		paths     []string
		positions string
		flush     time.Duration
	}{
		"files.enabled=true":                                                        {[]string{paths}, positions, 10 * time.Second},
		"files.enabled=false":                                                       {nil, "", 10 * time.Second},
		"files.enabled=true,config.receive=null":                                    {[]string{paths}, positions, 10 * time.Second},
		"files.enabled=true,config.receive.files.flush=2s":                          {[]string{paths}, positions, 2 * time.Second},
		"files.enabled=true,files.stateDir=/srv/a":                                  {[]string{paths}, "/srv/a/positions.json", 10 * time.Second},
		"files.enabled=true,config.receive.files.paths=null":                        {[]string{paths}, positions, 10 * time.Second},
		"files.enabled=true,config.receive.files.positions=":                        {[]string{paths}, "", 10 * time.Second},
		"files.enabled=true,config.receive.files.paths={/var/log/pods/e_*/*/*.log}": {[]string{"/var/log/pods/e_*/*/*.log"}, positions, 10 * time.Second},
		"files.enabled=true,config.receive.files.positions=/var/lib/alspan/p":       {[]string{paths}, "/var/lib/alspan/p", 10 * time.Second},
	} {
		got := read(t, render(t, "--set", set)).Receive.Files
		if !slices.Equal(got.Paths, want.paths) || got.Positions != want.positions || got.Flush != want.flush {
			t.Errorf("--set %s: the agent follows %q, saves in %q and waits %v, want %+v", set, got.Paths, got.Positions, got.Flush, want)
		}
	}
	none := read(t, render(t, "--set", "files.enabled=true", "--set-json", "config.receive.files.paths=[]")).Receive.Files
	if len(none.Paths) > 0 {
		t.Errorf("the agent follows %q, and should follow none", none.Paths)
	}
}
