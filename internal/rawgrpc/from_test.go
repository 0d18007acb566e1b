package rawgrpc

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc/peer"
)

// mapped is an address of a kind that does not shorten itself.
type mapped struct{}

func (mapped) Network() string { return "tcp" }
func (mapped) String() string  { return "[::ffff:10.0.0.9]:80" }

func TestFrom(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	for want, at := range map[string]net.Addr{
		"10.0.0.7":     tcp("10.0.0.7"),
		"10.0.0.8":     tcp("::ffff:10.0.0.8"),
		"10.0.0.9":     mapped{},
		"2001:db8::1":  tcp("2001:db8::1"),
		"fe80::1%eth0": &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"},
		"invalid IP":   &net.UnixAddr{Name: "/run/als.sock", Net: "unix"},
	} {
		ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: at})
		if got := From(ctx).String(); got != want {
			t.Errorf("%s is %s", at, got)
		}
	}
	for _, ctx := range []context.Context{t.Context(), peer.NewContext(t.Context(), new(peer.Peer))} {
		if got := From(ctx); got.IsValid() {
			t.Errorf("nobody is %s", got)
		}
	}
}
