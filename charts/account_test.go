package charts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alspan/alspan/internal/cluster"
)

// token gives a token as the agents' pods get one.
func (s *site) token(t *testing.T) string {
	t.Helper()
	token, err := s.Token("alspan", "alspan")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// What the account may do: asked of the API server as a whole, and tried.
func (s *site) checkRights(t *testing.T) {
	agent := s.As(s.token(t))
	type rule struct{ APIGroups, Resources, Verbs []string }
	var review struct {
		Status struct {
			ResourceRules []rule
			Incomplete    bool
		}
	}
	ask := object{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": object{"namespace": "alspan"}}
	if err := agent.Post(t.Context(), "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", ask, &review); err != nil {
		t.Fatal(err)
	}
	want := []rule{
		{[]string{""}, []string{"pods"}, []string{"list", "watch"}},
		{[]string{"discovery.k8s.io"}, []string{"endpointslices"}, []string{"list", "watch"}},
		// What every account may: ask about itself.
		{[]string{"authentication.k8s.io"}, []string{"selfsubjectreviews"}, []string{"create"}},
		{[]string{"authorization.k8s.io"}, []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, []string{"create"}},
	}
	sorted := cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if diff := cmp.Diff(want, review.Status.ResourceRules, sorted); diff != "" || review.Status.Incomplete {
		t.Errorf("the account has other rights:\n%s", diff)
	}

	const pods, slices = "/api/v1/pods", "/apis/discovery.k8s.io/v1/endpointslices"
	for _, path := range []string{pods, slices, pods + "?watch=true&timeoutSeconds=1", slices + "?watch=true&timeoutSeconds=1",
		"/api/v1/namespaces/kube-system/pods", pods + "?fieldSelector=spec.nodeName=one"} {
		if err := agent.Get(t.Context(), path, nil); err != nil {
			t.Errorf("it may not: %v", err)
		}
	}
	name, _ := at(s.oneOnEach(t, "alspan")[0], "metadata", "name").(string)
	const own = "/api/v1/namespaces/alspan/pods"
	for _, path := range []string{own + "/" + name, own + "/" + name + "/log", "/api/v1/secrets", "/api/v1/namespaces/alspan/secrets", "/api/v1/nodes",
		"/api/v1/configmaps", "/api/v1/namespaces/alspan/configmaps", "/api/v1/services", "/apis/apps/v1/replicasets", "/api/v1/namespaces"} {
		forbidden(t, agent.Get(t.Context(), path, nil))
	}
	container := object{"name": "any", "image": "any"}
	forbidden(t, agent.Create(t.Context(), own, object{"metadata": object{"name": "any"}, "spec": object{"containers": []object{container}}}))
	forbidden(t, agent.Patch(t.Context(), own+"/"+name, merge, object{"metadata": object{"labels": object{"any": "any"}}}))
	forbidden(t, agent.Delete(t.Context(), own+"/"+name))
}

func forbidden(t *testing.T, err error) {
	t.Helper()
	if refusal, ok := errors.AsType[*cluster.Error](err); !ok || refusal.Code != http.StatusForbidden {
		t.Errorf("got error %v, want Forbidden", err)
	}
}

// buildAgent begins to build the program, and gives a function that waits for it.
func buildAgent(t *testing.T) (wait func() string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "alspan")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/alspan/alspan")
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start the compiler: %v", err)
	}
	done := sync.OnceValue(cmd.Wait)
	t.Cleanup(func() { done() })
	return func() string {
		if err := done(); err != nil {
			t.Fatalf("cannot build the agent: %v\n%s", err, says.String())
		}
		return binary
	}
}

// runAgent lets the agent see the cluster with what the chart gives it: the configuration, the account's token and the node's name.
func (s *site) runAgent(t *testing.T, binary string) {
	kubeconfig, err := s.KubeconfigFor(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	given, _ := at(s.get(t, "/api/v1/namespaces/alspan/configmaps/alspan"), "data", "alspan.yaml").(string)
	var config object
	if err := yaml.Unmarshal([]byte(given), &config); err != nil {
		t.Fatal(err)
	}
	// Here it is no pod, and other tests may have the ports.
	config["pods"] = object{"enabled": "on", "kubeconfig": kubeconfig}
	config["admin"] = object{"address": "127.0.0.1:0"}
	config["receive"] = object{"grpc": object{"address": "127.0.0.1:0"}, "http": object{"address": ""}, "zipkin": object{"address": ""}}
	text, err := yaml.Marshal(config)
	file := filepath.Join(t.TempDir(), "alspan.yaml")
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "run", "--config", file)
	cmd.Env = []string{"NODE_NAME=" + s.nodes[0]}
	says, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(&log, says)
		if err := cmd.Wait(); err != nil || t.Failed() || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("it ended with %v:\n%s", err, log.String())
		}
	}()
	for r := bufio.NewReader(says); ; {
		line, err := r.ReadString('\n')
		log.WriteString(line)
		if err != nil {
			t.Fatal("the agent does not run")
		}
		if m := regexp.MustCompile(`msg="alspan is running".* admin=(\S+)`).FindStringSubmatch(line); m != nil {
			eventually(t, func() error { return s.known(m[1]) })
			return
		}
	}
}

// known reads in the agent's metrics whether it has all that it asked for.
func (s *site) known(admin string) error {
	r, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return fmt.Errorf("cannot read the metrics: %w", err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("cannot read the metrics: %w", err)
	}
	want := []string{fmt.Sprintf("alspan_pods_known %d\n", len(s.nodes))}
	for _, source := range []string{"pods", "host network pods", "endpoint slices"} {
		want = append(want, fmt.Sprintf("alspan_pods_synced{source=%q} 1\n", source), fmt.Sprintf("alspan_pods_failures_total{source=%q} 0\n", source))
	}
	for _, line := range want {
		if !strings.Contains(string(page), line) {
			lines := regexp.MustCompile(`(?m)^alspan_pods_.*`).FindAllString(string(page), -1)
			return fmt.Errorf("the metrics have no line %q:\n%s", line, strings.Join(lines, "\n"))
		}
	}
	return nil
}
