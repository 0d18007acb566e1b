package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/recordings"
)

// startAgent starts an agent that exports to backend; change may alter its configuration.
func startAgent(t *testing.T, backend *fake.Backend, change func(*config.Config)) *Agent {
	t.Helper()
	return startAgentLogging(t, backend, slog.New(slog.DiscardHandler), change)
}

func startAgentLogging(t *testing.T, backend *fake.Backend, log *slog.Logger, change func(*config.Config)) *Agent {
	t.Helper()
	c := config.Default()
	c.Receive.GRPC.Address, c.Admin.Address = "127.0.0.1:0", "127.0.0.1:0"
	c.Receive.HTTP.Address, c.Receive.Zipkin.Address = "127.0.0.1:0", "127.0.0.1:0"
	c.Export.Endpoint = "http://" + backend.Address()
	c.Export.Batch.Age, c.Export.Retry.Initial, c.Export.Drain = 10*time.Millisecond, 5*time.Millisecond, 5*time.Second
	if change != nil {
		change(c)
	}
	a, err := Start(c, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func startBackend(t *testing.T) *fake.Backend {
	t.Helper()
	b, err := fake.NewBackend(fake.BackendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func newEnvoy(t *testing.T, a *Agent, flush time.Duration) *fake.Envoy {
	t.Helper()
	e, err := fake.NewEnvoy(fake.EnvoyOptions{Target: a.Address(), Node: fake.Node("envoy-1", "edge"), LogName: "edge", FlushInterval: flush})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// entry makes a finished request.
func entry(path string) *alspb.HTTPAccessLogEntry {
	return &alspb.HTTPAccessLogEntry{
		CommonProperties: &alspb.AccessLogCommon{StartTime: timestamppb.Now(), Duration: durationpb.New(time.Millisecond), AccessLogType: alspb.AccessLogType_DownstreamEnd},
		Request:          &alspb.HTTPRequestProperties{Path: path, RequestMethod: 1},
	}
}

// checkLedgers asserts the sums of an agent that is idle.
func checkLedgers(t *testing.T, a *Agent) {
	t.Helper()
	p := a.pipeline
	if e, s := p.Entries.Balance(), p.Spans.Balance(p.core); e != 0 || s != 0 {
		t.Errorf("the ledgers are off by %d entries and %d spans", e, s)
	}
	checkLogs(t, p)
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	for signal := range p.relay.Others {
		o := &p.relay.Others[signal]
		if n, b := o.Balance(); n != 0 || b != 0 || o.Queued.Requests.Load() != 0 || o.InFlight.Requests.Load() != 0 || p.relay.lines[signal].held != 0 {
			t.Errorf("the ledger of %s is off by %d requests and %d bytes; %+v", ledger.Signal(signal), n, b, o)
		}
	}
}

// await waits until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A shop's whole traffic arrives, each span once, and the metrics say so.
func TestTrafficArrives(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, nil)
	totals, err := fake.Shop(t.Context(), fake.ShopOptions{Target: a.Address(), FlushInterval: 10 * time.Millisecond, Rate: -1, Requests: 400, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "all entries", func() bool { return a.pipeline.Entries.Received.Load() == int64(totals.Entries) })
	spans, err := backend.Wait(t.Context(), func(s []fake.Span) bool { return len(s) >= int(totals.Spans) })
	if err != nil {
		t.Fatal(err)
	}
	seen, services := map[string]bool{}, map[string]int{}
	for _, s := range spans {
		id := fmt.Sprintf("%x %x", s.TraceId, s.SpanId)
		if seen[id] {
			t.Errorf("span %s is there twice", id)
		}
		seen[id] = true
		services[s.Resource.Attributes[0].Value.GetStringValue()]++
	}
	if len(services) != 2 || services["edge.gateway"] == 0 || services["mid.shop"] == 0 {
		t.Errorf("the spans are those of %v", services)
	}
	if len(spans) != int(totals.Spans) {
		t.Errorf("%d spans, want %d", len(spans), totals.Spans)
	}
	body := get(t, a, "/metrics", http.StatusOK)
	for _, line := range []string{
		fmt.Sprintf("alspan_entries_received_total %d", totals.Entries),
		fmt.Sprintf("alspan_spans_made_total %d", totals.Spans),
		"alspan_spans_in_total 0", `alspan_entries_dropped_total{reason="malformed"} 0`, `alspan_messages_refused_total{reason="too_large"} 0`,
		`alspan_spans_dropped_total{reason="core_full"} 0`, `alspan_context_invalid_total{format="traceparent",reason="zero"} 0`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("the metrics have no line %q", line)
		}
	}
	a.Stop()
	checkLedgers(t, a)
	if got := a.pipeline.Spans.Exported.Load(); got != int64(totals.Spans) {
		t.Errorf("%d spans exported, want %d", got, totals.Spans)
	}
}

// What real Envoys sent, byte for byte, makes valid spans, and every entry is accounted for.
func TestRecordingsAreAccountedFor(t *testing.T) {
	for _, mode := range recordings.Modes() {
		t.Run(mode, func(t *testing.T) {
			frames, err := recordings.Frames(mode)
			if err != nil {
				t.Fatal(err)
			}
			backend := startBackend(t)
			a := startAgent(t, backend, nil)
			if err := fake.Replay(t.Context(), a.Address(), frames, fake.ReplayOptions{}); err != nil {
				t.Fatal(err)
			}
			facts, err := recordings.Facts(mode)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "all entries", func() bool { return a.pipeline.Entries.Received.Load() == int64(len(facts.Entries)) })
			a.Stop()
			checkLedgers(t, a)
			if err := backend.Err(); err != nil {
				t.Error(err)
			}
			if got, made := int64(backend.Stats().Spans), a.pipeline.Spans.Made.Load(); got != made || made == 0 {
				t.Errorf("%d spans arrived of %d", got, made)
			}
			if n := a.pipeline.Entries.Dropped[ledger.EntryMalformed].Load(); n != 0 {
				t.Errorf("%d recorded entries count as malformed", n)
			}
		})
	}
}

// With an upstream that never answers, memory is bounded: the newest spans are dropped, and a stop takes its time and no
// more, and says what it lost.
func TestBlockedUpstream(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Code: codes.Unavailable})
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Memory, c.Export.Batch.Bytes, c.Export.Drain = config.MiB, 64*config.KiB, time.Second
		c.Export.Retry.Initial = time.Hour
		c.Export.Retry.Max, c.Export.Retry.GiveUp = time.Hour, 3*time.Hour
	})
	e := newEnvoy(t, a, 5*time.Millisecond)
	const n = 5000
	for i := range n {
		if err := e.Log(0, entry(fmt.Sprintf("/%d/%s", i, strings.Repeat("x", 500)))); err != nil {
			t.Fatal(err)
		}
	}
	e.Flush()
	await(t, "all entries", func() bool { return a.pipeline.Entries.Received.Load() == n })
	s := &a.pipeline.Spans
	if s.Dropped[ledger.SpanFull].Load() == 0 {
		t.Error("a full core dropped nothing")
	}
	checkLedgers(t, a)
	began := time.Now()
	a.Stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the stop took %v, and may take 1s", took)
	}
	checkLedgers(t, a)
	lost := s.Dropped[ledger.SpanFull].Load() + s.Dropped[ledger.SpanShutdown].Load()
	if lost != n || s.Exported.Load() != 0 {
		t.Errorf("%d lost and %d exported of %d", lost, s.Exported.Load(), n)
	}
	if e.Close(context.Background()); a.pipeline.core.Held() != 0 {
		t.Errorf("%d chunks are still held", a.pipeline.core.Held())
	}
}

