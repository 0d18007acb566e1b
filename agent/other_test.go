package agent

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// otherSignals are what the backend calls them.
var otherSignals = [...]fake.Signal{ledger.Metrics: fake.Metrics, ledger.Logs: fake.Logs}

// otherRequest makes a request of about size bytes, with a text that names it and a field that is newer than this agent.
func otherRequest(t testing.TB, signal fake.Signal, name string, size int, resource ...*commonpb.KeyValue) []byte {
	t.Helper()
	r, filler := &resourcepb.Resource{Attributes: resource}, strings.Repeat("x", size)
	var m proto.Message = &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{strange(&logspb.ResourceLogs{Resource: r, ScopeLogs: []*logspb.ScopeLogs{{
		LogRecords: []*logspb.LogRecord{strange(&logspb.LogRecord{SeverityText: name, Body: text("", filler).Value})}}}})}}
	if signal == fake.Metrics {
		m = &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{strange(&metricspb.ResourceMetrics{Resource: r, ScopeMetrics: []*metricspb.ScopeMetrics{{
			Metrics: []*metricspb.Metric{strange(&metricspb.Metric{Name: name, Description: filler})}}}})}}
	}
	return encode(t, m)
}

// otherSender gives a function that sends requests over gRPC, on a connection of its own.
func otherSender(t testing.TB, address string) func(fake.Signal, []byte) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.Codec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(signal fake.Signal, body []byte) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return conn.Invoke(ctx, signal.Method(), rawgrpc.Encoded(body), new(rawgrpc.Message))
	}
}

// mustSend sends a request that is to be taken.
func mustSend(t *testing.T, send func(fake.Signal, []byte) error, signal fake.Signal, body []byte) {
	t.Helper()
	if err := send(signal, body); err != nil {
		t.Fatalf("%s: %v", signal, err)
	}
}

// wantOthers waits until the backend has so many requests.
func wantOthers(t *testing.T, b *fake.Backend, signal fake.Signal, n int) []*fake.Request {
	t.Helper()
	await(t, fmt.Sprintf("%d requests with %s", n, signal), func() bool { return len(b.Others(signal)) >= n })
	all := b.Others(signal)
	if len(all) != n {
		t.Errorf("%d requests with %s, want %d", len(all), signal, n)
	}
	return all
}

// Over every transport a request goes on as it came, to the byte, and the ledger says so.
func TestOtherSignalsGoOn(t *testing.T) {
	for _, compression := range []string{"none", "gzip"} {
		backend := startBackend(t)
		a := startAgent(t, backend, func(c *config.Config) {
			c.Export.Compression, c.Export.Headers = compression, map[string]string{"x-tenant": "blue"}
		})
		send := otherSender(t, a.Address())
		for i, signal := range otherSignals {
			body := otherRequest(t, signal, "one", 3000, text("service.name", "shop"))
			url := "http://" + a.receiver.address("http") + "/v1/" + string(signal)
			mustSend(t, send, signal, body)
			for encoding, body := range map[string][]byte{"": body, "gzip": packed(t, "gzip", body), "zstd": packed(t, "zstd", body)} {
				if got := postOther(t, url, "application/x-protobuf", encoding, body); got != http.StatusOK {
					t.Errorf("%s %s: %d", url, encoding, got)
				}
			}
			for _, r := range wantOthers(t, backend, signal, 4) {
				if !bytes.Equal(r.Raw, body) || !slices.Equal(r.Header.Get("x-tenant"), []string{"blue"}) {
					t.Errorf("%s: %d bytes became %d: %v", signal, len(body), len(r.Raw), r.Other)
				}
			}
			await(t, "the ledger", func() bool { return a.pipeline.relay.Others[i].Exported.Requests.Load() == 4 })
			page := get(t, a, "/metrics", http.StatusOK)
			label := fmt.Sprintf(`{signal="%s"}`, signal)
			for name, want := range map[string]int{"received_total": 4, "received_bytes_total": 4 * len(body), "exported_total": 4, "exported_bytes_total": 4 * len(body),
				"queued": 0, "in_flight_bytes": 0, "refused_total": 0, "rejected_items_total": 0} {
				if !strings.Contains(page, fmt.Sprintf("alspan_other_%s%s %v\n", name, label, want)) && !strings.Contains(page, fmt.Sprintf("alspan_other_%s%s %v\n", name, label, float64(want))) {
					t.Errorf("alspan_other_%s%s is not %d", name, label, want)
				}
			}
		}
		a.Stop()
		checkLedgers(t, a)
	}
}

