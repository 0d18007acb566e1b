// Command pods measures what alspan's knowledge of pods costs: it starts a real API server, fills it, and reads how much memory
// the agent has with it and without. It prints a Markdown table.
//
//	cd bench && go run ./cmd/pods
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alspan/alspan/bench/process"
	"github.com/alspan/alspan/internal/cluster"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

type object = map[string]any

const (
	perSlice = 100
	settle   = 20 * time.Second // the runtime gives memory back by and by
)

func run() error {
	dir, err := os.MkdirTemp("", "alspan-pods-")
	if err != nil {
		return fmt.Errorf("cannot make a work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "alspan")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir = ".." // this is run in bench
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if says, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build alspan: %w\n%s", err, says)
	}
	c, err := cluster.Run(dir, cluster.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println("| cluster | alspan | known | resident MiB, idle | most | read in s | more than without MiB |")
	fmt.Println("|---|---|---|---|---|---|---|")
	without := 0.0
	for _, step := range []struct {
		name            string
		pods, endpoints int
		enabled, watch  string
	}{
		{"none", 0, 0, "off", "node"},
		{"100 pods on the node, no endpoints", 100, 0, "on", "node"},
		{"100 pods on the node, 5,000 endpoints", 100, 5000, "on", "node"},
		{"100 pods on the node, 50,000 endpoints", 100, 50000, "on", "node"},
		{"5,000 pods, 50,000 endpoints", 5000, 50000, "on", "node"},
		{"5,000 pods, 50,000 endpoints", 5000, 50000, "on", "cluster"},
	} {
		if err := fill(c, step.pods, step.endpoints); err != nil {
			return err
		}
		m, err := measure(binary, dir, c.Kubeconfig(), step.enabled, step.watch)
		if err != nil {
			return err
		}
		if step.enabled == "off" {
			without = m.idle
		}
		fmt.Printf("| %s | pods.watch: %s, pods.enabled: %s | %d | %.1f | %.1f | %.1f | %+.1f |\n", step.name, step.watch, step.enabled, m.known, m.idle, m.most, m.took.Seconds(), m.idle-without)
	}
	return nil
}

var made struct{ pods, endpoints int }

// fill makes pods, the first hundred of them on the node n0, and EndpointSlices of a hundred each.
func fill(c *cluster.Cluster, pods, endpoints int) error {
	ctx := context.Background()
	var failed error
	var once sync.Once
	each := func(from, to, step int, f func(i int) error) {
		turn := make(chan int)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range turn {
					if err := f(i); err != nil {
						once.Do(func() { failed = err })
					}
				}
			})
		}
		for i := from; i < to; i += step {
			turn <- i
		}
		close(turn)
		wg.Wait()
	}
	each(made.pods, pods, 1, func(i int) error {
		name := podName(i)
		node := "n0"
		if i >= 100 {
			node = fmt.Sprint("n", 1+i/100)
		}
		containers := []object{container("app", 15), container("istio-proxy", 15)}
		err := c.Create(ctx, "/api/v1/namespaces/default/pods", object{"metadata": object{"name": name, "labels": object{"app": name, "pod-template-hash": "7d9fb6c5d8", "version": "v1"},
			"annotations": object{"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}, "ownerReferences": []object{{"apiVersion": "apps/v1", "kind": "ReplicaSet",
				"name": "app-7d9fb6c5d8", "uid": "u", "controller": true}}}, "spec": object{"nodeName": node, "containers": containers}})
		if err != nil {
			return err
		}
		return c.Report(ctx, "default", name, "Running", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), address(i))
	})
	each(made.endpoints, endpoints, perSlice, func(from int) error {
		var list []object
		for i := from; i < from+perSlice; i++ {
			list = append(list, object{"addresses": []string{address(i)}, "nodeName": fmt.Sprint("n", i/100), "conditions": object{"ready": true},
				"targetRef": object{"kind": "Pod", "namespace": "default", "name": podName(i), "uid": fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}})
		}
		service := fmt.Sprint("service-", from/perSlice)
		return c.Create(ctx, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", object{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
			"metadata": object{"name": service + "-abcde", "labels": object{"kubernetes.io/service-name": service}}, "endpoints": list, "ports": []object{{"name": "http", "port": 8080}}})
	})
	made.pods, made.endpoints = max(made.pods, pods), max(made.endpoints, endpoints)
	return failed
}

func podName(i int) string { return fmt.Sprintf("application-%d-7d9fb6c5d8-%05d", i/10, i) }
func address(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }

func container(name string, variables int) object {
	var env []object
	for i := range variables {
		env = append(env, object{"name": fmt.Sprint("VARIABLE_", i), "value": strings.Repeat("v", 40)})
	}
	return object{"name": name, "image": "registry.example/" + name + ":1.2.3", "env": env}
}

type measured struct {
	idle, most float64 // MiB
	known      int
	took       time.Duration
}

func measure(binary, dir, kubeconfig, enabled, watch string) (m measured, err error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, fmt.Errorf("cannot find a free port: %w", err)
	}
	admin := free.Addr().String()
	free.Close()
	config := filepath.Join(dir, "alspan.yaml")
	text := fmt.Sprintf("receive: {grpc: {address: '127.0.0.1:0'}, http: {address: ''}, zipkin: {address: ''}}\nadmin: {address: '%s'}\n"+
		"pods: {enabled: %s, watch: %s, node: n0, kubeconfig: %s}\n", admin, enabled, watch, kubeconfig)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return m, fmt.Errorf("cannot write the configuration: %w", err)
	}
	began := time.Now()
	agent, err := process.Start(binary, "run", "--config", config)
	if err != nil {
		return m, err
	}
	defer agent.Stop()
	want := map[string]int{"off": 0, "on": 3}[enabled]
	if watch == "cluster" {
		want = 2
	}
	for time.Since(began) < time.Minute {
		if synced, known, err := ask(admin); err == nil && synced == want {
			m.known, m.took = known, time.Since(began)
			break
		}
		if err := agent.Alive(); err != nil {
			return m, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	if m.took == 0 {
		return m, errors.New("the agent does not get to know the cluster")
	}
	time.Sleep(settle)
	memory, err := agent.Memory()
	if err != nil {
		return m, err
	}
	m.idle, m.most = float64(memory.Now)/(1<<20), float64(memory.Peak)/(1<<20)
	return m, nil
}

// ask reads from the agent's metrics how many sources it has read, and how many pods it knows.
func ask(admin string) (synced, known int, err error) {
	r, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	for line := range strings.Lines(string(page)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(name, "alspan_pods_synced") {
			n, _ := strconv.Atoi(strings.TrimSpace(line[i:]))
			synced += n
		} else if name == "alspan_pods_known" {
			known, _ = strconv.Atoi(value)
		}
	}
	return synced, known, err
}
