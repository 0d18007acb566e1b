package agent

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/config"
)

// breaker is a proxy that breaks each connection after some bytes until it is told to be good.
type breaker struct {
	net.Listener
	good   atomic.Bool
	breaks atomic.Int64
}

func (b *breaker) serve(to string) {
	for {
		c, err := b.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			s, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer s.Close()
			go io.Copy(c, s)
			if b.good.Load() {
				io.Copy(s, c)
				return
			}
			io.CopyN(s, c, 40<<10) // less than a batch: the transport still has the rest
			b.breaks.Add(1)
		}()
	}
}

// A transport whose connection breaks in the middle of a request never lets go of what it was writing. That costs no room.
func TestBrokenConnectionsCostNoRoom(t *testing.T) {
	backend := startBackend(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: l}
	defer b.Close()
	go b.serve(backend.Address())
	a := startAgent(t, backend, func(c *config.Config) {
		c.Export.Endpoint = "http://" + l.Addr().String()
		c.Export.Retry.Max, c.Export.Memory = 20*time.Millisecond, config.MiB
	})
	e := newEnvoy(t, a, 5*time.Millisecond)
	core := a.pipeline.core
	logged := int64(0)
	for b.breaks.Load() < 60 {
		for range 50 {
			logged++
			if err := e.Log(0, entry("/"+strings.Repeat("p", 1000))); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.good.Store(true)
	e.Flush()
	await(t, "an idle agent", func() bool {
		return a.pipeline.Entries.Received.Load() == logged && core.Open()+core.Queued()+core.InFlight() == 0
	})
	before := a.pipeline.Spans.Exported.Load()
	const n = 1000
	for range n {
		if err := e.Log(0, entry("/after")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Microsecond)
	}
	e.Flush()
	await(t, "all later spans", func() bool { return a.pipeline.Spans.Exported.Load() == before+n })
	a.Stop()
	checkLedgers(t, a)
	await(t, "chunks that are lost for good", func() bool { // of the last ones only the garbage collector knows
		runtime.GC()
		return core.Held() == 0
	})
	e.Close(context.Background())
}

// A connection that says nothing, such as a port scanner's, does not hold up a stop.
func TestSilentConnectionDoesNotDelayAStop(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Export.Drain = 400 * time.Millisecond })
	c, err := net.Dial("tcp", a.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.Sleep(50 * time.Millisecond) // the server has accepted it
	began := time.Now()
	a.Stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the stop took %v, and may take 400ms", took)
	}
}