func packed(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if encoding == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&out); err != nil {
			t.Fatal(err)
		}
	}
	w.Write(body)
	w.Close()
	return out.Bytes()
}

func postOther(t *testing.T, url, contentType, encoding string, body []byte) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	q.Header.Set("Content-Encoding", encoding)
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// What comes as JSON leaves as protobuf that says the same.
func TestOtherSignalsInJSON(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, nil)
	for _, signal := range otherSignals {
		var want proto.Message = new(logspb.LogsData)
		document := `{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"intValue":"1"}}]},"scopeLogs":[{"scope":{},"logRecords":[{"severityText":"one","body":{"stringValue":"b"}}]}]}]}`
		if signal == fake.Metrics {
			want = new(metricspb.MetricsData)
			document = `{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[{"name":"one","gauge":{"dataPoints":[{"asDouble":1.5}]}}]}]}]}`
		}
		url := "http://" + a.receiver.address("http") + "/v1/" + string(signal)
		if got := postOther(t, url, "application/json", "gzip", packed(t, "gzip", []byte(document))); got != http.StatusOK {
			t.Errorf("%s: %d", url, got)
		}
		if got := postOther(t, url, "application/json", "", []byte(document[1:])); got != http.StatusBadRequest {
			t.Errorf("%s, malformed: %d", url, got)
		}
		if err := protojson.Unmarshal([]byte(document), want); err != nil {
			t.Fatal(err)
		}
		if got := wantOthers(t, backend, signal, 1)[0].Other; !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	a.Stop()
	checkLedgers(t, a)
}

// A Resource gets what is known of its pod: the one that it names, else that of the connection. All else stays.
func TestOtherSignalsSayTheirPod(t *testing.T) {
	backend := startBackend(t)
	p := otherPipeline(t, backend)
	done := make(chan struct{})
	go func() { p.relay.send(t.Context(), 1); close(done) }()
	own, unknown := text("service.name", "own"), text("service.name", "unknown_service:java")
	for _, signal := range otherSignals {
		for i, c := range []struct {
			from     string
			resource []*commonpb.KeyValue
			want     string // service.name, k8s.pod.uid
		}{
			{"10.0.0.1", nil, "gateway uid-gateway"},
			{"10.0.0.1", []*commonpb.KeyValue{unknown}, "gateway uid-gateway"},
			{"10.0.0.99", []*commonpb.KeyValue{own, text("k8s.pod.uid", "uid-gateway")}, "own uid-gateway"},
			{"10.0.0.99", []*commonpb.KeyValue{own, text("k8s.pod.uid", "unheard of")}, "own unheard of"},
			{"10.0.0.7", []*commonpb.KeyValue{own}, "own "},
		} {
			body := otherRequest(t, signal, "one", 10, c.resource...)
			if o := p.other(ledger.Signal(slices.Index(otherSignals[:], signal)), body, netip.MustParseAddr(c.from)); o.Full || o.TooLarge {
				t.Fatalf("%s: %+v", c.from, o)
			}
			got := wantOthers(t, backend, signal, i+1)[i]
			resource := resourceOf(got.Other)
			said := map[string]string{}
			for _, a := range resource.Attributes {
				if _, twice := said[a.Key]; twice {
					t.Errorf("%s is there twice", a.Key)
				}
				said[a.Key] = a.Value.GetStringValue()
			}
			if have := said["service.name"] + " " + said["k8s.pod.uid"]; have != c.want {
				t.Errorf("%s %v: it is %s, want %s", c.from, c.resource, have, c.want)
			}
			resource.Attributes = c.resource
			if want := otherRequest(t, signal, "one", 10, c.resource...); !bytes.Equal(encode(t, got.Other), want) {
				t.Errorf("beside its Resource it became %v", got.Other)
			}
		}
	}
	p.relay.close()
	<-done
	checkLedgers(t, &Agent{pipeline: p})
}

