package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/tools/toolbox"
)

// jaeger is the trace backend of all cases.
type jaeger struct {
	otlp, query string // addresses
}

const jaegerConfig = `
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}, logs: {level: error}}
extensions:
  jaeger_storage: {backends: {memory: {memory: {max_traces: 100000}}}}
  jaeger_query:
    storage: {traces: memory}
    enable_tracing: false
    http: {endpoint: %q}
    grpc: {endpoint: %q}
receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
`

func startJaeger(t *testing.T) *jaeger {
	t.Helper()
	path, err := toolbox.Path(toolbox.Jaeger())
	if err != nil {
		t.Fatal(err)
	}
	free := freeAddresses(t, 3)
	j := &jaeger{query: free[0], otlp: free[1]}
	file := filepath.Join(t.TempDir(), "jaeger.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, jaegerConfig, j.query, free[2], j.otlp), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, "jaeger", path, "--config", file)
	eventually(t, 30*time.Second, func() error {
		select {
		case <-p.done:
			t.Fatalf("jaeger ended at its start: %v", p.err)
		default:
		}
		_, err := get("http://" + j.query + "/api/services")
		return err
	})
	return j
}

// freeAddresses gives addresses that were free a moment ago: Jaeger does not tell which ports it chose.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for range n {
		l := listen(t)
		defer l.Close() // together, so that no port comes twice
		all = append(all, l.Addr().String())
	}
	return all
}

// spans gives "id < parent id" of the spans of a trace, sorted, as they were stored: without raw_traces Jaeger adjusts them.
func (j *jaeger) spans(trace string) ([]string, error) {
	body, err := get("http://" + j.query + "/api/v3/traces/" + trace + "?raw_traces=true")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []struct{ SpanID, ParentSpanID string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("cannot read Jaeger's answer: %w", err)
	}
	var all []string
	for _, rs := range answer.Result.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				all = append(all, s.SpanID+" < "+s.ParentSpanID)
			}
		}
	}
	slices.Sort(all)
	return all, nil
}
