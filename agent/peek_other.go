//go:build !unix

package agent

import "net"

const canPeek = false

func newPeeking(c *net.TCPConn) (*reading, error) { return &reading{Conn: c}, nil }
