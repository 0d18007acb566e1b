package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
)

// logFile is a log that a container runtime writes and rotates.
type logFile struct {
	t    *testing.T
	path string
	at   time.Time
	n    int
	rest string // of a line that is not all written
}

func newLogFile(t *testing.T) *logFile {
	dir := filepath.Join(t.TempDir(), "projectcontour_envoy-x7k2p_6c1ff5a1-3f5e-4c5f-9d2a-2a6d2f9f6b60", "envoy")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &logFile{t: t, path: filepath.Join(dir, "0.log"), at: time.Now()}
}

// line gives the next request as Contour logs it, its number in its path.
func (l *logFile) line() string {
	l.n++
	l.at = l.at.Add(time.Duration(rand.IntN(1500)) * time.Microsecond)
	return fmt.Sprintf(`{"@timestamp":%q,"authority":"shop.example.com","bytes_received":0,"bytes_sent":60,"traceparent":"00-%032x-%016x-00",`+
		`"duration":%d,"method":"GET","path":"/r/%d?x=1","protocol":"HTTP/2","referer":null,"request_id":"aeff3400-fed7-4e1f-bf39-%012x",`+
		`"requested_server_name":"shop.example.com","response_code":200,"upstream_cluster":"shop_web_80","user_agent":"curl/8","x_forwarded_for":"192.168.3.1"}`,
		l.at.UTC().Format("2006-01-02T15:04:05.000Z"), l.n, l.n, rand.IntN(40), l.n, l.n)
}

// cri gives text as a container runtime writes it: in pieces, when it is long.
func (l *logFile) cri(text string) (out string) {
	at := l.at.UTC().Format(time.RFC3339Nano)
	for len(text) > 300 && rand.IntN(2) == 0 {
		n := 100 + rand.IntN(200)
		out, text = out+at+" stdout P "+text[:n]+"\n", text[n:]
		if rand.IntN(3) == 0 {
			out += at + " stderr F [2026-11-22 08:00:00.000][1][warning] nothing to see\n"
		}
	}
	return out + at + " stdout F " + text + "\n"
}

// write appends n requests, and leaves the last line unfinished now and then.
func (l *logFile) write(n int) {
	l.t.Helper()
	text := l.rest
	for range n {
		text += l.cri(l.line())
	}
	l.rest = ""
	if rand.IntN(2) == 0 {
		cut := max(len(text)-rand.IntN(120), 0)
		text, l.rest = text[:cut], text[cut:]
	}
	l.append(text)
}

func (l *logFile) append(text string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
	f.Close()
}

// rotate renames the file as the kubelet does. The runtime finishes the line in the old one.
func (l *logFile) rotate() {
	l.t.Helper()
	l.append(l.rest)
	l.rest = ""
	if err := os.Rename(l.path, l.path+fmt.Sprintf(".20261122-%06d", l.n)); err != nil {
		l.t.Fatal(err)
	}
}

// valueOf gives an attribute of a span or a resource.
func valueOf(list []*commonpb.KeyValue, key string) string {
	for _, kv := range list {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

// Every line of a log becomes a span, and none becomes two, while the file is rotated and agents come and go.
func TestEveryLineOnce(t *testing.T) {
	backend := startBackend(t)
	log := newLogFile(t)
	positions := filepath.Join(t.TempDir(), "positions.json")
	begin := func() *Agent {
		return startAgent(t, backend, func(c *config.Config) {
			c.Receive.Files.Paths = []string{filepath.Dir(filepath.Dir(filepath.Dir(log.path))) + "/*/envoy/*.log"}
			c.Receive.Files.Positions = positions
			c.Correlate.Wait = 50 * time.Millisecond
		})
	}
	a := begin()
	log.append("")
	await(t, "the file", func() bool { return a.files.Files.Load() > 0 })
	for range 25 {
		log.write(rand.IntN(30))
		switch rand.IntN(5) {
		case 0:
			time.Sleep(300 * time.Millisecond) // a file that is there for less is not seen
			await(t, "what was written", func() bool { return len(backend.Spans()) >= log.n-1 })
			log.rotate()
		case 1:
			a.Stop()
			checkLedgers(t, a)
			if rand.IntN(2) == 0 {
				log.write(rand.IntN(30))
				log.rotate()
			}
			log.write(rand.IntN(30))
			a = begin()
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	}
	log.append(log.rest)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := backend.Wait(ctx, func(s []fake.Span) bool { return len(s) >= log.n }); err != nil {
		t.Error(err)
	}
	a.Stop()
	checkLedgers(t, a)
	seen := map[string]int{}
	for _, s := range backend.Spans() {
		seen[valueOf(s.Attributes, "url.path")]++
		if pod := valueOf(s.Resource.Attributes, "k8s.pod.name"); pod != "envoy-x7k2p" || valueOf(s.Resource.Attributes, "k8s.namespace.name") != "projectcontour" {
			t.Fatalf("a span is of pod %q: %v", pod, s.Resource.Attributes)
		}
	}
	for i := range log.n {
		path := fmt.Sprintf("/r/%d", i+1)
		if seen[path] != 1 {
			t.Errorf("there are %d spans of %s", seen[path], path)
		}
		delete(seen, path)
	}
	if len(seen) > 0 {
		t.Errorf("nobody wrote %v", seen)
	}
	if t.Failed() {
		f := a.files
		t.Logf("%d lines, %d other, %d bytes lost, %d rotated, %d truncated, dropped %v", f.Lines.Load(), f.inlet.Other.Load(), f.Lost.Load(), f.Rotated.Load(),
			f.Truncated.Load(), &a.pipeline.Entries)
	}
	saved, err := os.ReadFile(positions)
	if err != nil || !strings.Contains(string(saved), "0.log") {
		t.Errorf("positions are %s (%v)", saved, err)
	}
}

// The path of a pod's log tells whose it is, and what the operator says counts more.
func TestWriterOf(t *testing.T) {
	nodes := map[string]string{"/var/log/envoy/*": "any", "/var/log/envoy/edge*": "edge-1"}
	id := strings.Repeat("0123456789abcdef", 4)
	for path, want := range map[string]string{
		"/var/log/pods/projectcontour_envoy-x7k2p_6c1ff5a1-3f5e-4c5f-9d2a-2a6d2f9f6b60/envoy/0.log": "envoy-x7k2p projectcontour envoy-x7k2p envoy",
		"/var/log/pods/shop_web-7d4b9c6f5-x2x9z_0f1e/istio-proxy/3.log":                             "web-7d4b9c6f5-x2x9z.shop shop web-7d4b9c6f5-x2x9z istio-proxy",
		"/var/log/pods/shop_web-0_0f1e/envoy/0.log.20261122-101112":                                 "web-0 shop web-0 envoy",
		"/var/log/containers/envoy-x7k2p_projectcontour_envoy-" + id + ".log":                       "envoy-x7k2p projectcontour envoy-x7k2p envoy",
		"/var/log/envoy/edge.jsonl":  "edge-1   edge",
		"/var/log/envoy/other.jsonl": "any   other",
		"/srv/access.log":            "   access",
	} {
		is := writerOf(path, nodes)
		if got := fmt.Sprintf("%s %s %s %s", is.Node.ID, is.Namespace, is.Pod, is.LogName); got != want {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}
