package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// contourFields are those that an operator has set (json-fields), with the one trace header that he needs.
func contourFields() m {
	return m{
		"@timestamp": "%START_TIME%", "authority": "%REQ(:AUTHORITY)%", "bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%",
		"traceparent": "%REQ(TRACEPARENT)%", "duration": "%DURATION%", "method": "%REQ(:METHOD)%", "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
		"protocol": "%PROTOCOL%", "referer": "%REQ(REFERER)%", "request_id": "%REQ(X-REQUEST-ID)%", "requested_server_name": "%REQUESTED_SERVER_NAME%",
		"response_code": "%RESPONSE_CODE%", "upstream_cluster": "%UPSTREAM_CLUSTER%", "user_agent": "%REQ(USER-AGENT)%", "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
	}
}

// contourManager makes a connection manager's configuration that which Contour writes: the log goes to stdout, and the tracer says which
// pod it is of.
func contourManager(h m) {
	logs := h["access_log"].([]m)
	h["access_log"] = append(logs, jsonLog("/dev/stdout", contourFields()))
	tracing := h["tracing"].(m)
	tracing["custom_tags"] = []m{{"tag": "podName", "environment": m{"name": "NO_SUCH_VARIABLE", "default_value": contourPod}},
		{"tag": "podNamespace", "literal": m{"value": contourNamespace}}}
	tracing["provider"].(m)["typed_config"].(m)["service_name"] = "contour"
}

const contourPod, contourNamespace = "envoy-kz2x9", "projectcontour"

// contoured is Contour's Envoy, its log file, and an agent that follows that.
type contoured struct {
	*lab
	out       *relay
	sink      *sink
	container *container
	config    m
	agent     *alspan
	held      *gate // before the tap
	tap       *tap
	envoy     *envoy
	sent      []*request
}

// contour has an Envoy as Contour configures it, whose access log a container runtime writes to a file: each request is one span of
// Envoy's with the detail of its line, over rotations of the file and a restart of the agent.
func (l *lab) contour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := &contoured{lab: l, out: startRelay(t, l.jaeger.otlp), sink: startSink(t)}
	var err error
	if c.container, err = newContainer(dir, contourNamespace, contourPod, "envoy"); err != nil {
		t.Fatal(err)
	}
	c.config = merge(basicConfig(c.out.address, "3s", "2500ms"), m{"receive": m{"files": m{"paths": []string{filepath.Join(dir, "pods", contourNamespace+"_envoy-*", "envoy", "*.log")},
		"positions": filepath.Join(dir, "positions.json"), "flush": "100ms"}}})
	c.agent = startAgent(t, l.agent, c.config)
	c.tap = startTap(t, c.sink, c.agent.grpc)
	c.held = startGate(t, c.tap.address)
	app := startUpstream(t, "app", false, c.out.report)
	version := toolbox.Envoy().Version
	c.envoy = startEnvoy(t, version, bootstrap{envoyFlags: envoyFlags{Tracing: "otel", Spawn: true, Nodes: map[string]string{"edge": contourPod}}, Name: "edge", Silent: true,
		Exact: knowsSpanID(version), Stdout: c.container, Change: contourManager, Agent: c.agent.grpc, Sink: c.sink.grpc, OTLP: c.held.address, OTLPWeb: c.sink.web,
		Zipkin: c.sink.web, App: app.address, Unix: app.unix, Mirror: app.address, Next: app.address, Dead: deadAddress(t)})

	c.send(t, 12)
	c.container.rotate()
	c.send(t, 10)
	c.settle(t, c.sent)

	c.held.close() // spans that nobody takes would be lost
	if took, err := c.agent.stop(15 * time.Second); err != nil || took > 10*time.Second {
		t.Errorf("the agent took %s to stop: %v", took, err)
	}
	before := len(c.sent)
	c.send(t, 10)
	c.container.rotate()
	c.send(t, 5)
	c.agent = startAgent(t, l.agent, c.config)
	c.tap.to(c.agent.grpc)
	c.held.open()
	c.send(t, 5)
	c.settle(t, c.sent[before:])

	app.busy.Wait()
	for _, r := range c.sent {
		c.check(t, r)
	}
	l.checkJaeger(t, c.out.all())
	if lines, pieces, err := c.container.written(); err != nil || lines != len(c.sent) || pieces == 0 {
		t.Errorf("of %d requests there are %d lines in %d further pieces: %v", len(c.sent), lines, pieces, err)
	}
}