// otherPipeline makes a pipeline in a cluster, which takes but does not send by itself.
func otherPipeline(t *testing.T, backend *fake.Backend) *Pipeline {
	t.Helper()
	c := config.Default()
	c.Export.Endpoint = "http://" + backend.Address()
	p, err := newPipeline(c, cluster(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func resourceOf(m proto.Message) *resourcepb.Resource {
	if m, ok := m.(*metricspb.MetricsData); ok {
		return m.ResourceMetrics[0].Resource
	}
	return m.(*logspb.LogsData).ResourceLogs[0].Resource
}

// With drop, and where spans are printed instead of sent, whatever comes is dropped: counted, and said once.
func TestOtherSignalsAreDropped(t *testing.T) {
	for _, printing := range []bool{false, true} {
		backend, said := startBackend(t), new(bytes.Buffer)
		c := config.Default()
		c.Export.Endpoint = "http://" + backend.Address()
		var print printer
		if printing {
			print = newRig(t, nil).print
		} else {
			c.Receive.OtherSignals = "drop"
		}
		log := slog.New(slog.NewTextHandler(said, nil))
		p, err := newPipeline(c, (*pods.Index)(nil), drawing(print, log), log)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for i := range otherSignals {
				if o := p.other(ledger.Signal(i), []byte("anything"), netip.Addr{}); o.Full || o.TooLarge {
					t.Errorf("%+v", o)
				}
			}
		}
		p.relay.send(t.Context(), 1)
		for i, signal := range otherSignals {
			d := &p.relay.Others[i].Dropped[ledger.OtherUnwanted]
			if n, b := d.Requests.Load(), d.Bytes.Load(); n != 3 || b != 24 || backend.OtherAttempts(signal) != 0 {
				t.Errorf("%d requests with %s are dropped, %d bytes", n, signal, b)
			}
		}
		if text := said.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "OTEL_METRICS_EXPORTER=none") || !strings.Contains(text, "OTEL_LOGS_EXPORTER=none") {
			t.Errorf("said %q", text)
		}
		checkLedgers(t, &Agent{pipeline: p})
		p.close()
	}
}

// An agent that drops answers as one that takes.
func TestDroppingAgentSaysYes(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, func(c *config.Config) { c.Receive.OtherSignals = "drop" })
	send := otherSender(t, a.Address())
	for _, signal := range otherSignals {
		mustSend(t, send, signal, []byte("anything"))
		if got := postOther(t, "http://"+a.receiver.address("http")+"/v1/"+string(signal), "application/json", "", []byte("anything")); got != http.StatusOK {
			t.Errorf("%s: %d", signal, got)
		}
	}
	if page := get(t, a, "/metrics", http.StatusOK); !strings.Contains(page, `alspan_other_dropped_total{reason="unwanted",signal="logs"} 2`+"\n") {
		t.Error("the metrics do not tell of them")
	}
	a.Stop()
	checkLedgers(t, a)
}

// An upstream that takes no metrics still gets logs.
func TestUpstreamWithoutMetrics(t *testing.T) {
	backend := startBackend(t)
	backend.AlwaysOf(fake.Metrics, fake.Reply{Code: codes.Unimplemented})
	a := startAgent(t, backend, func(c *config.Config) { c.Export.Senders = 1 })
	send := otherSender(t, a.Address())
	const n = 20
	for range n {
		for _, signal := range otherSignals {
			mustSend(t, send, signal, otherRequest(t, signal, "one", 100))
		}
	}
	wantOthers(t, backend, fake.Logs, n)
	gone := &a.pipeline.relay.Others[ledger.Metrics].Dropped[ledger.OtherUnimplemented]
	await(t, "metrics to be dropped", func() bool { return gone.Requests.Load() == n })
	if tries := backend.OtherAttempts(fake.Metrics); tries != 1 {
		t.Errorf("%d attempts, want 1", tries)
	}
	a.Stop()
	checkLedgers(t, a)
}

// codeOf gives the status of an error.
func codeOf(err error) codes.Code { return status.Code(err) }
