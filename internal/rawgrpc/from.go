package rawgrpc

import (
	"context"
	"net"
	"net/netip"

	"google.golang.org/grpc/peer"
)

// From gives the address of the other end of a call's connection, invalid when it is no IP address.
func From(ctx context.Context) netip.Addr {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return netip.Addr{}
	}
	if t, ok := p.Addr.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	at, err := netip.ParseAddrPort(p.Addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
