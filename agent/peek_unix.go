//go:build unix

package agent

import (
	"io"
	"net"
	"syscall"
)

// canPeek tells that bytes can be looked at in the socket.
const canPeek = true

// peeking is the beginning of a connection whose bytes stay in the socket.
type peeking struct {
	*net.TCPConn
	raw  syscall.RawConn
	said []byte
}

func newPeeking(c *net.TCPConn) (*peeking, error) {
	raw, err := c.SyscallConn()
	return &peeking{TCPConn: c, raw: raw}, err
}

// more waits in the runtime's poller, which wakes it whenever bytes arrive, though those before them were not read.
func (p *peeking) more() ([]byte, error) {
	had, n := len(p.said), 0
	var failed error
	err := p.raw.Read(func(fd uintptr) bool {
		for {
			if p.said == nil { // not before there is something: most of the time there is not
				var one [1]byte
				if n, _, failed = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK); n > 0 {
					p.said = make([]byte, 0, lookAt)
				}
			}
			if p.said != nil {
				n, _, failed = syscall.Recvfrom(int(fd), p.said[:cap(p.said)], syscall.MSG_PEEK)
			}
			if failed != syscall.EINTR {
				break
			}
		}
		return failed != syscall.EAGAIN && (failed != nil || n == 0 || n > had)
	})
	switch {
	case err != nil:
		return p.said, err
	case failed != nil:
		return p.said, failed
	case n == 0:
		return p.said, io.EOF
	}
	p.said = p.said[:n]
	return p.said, nil
}

func (p *peeking) conn() net.Conn { return p.TCPConn }
