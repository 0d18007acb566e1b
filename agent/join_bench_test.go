package agent

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/export"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/traces"
)

type discard struct{}

func (discard) Export(_ context.Context, b *ring.Batch) export.Result {
	return export.Result{Exported: b.Spans}
}

// What a request costs: its entry alone, its span alone, and both joined, in messages of a hundred.
func BenchmarkRequests(b *testing.B) {
	const size, messages = 100, 64
	logs, spans := make([]numbered, messages), make([]numbered, messages)
	for m := range messages {
		var es []*alspb.HTTPAccessLogEntry
		var ss []*tracepb.Span
		for i := range size {
			e, s := pair(m*size + i)
			e.Request.Path = "/cart?a=b"
			s.Attributes[4] = text("http.url", "http://shop.example/cart?a=b")
			s.Attributes = append(s.Attributes, text("http.method", "GET"), text("downstream_cluster", "-"), text("user_agent", "Mozilla/5.0 (X11; Linux x86_64)"),
				text("http.protocol", "HTTP/1.1"), text("peer.address", "10.0.0.1"), text("request_size", "0"), text("response_size", "1234"),
				text("upstream_cluster", "shop"), text("upstream_cluster.name", "shop"), text("response_flags", "-"))
			es, ss = append(es, e), append(ss, s)
		}
		logs[m], spans[m] = newNumbered(alsMessage(b, es...)), newNumbered(otlpMessage(b, ss...))
	}
	for _, c := range []struct {
		name        string
		logs, spans bool
	}{{"entries", true, false}, {"spans", false, true}, {"pairs", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			cfg := config.Default()
			cfg.Export.WhenFull = "wait"
			p, err := newPipeline(cfg, nil, drawing(func([]*tracepb.ResourceSpans) {}, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			p.exporter = discard{}
			go p.deliver(b.Context(), 1)
			parted := make(chan struct{})
			done := make(chan struct{})
			go func() { p.join(parted); close(done) }()
			stream, in := p.stream(netip.Addr{}), p.spans()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m := i % messages
				if c.logs {
					msg := accesslog.NewMessage(logs[m].number(uint32(i)))
					stream(&msg)
				}
				if c.spans {
					msg := traces.NewMessage(spans[m].number(uint32(i)), netip.Addr{})
					in(&msg)
				}
				for p.cells.Used() > 12<<20 {
					time.Sleep(100 * time.Microsecond)
				}
			}
			close(parted)
			<-done
			p.core.Close()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/request")
		})
	}
}

// numbered is a message whose request ids are made anew each time.
type numbered struct {
	body []byte
	ids  []int // where they end
}

func newNumbered(body []byte) (n numbered) {
	n.body = body
	for i := 8; i+28 <= len(body); i++ {
		if string(body[i:i+6]) == "-1111-" {
			n.ids = append(n.ids, i+28)
		}
	}
	return n
}

func (n *numbered) number(x uint32) []byte {
	var h [4]byte
	binary.BigEndian.PutUint32(h[:], x)
	var digits [8]byte
	hex.Encode(digits[:], h[:])
	for _, end := range n.ids {
		copy(n.body[end-8:end], digits[:])
	}
	return n.body
}