// A stop ends busy streams right after a message and idle ones after half of its time; what was received is sent.
func TestStopEndsIdleStreams(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, func(c *config.Config) { c.Export.Drain = 600 * time.Millisecond; c.Export.Batch.Age = time.Minute })
	e := newEnvoy(t, a, time.Hour)
	if err := e.Log(0, entry("/")); err != nil {
		t.Fatal(err)
	}
	e.Flush()
	await(t, "the entry", func() bool { return a.pipeline.Entries.Received.Load() == 1 })
	get(t, a, "/readyz", http.StatusOK)
	began := time.Now()
	a.Stop()
	if took := time.Since(began); took < 250*time.Millisecond || took > 8*time.Second {
		t.Errorf("the stop took %v, want half of 600ms for the idle stream", took)
	}
	if got := backend.Stats().Spans; got != 1 {
		t.Errorf("%d spans arrived, want 1", got)
	}
	checkLedgers(t, a)
	e.Close(context.Background())
}

func TestHealth(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Admin.Pprof = "127.0.0.1:0" })
	defer a.Stop()
	get(t, a, "/healthz", http.StatusOK)
	get(t, a, "/readyz", http.StatusOK)
	get(t, a, "/debug/pprof/", http.StatusNotFound)
	a.ready.Store(false)
	get(t, a, "/readyz", http.StatusServiceUnavailable)
	r, err := http.Get("http://" + a.admin.listeners[1].Addr().String() + "/debug/pprof/cmdline")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("profiles: %v %v", r, err)
	}
}

