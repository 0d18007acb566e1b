package agent

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/ledger"
)

const traceHex, spanHex = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

// worth makes an entry of about n bytes: its trace is sampled or not, its request failed or not.
func worth(n int, sampled, failed bool) *alspb.HTTPAccessLogEntry {
	e, flags, code := entry("/"+strings.Repeat("x", n)), 0, uint32(200)
	if sampled {
		flags = 1
	}
	if failed {
		code = 503
	}
	e.Request.RequestHeaders = map[string]string{"traceparent": fmt.Sprintf("00-%s-%s-%02x", traceHex, spanHex, flags)}
	e.Response = &alspb.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(code)}
	return e
}

// While the upstream is away the core fills up: first go those whose trace is not sampled, then the healthy, and at last
// the failed ones. Each is counted.
func TestSheddingByValue(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Code: codes.Unavailable})
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Memory, c.Export.Drain, c.Export.Batch.Bytes = 4*config.MiB, 0, 128*config.KiB
		c.Sample.Stress.Enabled = false // it would be there first
	})
	e := newEnvoy(t, a, time.Millisecond)
	p := a.pipeline
	const size = 3000
	sent, lost := 0, func(d ledger.EntryDrop) int64 { return p.Entries.Dropped[d].Load() }
	send := func(sampled, failed bool) {
		if err := e.Log(0, worth(size, sampled, failed)); err != nil {
			t.Fatal(err)
		}
		sent++
		await(t, "the entry", func() bool { return p.Entries.Received.Load() == int64(sent) })
	}
	fill := func(sampled, failed bool, until func() bool) int {
		t.Helper()
		for !until() {
			if sent > 10000 {
				t.Fatal("the core never fills up")
			}
			send(sampled, failed)
		}
		return p.core.Percent()
	}

	at := fill(false, false, func() bool { return lost(ledger.EntryShedUnsampled) == 1 })
	if at <= shedUnsampled || at > shedUnsampled+5 {
		t.Errorf("the first unsampled entry is shed at %d %%", at)
	}
	send(true, false)
	send(false, true)
	if n := lost(ledger.EntryShedHealthy) + p.Spans.Dropped[ledger.SpanFull].Load(); n != 0 || lost(ledger.EntryShedUnsampled) != 1 {
		t.Errorf("%d sampled or failed entries were shed with the unsampled", n)
	}
	at = fill(true, false, func() bool { return lost(ledger.EntryShedHealthy) == 1 })
	if at <= shedHealthy || at > shedHealthy+5 {
		t.Errorf("the first healthy entry is shed at %d %%", at)
	}
	at = fill(false, true, func() bool { return p.Spans.Dropped[ledger.SpanFull].Load() == 1 })
	if at != 100 {
		t.Errorf("the first failed request is dropped at %d %%", at)
	}
	if shed := lost(ledger.EntryShedUnsampled) + lost(ledger.EntryShedHealthy); shed != 2 {
		t.Errorf("%d entries were shed, want 2", shed)
	}
	e.Close(t.Context())
	a.Stop()
	checkLedgers(t, a)
}

// With when_full: wait nothing is shed and nothing is dropped, however slow the upstream is.
func TestWaitingLosesNothing(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Delay: 20 * time.Millisecond})
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Memory, c.Export.WhenFull, c.Export.Batch.Bytes = config.MiB, "wait", 128*config.KiB
	})
	e := newEnvoy(t, a, time.Millisecond)
	const n = 3000 // 9 MiB
	for range n {
		if err := e.Log(0, worth(3000, true, false)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all spans", func() bool { return a.pipeline.Spans.Exported.Load() == n })
	e.Close(t.Context())
	stopWithoutLoss(t, a)
}

// stopWithoutLoss stops the agent: it has dropped nothing.
func stopWithoutLoss(t *testing.T, a *Agent) {
	t.Helper()
	a.Stop()
	if d := dropped(a.pipeline.Spans.Dropped[:]) + dropped(a.pipeline.Entries.Dropped[:]); d != 0 {
		t.Errorf("%d were dropped", d)
	}
	checkLedgers(t, a)
}

// A burst that the upstream takes more slowly than it comes is slowed down, and none of it is shed.
func TestBurstIsPaced(t *testing.T) {
	backend := startBackend(t)
	backend.Always(fake.Reply{Delay: 5 * time.Millisecond})
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Memory, c.Export.Batch.Bytes = 2*config.MiB, 128*config.KiB
	})
	e := newEnvoy(t, a, time.Millisecond)
	const n = 4000 // 12 MiB
	for range n {
		if err := e.Log(0, worth(3000, false, false)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "all spans", func() bool { return a.pipeline.Spans.Exported.Load() == n })
	if a.pipeline.Paced.Load() == 0 {
		t.Error("nothing was slowed down")
	}
	e.Close(t.Context())
	stopWithoutLoss(t, a)
}

func TestConnectionsAreBounded(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Receive.Limits.Connections = 3 })
	defer a.Stop()
	var held []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", a.Address())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	conns := &a.receiver.conns
	await(t, "three connections", func() bool { return conns.Open() == 3 })
	c, err := net.Dial("tcp", a.Address())
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a fourth connection is served")
	}
	if conns.Refused.Load() != 1 {
		t.Errorf("%d connections were refused, want 1", conns.Refused.Load())
	}
	held[0].Close()
	await(t, "a free place", func() bool { return conns.Open() == 2 })
	e := newEnvoy(t, a, time.Millisecond)
	if err := e.Log(0, entry("/ok")); err != nil {
		t.Fatal(err)
	}
	await(t, "an entry on the new connection", func() bool { return a.pipeline.Entries.Received.Load() == 1 })
	e.Close(t.Context())
	for _, c := range held[1:] {
		c.Close()
	}
}
