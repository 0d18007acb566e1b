package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// sniffer takes connections of any number of listeners and gives each to one of two: gRPC, or all other HTTP. So senders may
// use either port for either protocol, which they often do.
//
// What a connection speaks is in its first bytes: HTTP/2 begins with a preface, and its first request says whether it is
// gRPC. The bytes of a plaintext connection are looked at in the socket and stay there, because grpc reads a bare
// *net.TCPConn without holding a buffer while the peer is silent, but not a wrapper around one. TLS ends here, and so are
// clients' certificates checked here.
type sniffer struct {
	tls        *tls.Config // nil: plaintext
	grpc, http *sorted
	wait       time.Duration // for what a peer speaks

	mu        sync.Mutex
	undecided map[net.Conn]struct{}
	closed    bool
}

const (
	handshake = 10 * time.Second // what a peer has to say what it speaks
	// An HTTP/2 client may wait for our settings before its first request, as gRPC's own do: then it is taken for gRPC.
	firstRequest = 100 * time.Millisecond
)

func newSniffer(t *tls.Config) *sniffer {
	if t != nil {
		t = t.Clone()
		t.NextProtos = []string{"h2", "http/1.1"}
	}
	return &sniffer{tls: t, wait: handshake, grpc: newSorted(), http: newSorted(), undecided: map[net.Conn]struct{}{}}
}

// serve sorts the connections of l until it is closed. It never waits for a peer.
func (s *sniffer) serve(l net.Listener) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	for wait := shortest; ; {
		c, err := l.Accept()
		if err == nil {
			wait = shortest
			go s.sort(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		// Such as too many open files: that passes.
		if errno, ok := errors.AsType[syscall.Errno](err); !ok || !errno.Temporary() {
			return err
		}
		time.Sleep(wait)
		wait = min(2*wait, longest)
	}
}

// close ends the connections that are not sorted yet, and all that come.
func (s *sniffer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.undecided {
		c.Close()
	}
}

// enter remembers a connection until leave, false after close.
func (s *sniffer) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.undecided[c] = struct{}{}
	}
	return !s.closed
}

func (s *sniffer) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.undecided, c)
}

// sort gives a connection to who speaks its protocol, and closes one that does not say in time.
func (s *sniffer) sort(c net.Conn) {
	if !s.enter(c) {
		c.Close()
		return
	}
	sorted, err := s.look(c)
	s.leave(c) // before somebody else has it: close must not end what is being served
	if err != nil || sorted.conn.SetDeadline(time.Time{}) != nil || !sorted.to.give(sorted.conn) {
		c.Close()
	}
}

// place is where a connection goes.
type place struct {
	to   *sorted
	conn net.Conn
}

func (s *sniffer) look(c net.Conn) (place, error) {
	deadline := time.Now().Add(s.wait)
	if err := c.SetDeadline(deadline); err != nil {
		return place{}, err
	}
	var from beginning
	if s.tls != nil {
		t := tls.Server(c, s.tls)
		if err := t.HandshakeContext(context.Background()); err != nil {
			return place{}, err
		}
		from = &reading{Conn: t}
	} else if t, ok := c.(*net.TCPConn); ok && canPeek {
		p, err := newPeeking(t)
		if err != nil {
			return place{}, err
		}
		from = p
	} else {
		from = &reading{Conn: c}
	}
	isGRPC, err := speaksGRPC(from, deadline)
	if isGRPC {
		return place{s.grpc, from.conn()}, err
	}
	return place{s.http, from.conn()}, err
}

// sorted is a listener of connections that come from others.
type sorted struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newSorted() *sorted { return &sorted{conns: make(chan net.Conn), done: make(chan struct{})} }

// give waits until the connection is accepted, false when nobody accepts any more.
func (s *sorted) give(c net.Conn) bool {
	select {
	case s.conns <- c:
		return true
	case <-s.done:
		return false
	}
}

// Accept gives the next connection.
func (s *sorted) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. The listeners that connections come from stay open.
func (s *sorted) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr gives no address of its own: connections have theirs.
func (s *sorted) Addr() net.Addr { return &net.TCPAddr{} }
