package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alspan/alspan/docs/examples"
	"github.com/alspan/alspan/internal/tools/toolbox"
)

// findEnvoy gives the path of a real Envoy: on the PATH, or where the tools are installed. "" when there is none.
func findEnvoy() string {
	if path, err := exec.LookPath("envoy"); err == nil {
		return path
	}
	if path, err := toolbox.Path(toolbox.Envoy()); err == nil {
		return path
	}
	return ""
}

// proxy is a running Envoy.
type proxy struct {
	name    string
	address string
	cmd     *exec.Cmd
	exited  chan error
}

const (
	envoyReady = 20 * time.Second
	// An Envoy that stops does not flush its access log: the last entries are waited for.
	envoyFlush = 1200 * time.Millisecond
	// Its tracer flushes as often as its access log, so that a trace is not drawn in parts.
	flushSpans = "{layered_runtime: {layers: [{name: demo, static_layer: {tracing.opentelemetry.flush_interval_ms: 1000}}]}}"
)

// realTraffic sends requests through two real Envoys, edge and mid, that run the example configuration, to toy services.
func (d *demo) realTraffic(ctx context.Context, alspan string) (int, error) {
	dir, err := os.MkdirTemp("", "alspan-demo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	toys := httptest.NewServer(http.HandlerFunc(toyService))
	defer toys.Close()
	mid, err := d.startEnvoy(ctx, dir, "mid", toys.Listener.Addr().String(), alspan)
	if err != nil {
		return 0, err
	}
	defer mid.stop()
	edge, err := d.startEnvoy(ctx, dir, "edge", mid.address, alspan)
	if err != nil {
		return 0, err
	}
	defer edge.stop()
	sent := requests(ctx, edge.address, d.rate)
	time.Sleep(envoyFlush)
	return sent, nil
}

// startEnvoy runs the example configuration with other addresses and another name, and waits until it is ready.
func (d *demo) startEnvoy(ctx context.Context, dir, name, upstream, alspan string) (*proxy, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(envoyConfig(name, address, upstream, alspan)), 0o600); err != nil {
		return nil, err
	}
	logs, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	p := &proxy{name: name, address: address, exited: make(chan error, 1)}
	p.cmd = exec.Command(d.envoy, "-c", file, "--config-yaml", flushSpans, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning")
	p.cmd.Stdout, p.cmd.Stderr = logs, logs
	// Ctrl-C at a terminal reaches a whole process group; Envoys go on until their last entries are here.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", d.envoy, err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	if err := p.ready(ctx); err != nil {
		text, _ := os.ReadFile(logs.Name())
		p.stop()
		return nil, fmt.Errorf("cannot start %s (the example needs Envoy 1.38 or later): %w\n%s", d.envoy, err, text)
	}
	return p, nil
}

// envoyConfig gives the example configuration for one hop of the demo.
func envoyConfig(name, address, upstream, alspan string) string {
	at := func(address string) string {
		host, port, _ := net.SplitHostPort(address)
		return fmt.Sprintf("{address: %s, port_value: %s}", host, port)
	}
	return strings.NewReplacer(
		"{address: 0.0.0.0, port_value: 10000}", at(address),
		"{address: 127.0.0.1, port_value: 8080}", at(upstream),
		"{address: 127.0.0.1, port_value: 4317}", at(alspan),
		"id: envoy-1", "id: "+name+"-1",
		"cluster: edge", "cluster: "+name,
		"log_name: edge", "log_name: "+name,
		"service_name: edge", "service_name: "+name,
	).Replace(examples.Envoy)
}

func (p *proxy) ready(ctx context.Context) error {
	deadline := time.After(envoyReady)
	for {
		if c, err := net.Dial("tcp", p.address); err == nil {
			return c.Close()
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			return fmt.Errorf("it ended: %w", err)
		case <-deadline:
			return errors.New("it did not listen in time")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *proxy) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// requests sends a mix of requests until ctx is over and gives how many were sent.
func requests(ctx context.Context, address string, rate float64) (sent int) {
	mix := []struct{ method, path, body string }{
		{"GET", "/", ""}, {"GET", "/products?page=2", ""}, {"GET", "/products/42?token=secret", ""}, {"GET", "/cart", ""},
		{"POST", "/checkout", `{"items":3}`}, {"GET", "/missing", ""}, {"POST", "/payment", `{"sum":12}`}, {"GET", "/slow", ""}, {"GET", "/flaky", ""},
	}
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(time.Duration(float64(time.Second) / max(rate, 0.01)))
	defer tick.Stop()
	for {
		r := mix[sent%len(mix)]
		q, err := http.NewRequestWithContext(context.WithoutCancel(ctx), r.method, "http://"+address+r.path, strings.NewReader(r.body))
		if err == nil {
			if answer, err := client.Do(q); err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}
		sent++
		select {
		case <-ctx.Done():
			return sent
		case <-tick.C:
		}
	}
}

// toyService stands for everything behind the inner Envoy.
func toyService(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	work := time.Duration(2+rand.IntN(20)) * time.Millisecond
	status := http.StatusOK
	switch {
	case r.URL.Path == "/missing":
		status = http.StatusNotFound
	case r.URL.Path == "/payment":
		status = http.StatusInternalServerError
	case r.URL.Path == "/slow":
		work = 300 * time.Millisecond
	case r.URL.Path == "/flaky" && rand.IntN(3) > 0:
		status = http.StatusServiceUnavailable
	}
	time.Sleep(work)
	w.WriteHeader(status)
	io.WriteString(w, strconv.Itoa(status)+"\n")
}
