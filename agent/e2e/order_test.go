package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Signals that say in which order the halves of requests come: from the idle request on, one half of each is held back until the agent
// has all the other halves, or until those have left it.
const (
	entriesFirst = "entries-first"
	spansFirst   = "spans-first"
	lateSpans    = "late-spans"
	lateEntries  = "late-entries"
)

// gates gives the addresses to which Envoy is to send its access log and its spans, with a gate before what comes last.
func (s *stage) gates(t *testing.T, c *testCase) (als, spans string) {
	t.Helper()
	als, spans = s.agent.grpc, s.agent.grpc
	switch c.Signal {
	case entriesFirst, lateSpans:
		s.held = startGate(t, spans)
		spans = s.held.address
	case spansFirst, lateEntries:
		s.held = startGate(t, als)
		als = s.held.address
	}
	return als, spans
}

// release opens the gate when what comes first has come, or has gone.
func (s *stage) release(t *testing.T, c *testCase) {
	t.Helper()
	if s.held == nil {
		return
	}
	eventually(t, 30*time.Second, func() error {
		n, err := s.produced(t)
		if err != nil {
			return err
		}
		page, err := s.agent.metrics()
		if err != nil {
			return err
		}
		came, want, waiting := "alspan_entries_received_total", c.Envoy.loggers()*n.entries(), "alspan_entries_waiting"
		if c.Signal == spansFirst || c.Signal == lateEntries {
			came, want, waiting = "alspan_spans_in_total", n.spans+s.callers, "alspan_spans_waiting"
		}
		if n.ends != s.passes(c.Requests) || page[came] != float64(want) {
			return fmt.Errorf("Envoy has logged %d of %d passes; %s is %v, want %d", n.ends, s.passes(c.Requests), came, page[came], want)
		}
		if late := c.Signal == lateSpans || c.Signal == lateEntries; late && page[waiting] != 0 {
			return fmt.Errorf("%s is still %v", waiting, page[waiting])
		}
		return nil
	})
	s.held.open()
}

// gate passes connections on to a target. While it is closed it keeps what clients send.
type gate struct {
	address string

	mu     sync.Mutex
	opened chan struct{} // closed when the gate is open
}

func startGate(t *testing.T, target string) *gate {
	t.Helper()
	l := listen(t)
	g := &gate{address: l.Addr().String(), opened: make(chan struct{})}
	g.open()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(client, target)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return g
}

// open lets pass what was kept and what follows, close keeps what follows.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

func (g *gate) wait() {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	<-opened
}

// pass connects a client with the target until one of them ends.
func (g *gate) pass(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	for b := make([]byte, 32<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		g.wait()
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}
