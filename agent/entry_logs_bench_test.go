package agent

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
)

// What log records cost: nanoseconds for an entry in messages of a hundred, without and with them, in turns; the medians.
func BenchmarkEntryLogs(b *testing.B) {
	const size, messages = 100, 16
	for _, name := range []string{"events", "no events"} {
		b.Run(name, func(b *testing.B) {
			var consume [2]accesslog.Consumer
			for i := range consume {
				c := config.Default()
				c.Export.WhenFull, c.Correlate.Wait, c.Spans.Events, c.Export.LogsMemory = "wait", 0, name == "events", 64*config.MiB
				c.Metrics.Requests, c.Metrics.ServiceGraph = false, false
				p, err := newPipeline(c, nil, discard{}, slog.New(slog.DiscardHandler))
				if err != nil {
					b.Fatal(err)
				}
				if i == 1 {
					p.logTo(c, discard{})
					go p.logged.deliver(b.Context())
					defer p.logged.close()
				}
				go p.deliver(b.Context(), 1)
				defer p.core.Close()
				parted := make(chan struct{})
				go p.join(parted)
				defer close(parted)
				consume[i] = p.stream(netip.Addr{})
			}
			logs := make([]numbered, messages)
			for m := range logs {
				var es []*alspb.HTTPAccessLogEntry
				for i := range size {
					e, _ := pair(m*size + i)
					es = append(es, e)
				}
				logs[m] = newNumbered(alsMessage(b, es...))
			}
			for i := range consume { // until nothing waits for spans any more
				for n := range 32 {
					m := accesslog.NewMessage(logs[n%messages].number(uint32(1<<31 + n)))
					consume[i](&m)
					time.Sleep(5 * time.Millisecond)
				}
			}
			var took [2][]time.Duration
			for i := 0; b.Loop(); i++ {
				body := logs[i%messages].number(uint32(i))
				for k := range consume {
					k = (k + i) % len(consume)
					m := accesslog.NewMessage(body)
					began := time.Now()
					consume[k](&m)
					took[k] = append(took[k], time.Since(began))
				}
			}
			for k, unit := range []string{"ns/entry", "ns/entry-logged"} {
				slices.Sort(took[k])
				b.ReportMetric(float64(took[k][len(took[k])/2])/size, unit)
			}
		})
	}
}
