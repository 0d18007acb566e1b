// Package cluster takes the toolbox's binaries and gives a running Kubernetes control plane for tests: etcd and an API
// server, on request with the controller manager, the scheduler and fake kubelets. Nothing of a pod ever runs: what the
// cluster says of pods is true of the objects only.
package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Options say what runs besides etcd and the API server.
type Options struct {
	Controllers bool // the controller manager and the scheduler; without them no pod gets a ServiceAccount by itself
	Kwok        bool // fake kubelets for the nodes made with AddNode: their pods become ready and go when deleted
}

// Cluster is a running control plane. Its embedded client is the administrator's.
type Cluster struct {
	*Client
	CAFile     string // the certificate authority, for other clients
	AdminToken string

	options    Options
	programs   map[string]string // paths by name
	dir        string
	port       int // the API server's
	store      int // etcd's
	api        *process
	others     []*process // in the order in which they were started
	kubeconfig string
	files      atomic.Int64 // kubeconfigs written
	nodes      atomic.Int64
}

// Start starts a control plane that ends with the test. If the test fails, what each process wrote last is shown.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c, err := Run(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			t.Log(c.Logs())
		}
	})
	return c
}

// Eventually asks again and again until there is no error, and fails the test with the last one when that takes too long.
func Eventually(t testing.TB, within time.Duration, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Run starts a control plane that keeps its files in an empty folder, and waits until it is ready. Close ends it.
func Run(dir string, o Options) (*Cluster, error) {
	programs, err := find(o)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("cannot find the folder of a control plane: %w", err)
	}
	c := &Cluster{options: o, programs: programs, dir: dir, CAFile: filepath.Join(dir, "ca.crt"), AdminToken: "administrator"}
	err = c.prepare()
	if err == nil {
		err = c.launch()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot start a control plane: %w\n%s", err, c.Logs())
	}
	return c, nil
}

// prepare writes the files that the programs read.
func (c *Cluster) prepare() error {
	pool, err := writeKeys(c.dir)
	if err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	c.store, c.port = ports[0], ports[1]
	c.Client = newClient(fmt.Sprintf("https://127.0.0.1:%d", c.port), c.AdminToken, pool)
	if c.kubeconfig, err = c.KubeconfigFor(c.AdminToken); err != nil {
		return err
	}
	return c.writeUsers()
}

// launch starts the programs, each when those that it needs are there.
func (c *Cluster) launch() error {
	etcd, err := start(c.dir, c.programs["etcd"], c.etcdFlags()...)
	if err != nil {
		return err
	}
	c.others = append(c.others, etcd)
	if err := c.StartAPI(); err != nil {
		return err
	}
	for _, next := range c.rest() {
		p, err := start(c.dir, c.programs[next.name], next.flags...)
		if err != nil {
			return err
		}
		c.others = append(c.others, p)
	}
	if c.options.Controllers {
		return c.await(c.controlled)
	}
	return nil
}

// Close kills the processes, in an order in which none misses another for long.
func (c *Cluster) Close() {
	for len(c.others) > 1 {
		c.others[len(c.others)-1].kill()
		c.others = c.others[:len(c.others)-1]
	}
	if c.api != nil {
		c.api.kill()
	}
	for _, etcd := range c.others {
		etcd.kill()
	}
	if c.Client != nil {
		c.http.CloseIdleConnections()
	}
}

// Kubeconfig gives the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }

// Logs gives the last lines of what each process wrote.
func (c *Cluster) Logs() string {
	var all strings.Builder
	paths, _ := filepath.Glob(filepath.Join(c.dir, "*.log"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "%s wrote last:\n%s\n", strings.TrimSuffix(filepath.Base(path), ".log"), tail(string(text), 15))
	}
	return all.String()
}

// await asks until there is no error, or until a process has ended.
func (c *Cluster) await(ask func() error) error {
	deadline := time.Now().Add(time.Minute) // seconds, on a machine that does nothing else
	for {
		err := ask()
		if err == nil {
			return nil
		}
		for _, p := range append([]*process{c.api}, c.others...) {
			if p.ended() {
				return fmt.Errorf("cannot go on without %s, which has ended: %w", p.name, errors.Join(p.err, err))
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot wait any longer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freePorts finds ports below those that the kernel gives to outgoing connections: the API server's must stay free while
// it is stopped, and a client that dials it then must not meet itself.
func freePorts(count int) ([]int, error) {
	var found []int
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // not before all are found: they differ
		if found = append(found, port); len(found) == count {
			return found, nil
		}
	}
	return nil, errors.New("cannot find free ports")
}