// A ledger that is one off is seen.
func TestBrokenCounterIsSeen(t *testing.T) {
	a := startAgent(t, startBackend(t), nil)
	defer a.Stop()
	a.pipeline.Entries.Used.Add(1)
	a.pipeline.Spans.Exported.Add(1)
	others := &a.pipeline.relay.Others[ledger.Logs]
	others.InFlight.Add(7)
	if n, b := others.Balance(); a.pipeline.Entries.Balance() == 0 || a.pipeline.Spans.Balance(a.pipeline.core) == 0 || n == 0 || b == 0 {
		t.Error("a wrong counter leaves the ledgers balanced")
	}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	bad := dir + "/bad.yaml"
	if err := os.WriteFile(bad, []byte("export:\n  compressoin: gzip\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(want string, fails bool, args ...string) {
		t.Helper()
		var out bytes.Buffer
		c := command()
		c.SetArgs(args)
		c.SetOut(&out)
		c.SetErr(io.Discard)
		err := c.ExecuteContext(t.Context())
		if err != nil {
			out.WriteString(err.Error())
		}
		if (err != nil) != fails || !strings.Contains(out.String(), want) {
			t.Errorf("alspan %v: error %v, output %q has no %q", args, err, out.String(), want)
		}
	}
	check("valid", false, "validate")
	check("line 2: export.compressoin: unknown key", true, "validate", "--config", bad)
	check("export:", false, "config", "default")
	check("https://json-schema.org/draft/2020-12/schema", false, "config", "schema")
	check("unknown command", true, "rnu")
}

func TestDemoWithTheFakeEnvoy(t *testing.T) {
	var out bytes.Buffer
	c := command()
	c.SetArgs([]string{"demo", "--fake", "--duration", "1s", "--rate", "20"})
	c.SetOut(&out)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"built-in fake Envoy", "SERVER", "CLIENT", "last_down_rx", " 0 dropped\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo shows no %q", want)
		}
	}
}

// get reads a page of the admin port.
func get(t *testing.T, a *Agent, path string, status int) string {
	t.Helper()
	r, err := http.Get("http://" + a.admin.listeners[0].Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		t.Errorf("%s: status %d, want %d (%v)", path, r.StatusCode, status, err)
	}
	return string(body)
}

func TestWarnings(t *testing.T) {
	check := func(endpoint, protocol string, want int) {
		t.Helper()
		c := config.Default()
		c.Export.Endpoint = endpoint
		got := warnings(c, func(name string) (string, bool) { return protocol, name == "OTEL_EXPORTER_OTLP_PROTOCOL" })
		if len(got) != want {
			t.Errorf("%s %s: warnings %q, want %d", endpoint, protocol, got, want)
		}
	}
	check("http://collector:4317", "", 0)
	check("http://collector:4317", "grpc", 0)
	check("http://collector:4317", "http/protobuf", 1)
	check("http://collector:4318", "http/protobuf", 2)
}
