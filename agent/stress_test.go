package agent

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/traces"
)

// Many streams and requests at once bring both halves of the same requests, with waits so short that many time out at the
// very moment at which the other half comes. Each request leaves whole, with one SERVER.
func TestManyAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 8} {
		for _, memory := range []config.Size{512 * config.KiB, 16 * config.MiB} {
			t.Run(fmt.Sprintf("%d processors, %d KiB", procs, memory/config.KiB), func(t *testing.T) {
				runtime.GOMAXPROCS(procs)
				manyAtOnce(t, memory)
			})
		}
	}
}

func manyAtOnce(t *testing.T, memory config.Size) {
	const n, size, hands = 3000, 10, 4
	c := config.Default()
	c.Export.Batch.Age, c.Correlate.Wait, c.Correlate.SpanWait, c.Correlate.Memory = time.Millisecond, 40*time.Millisecond, 20*time.Millisecond, memory
	c.Export.WhenFull = "wait"
	r := &rig{t: t, began: time.Now(), parted: make(chan struct{})}
	p, err := newPipeline(c, nil, drawing(r.print, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.p = p
	r.running.Go(func() { p.deliver(t.Context(), 2) })
	joined := make(chan struct{})
	go func() { p.join(r.parted); close(joined) }()

	var logs, spans [][]byte
	for from := 0; from < n; from += size {
		var es []*alspb.HTTPAccessLogEntry
		var ss []*tracepb.Span
		for i := range size {
			e, s := pair(from + i)
			es, ss = append(es, e), append(ss, s)
		}
		rand.Shuffle(size, func(i, j int) { es[i], es[j] = es[j], es[i] })
		logs, spans = append(logs, alsMessage(t, es...)), append(spans, otlpMessage(t, ss...))
	}
	var feeding sync.WaitGroup
	for hand := range hands {
		feeding.Go(func() {
			stream := p.stream(netip.AddrFrom4([4]byte{10, 0, 0, 1}))
			for i := hand; i < len(logs); i += hands {
				m := accesslog.NewMessage(logs[i])
				stream(&m)
				pause()
			}
		})
		feeding.Go(func() {
			consume := p.spans()
			for i := hand; i < len(spans); i += hands {
				m := traces.NewMessage(spans[i], netip.Addr{})
				if o := consume(&m); o.Full || o.Rejected > 0 {
					t.Errorf("the outcome is %+v", o)
				}
				pause()
			}
		})
	}
	feeding.Wait()
	close(r.parted)
	<-joined
	p.core.Close()
	r.running.Wait()
	if e, s := p.Entries.Balance(), p.Spans.Balance(p.core); e != 0 || s != 0 {
		t.Errorf("the ledgers are off by %d entries and %d spans", e, s)
	}
	if e, s, used := p.Entries.Waiting.Load(), p.Spans.Waiting.Load(), p.cells.Used(); e != 0 || s != 0 || used != 0 {
		t.Errorf("%d entries and %d spans still wait, %d bytes are in use", e, s, used)
	}
	r.complete(n)
	if t.Failed() {
		for f := range p.entryFates {
			if e, s := p.entryFates[f].Load(), p.spanFates[f].Load(); e+s > 0 {
				t.Logf("fate %d: %d entries, %d spans", f, e, s)
			}
		}
		t.Logf("%d found no room", p.noRoom.Load())
	}
}

func pause() {
	switch rand.IntN(40) {
	case 0:
		time.Sleep(time.Duration(rand.IntN(int(30 * time.Millisecond))))
	case 1, 2, 3:
		runtime.Gosched()
	}
}
