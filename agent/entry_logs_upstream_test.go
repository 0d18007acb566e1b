package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
)

// sendAll sends n entries to an agent with log records and waits until they were received.
func sendAll(t *testing.T, a *Agent, n int, path string) {
	t.Helper()
	e := newEnvoy(t, a, time.Millisecond)
	for i := range n {
		if err := e.Log(0, entry(fmt.Sprintf("/%d/%s", i, path))); err != nil {
			t.Fatal(err)
		}
	}
	e.Flush()
	await(t, "all entries", func() bool { return a.pipeline.Entries.Received.Load() >= int64(n) })
}

func recordsAt(b *fake.Backend) map[string]*logspb.LogRecord {
	records := map[string]*logspb.LogRecord{}
	for _, r := range b.Others(fake.Logs) {
		for _, rl := range r.Other.(*logspb.LogsData).ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				for _, l := range sl.LogRecords {
					records[fmt.Sprint(spanOf(l), rl.Resource, sl.Scope)] = l
				}
			}
		}
	}
	return records
}

// Spans and log records arrive at the upstream, the same ids and the same resource on both, and the metrics count them.
func TestRecordsArrive(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, withLogs(nil))
	const n = 500
	sendAll(t, a, n, "x")
	a.Stop()
	checkLedgers(t, a)
	if err := backend.Err(); err != nil {
		t.Fatal(err)
	}
	spans, records := backend.Spans(), recordsAt(backend)
	if len(spans) != n || len(records) != n {
		t.Fatalf("%d spans and %d records", len(spans), len(records))
	}
	for _, s := range spans {
		l := records[fmt.Sprint(spanOf(s), s.Resource, s.Scope)]
		if l == nil || l.TimeUnixNano != s.StartTimeUnixNano || !strings.HasPrefix(l.Body.GetStringValue(), "GET /") {
			t.Fatalf("the span %v has the record %v", s, l)
		}
	}
}

// An upstream that takes no log records, or none for now, costs no span; what is lost is counted.
func TestUpstreamRefusesRecords(t *testing.T) {
	for _, c := range []struct {
		reply fake.Reply
		lost  ledger.SpanDrop
	}{
		{fake.Reply{Code: codes.Unimplemented}, ledger.SpanRejected},
		{fake.Reply{Code: codes.Unavailable}, ledger.SpanShutdown},
		{fake.Reply{Rejected: 3}, ledger.SpanPartial},
	} {
		t.Run(c.lost.String(), func(t *testing.T) {
			backend := startBackend(t)
			backend.AlwaysOf(fake.Logs, c.reply)
			a := startAgent(t, backend, withLogs(func(f *config.Config) {
				f.Export.Memory, f.Export.LogsMemory, f.Export.WhenFull, f.Export.Drain = 4*config.MiB, config.MiB, "wait", time.Second
				f.Export.Retry.Max = 5 * time.Millisecond
			}))
			const n = 6000
			sendAll(t, a, n, strings.Repeat("x", 300))
			await(t, "all spans", func() bool { return a.pipeline.Spans.Exported.Load() == n })
			body := get(t, a, "/metrics", http.StatusOK)
			for _, line := range []string{fmt.Sprintf("alspan_logs_made_total %d", n), "alspan_spans_exported_total 6000"} {
				if !strings.Contains(body, line+"\n") {
					t.Errorf("the metrics have no line %q", line)
				}
			}
			a.Stop()
			checkLedgers(t, a)
			l := &a.pipeline.logged
			lost := l.Dropped[c.lost].Load()
			if lost == 0 || l.Made.Load() != n || lost+l.Dropped[ledger.SpanFull].Load()+l.Exported.Load() != n {
				t.Errorf("%d lost, %d found no room, %d exported", lost, l.Dropped[ledger.SpanFull].Load(), l.Exported.Load())
			}
			if c.lost == ledger.SpanShutdown && l.Dropped[ledger.SpanFull].Load() == 0 {
				t.Error("a full core has dropped no record")
			}
		})
	}
}

// A record that would not fit into a chunk is counted, and its span leaves.
func TestOversizeRecord(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, withLogs(func(c *config.Config) { c.Spans.MaxValue = 32 * config.KiB }))
	e := newEnvoy(t, a, time.Millisecond)
	big := entry("/" + strings.Repeat("x", 31<<10))
	big.CommonProperties.CustomTags = map[string]string{"a": strings.Repeat("a", 30<<10), "b": strings.Repeat("b", 30<<10)}
	if err := e.Log(0, big); err != nil {
		t.Fatal(err)
	}
	e.Flush()
	await(t, "the entry", func() bool { return a.pipeline.Entries.Received.Load() == 1 })
	a.Stop()
	checkLedgers(t, a)
	if backend.Stats().Spans != 1 || a.pipeline.logged.Dropped[ledger.SpanOversize].Load() != 1 {
		t.Errorf("%d spans, %d records are too large", backend.Stats().Spans, a.pipeline.logged.Dropped[ledger.SpanOversize].Load())
	}
}

// Log records are off by default: nothing is sent, and no memory is taken.
func TestNoRecordsByDefault(t *testing.T) {
	backend := startBackend(t)
	a := startAgent(t, backend, nil)
	sendAll(t, a, 10, "x")
	a.Stop()
	checkLedgers(t, a)
	if a.pipeline.logged.on() || backend.OtherAttempts(fake.Logs) != 0 {
		t.Error("there are log records")
	}
	with := config.Default()
	with.Export.Logs = true
	if memoryBound(with) == memoryBound(config.Default()) {
		t.Error("the memory of log records is not in the bound")
	}
}