// contourCodes are the answers to the requests that are sent in turn, one to each path and then one that is not sampled.
var contourCodes = []struct {
	path string
	code int
}{{"/ok", 200}, {"/direct", 418}, {"/flaky", 200}, {"/refused", 503}, {"/nohost", 503}, {"/ok", 200}}

// send sends n requests.
func (c *contoured) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		i := len(c.sent)
		answer := contourCodes[i%len(contourCodes)]
		r := &request{Name: fmt.Sprint("contour-", i), Method: "GET", Path: answer.path, Status: answer.code, Context: "w3c", HTTP: "1.1"}
		if i%len(contourCodes) == len(contourCodes)-1 {
			r.Context = "w3c-off"
		}
		r.Trace, r.Span = digest(16, r.Name), digest(8, r.Name)
		began := time.Now()
		if err := r.send(t.Context(), c.envoy.address, nil); err != nil {
			t.Fatal(err)
		}
		c.out.report("caller", r.Name, "CLIENT", traceContext{Trace: r.Trace}, r.Span, began, time.Now())
		c.sent = append(c.sent, r)
	}
}

// settle waits until the agent has joined the lines and spans of those requests and has nothing left.
func (c *contoured) settle(t *testing.T, requests []*request) {
	t.Helper()
	n, sampled := len(requests), 0
	for _, r := range requests {
		if r.Context == "w3c" {
			sampled++
		}
	}
	eventually(t, 30*time.Second, func() error {
		page, err := c.agent.metrics()
		if err != nil {
			return err
		}
		spans, _ := c.sink.count()
		sent, err := c.envoy.spansSent()
		if err != nil {
			return err
		}
		if page["alspan_entries_received_total"] != float64(n) || spans != sent || page[joinedEntries] != float64(sampled) {
			return fmt.Errorf("of %d lines %v have come, and %v are joined; of %d spans %d have come", n, page["alspan_entries_received_total"], page[joinedEntries], sent, spans)
		}
		if err := page.idle(); err != nil {
			return err
		}
		return page.balanced()
	})
}

// check looks for the one SERVER of a request.
func (c *contoured) check(t *testing.T, r *request) {
	t.Helper()
	var servers []*span
	for _, s := range c.out.all() {
		if s.trace() == r.Trace && s.Service != "caller" && s.Service != "app" && s.Kind != trace.Span_SPAN_KIND_CLIENT {
			servers = append(servers, s)
		}
	}
	if len(servers) != 1 {
		t.Errorf("%s has %d spans of Contour's Envoy", r.Name, len(servers))
		return
	}
	s := servers[0]
	wrong := lacks(s.Attributes, fmt.Sprintf("url.path=%s http.response.status_code=%d envoy.log_name=envoy", r.target(), r.Status))
	if r.Context == "w3c" { // Envoy's own span
		wrong = append(wrong, lacks(s.Attributes, "podName="+contourPod+" podNamespace="+contourNamespace)...)
		if s.origin() != joined || s.parent() != r.Span {
			t.Errorf("%s: its span is %s, below %s; its caller is %s", r.Name, s.origin(), s.parent(), r.Span)
		}
	} else {
		wrong = append(wrong, lacks(s.Resource.Attributes, "k8s.pod.name="+contourPod+" k8s.namespace.name="+contourNamespace)...)
	}
	if s.Service != "contour" || s.Kind != trace.Span_SPAN_KIND_SERVER {
		wrong = append(wrong, fmt.Sprintf("it is a %s of %s", s.Kind, s.Service))
	}
	if len(wrong) > 0 {
		t.Errorf("%s: %s\nresource %v\nspan %v", r.Name, strings.Join(wrong, "; "), s.Resource, s.Attributes)
	}
}
