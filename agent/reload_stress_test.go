package agent

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/traces"
)

// The configuration is exchanged again and again while streams, requests and the join are at work. Both ledgers hold, and every
// span came out whole or was counted as filtered.
func TestReloadUnderLoad(t *testing.T) {
	const n, size, hands = 2000, 10, 3
	kinds := []func(*config.Config){
		func(*config.Config) {},
		spanFilter(`attributes["http.status_code"] == "503" or attributes["envoy.log_name"] == "edge" and IsMatch(attributes["url.path"], "5$")`, `Len(events) > 100`),
		func(c *config.Config) {
			c.Filter.DropTrace.Conditions = []config.Text{{Value: `resource.attributes["service.name"] == "none"`, Path: "a"}, {Value: `IsMatch(span.attributes["url.path"], "7$")`, Path: "b"}}
			c.Resource.Attributes = []config.Action{{Key: "team", Action: "insert", Value: "web"}}
		},
		func(c *config.Config) {
			c.Filter.Traces.SpanEvent = []config.Text{{Value: `name != "request_complete"`, Path: "c"}}
			c.Attributes.Actions = []config.Action{{Pattern: "^http", Action: "hash"}, {Key: "copy", Action: "insert", FromAttribute: "http.url"}}
			c.Redaction.BlockedValues = []config.Text{{Value: "shop"}}
			c.Correlate.Wait, c.Correlate.SpanWait, c.Spans.Upstream = 5*time.Millisecond, 2*time.Millisecond, "always"
			c.Correlate.HeaderSpanID = map[string]string{"edge": "own"}
		},
	}
	configs := make([]*config.Config, len(kinds))
	for i, change := range kinds {
		c := config.Default()
		c.Export.Batch.Age, c.Correlate.Wait, c.Correlate.SpanWait = time.Millisecond, 20*time.Millisecond, 10*time.Millisecond
		c.Export.WhenFull = "wait"
		change(c)
		configs[i] = c
	}
	r := &rig{t: t, began: time.Now(), parted: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	p, err := newPipeline(configs[0], nil, drawing(r.print, log), log)
	if err != nil {
		t.Fatal(err)
	}
	r.p = p
	r.running.Go(func() { p.deliver(t.Context(), 2) })
	joined := make(chan struct{})
	go func() { p.join(r.parted); close(joined) }()
	over := make(chan struct{})
	var reloading, feeding sync.WaitGroup
	reloading.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(500 * time.Microsecond):
			}
			c := configs[i%len(configs)]
			s, err := newSettings(c, nil, p.settings.Load(), log)
			if err != nil {
				t.Error(err)
				return
			}
			p.take(c, s, log)
		}
	})
	for hand := range hands {
		feeding.Go(func() {
			for from := hand * size; from < n; from += hands * size {
				var es []*alspb.HTTPAccessLogEntry
				for i := range size {
					e, _ := pair(from + i)
					e.Request.Path = fmt.Sprintf("/%d", from+i)
					es = append(es, e)
				}
				m := accesslog.NewMessage(alsMessage(t, es...))
				p.stream(netip.AddrFrom4([4]byte{10, 0, 0, 1}))(&m)
				pause()
			}
		})
		feeding.Go(func() {
			consume := p.spans()
			for from := hand * size; from < n; from += hands * size {
				var ss []*tracepb.Span
				for i := range size {
					_, s := pair(from + i)
					ss = append(ss, s, &tracepb.Span{TraceId: s.TraceId, SpanId: fmt.Appendf(nil, "%08d", from+i), Name: "app"})
				}
				m := traces.NewMessage(otlpMessage(t, ss...), netip.Addr{})
				consume(&m)
				pause()
			}
		})
	}
	feeding.Wait()
	close(over)
	reloading.Wait()
	close(r.parted)
	<-joined
	p.core.Close()
	r.running.Wait()
	if e, s, used := p.Entries.Balance(), p.Spans.Balance(p.core), p.cells.Used(); e != 0 || s != 0 || used != 0 {
		t.Errorf("the ledgers are off by %d entries and %d spans, %d bytes are in use", e, s, used)
	}
	filtered := p.Spans.Dropped[ledger.SpanFiltered].Load() + p.Spans.Dropped[ledger.SpanTraceFiltered].Load()
	if n := p.Spans.Exported.Load(); n != int64(len(r.out)) || n == 0 || filtered == 0 {
		t.Errorf("%d spans were exported, %d came out, %d were filtered", n, len(r.out), filtered)
	}
	for _, s := range r.out {
		if len(s.TraceId) != 16 || len(s.SpanId) != 8 || s.Name == "" {
			t.Fatalf("a span came out broken: %v", s)
		}
	}
}
