package agent

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// connections bounds how many connections are open at a time, over all listeners. One that is too many is closed at
// once: Envoy tries again, and finds another agent where there is one.
//
// grpc reads from a *net.TCPConn without holding a buffer while the peer is silent, but not from a wrapper around one. So
// connections are not wrapped to see them close; they are asked.
type connections struct {
	most    int
	Refused atomic.Int64

	mu   sync.Mutex
	open []*net.TCPConn // some of them closed by now
	next int            // look for closed ones at this many
}

// Open gives the number of open connections.
func (c *connections) Open() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	return int64(len(c.open))
}

// add counts a connection, false when it is one too many.
func (c *connections) add(conn *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= min(c.next, c.most) {
		c.forget()
	}
	if len(c.open) >= c.most {
		return false
	}
	c.open = append(c.open, conn)
	return true
}

// forget drops the closed ones; the lock is held.
func (c *connections) forget() {
	c.open = slices.DeleteFunc(c.open, func(conn *net.TCPConn) bool {
		raw, err := conn.SyscallConn()
		return err != nil || raw.Control(func(uintptr) {}) != nil
	})
	c.next = max(2*len(c.open), 64)
}

// limited gives a listener whose connections count.
func (c *connections) limited(l net.Listener) net.Listener { return &limitedListener{l, c} }

type limitedListener struct {
	net.Listener
	all *connections
}

// Accept gives the next connection that is not one too many.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if t, ok := conn.(*net.TCPConn); !ok || l.all.add(t) {
			return conn, nil
		}
		l.all.Refused.Add(1)
		conn.Close()
	}
}
