package agent

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// receiver is where Envoys connect: one gRPC server on one or two addresses.
type receiver struct {
	server    *grpc.Server
	logs      *accesslog.Server
	listeners []net.Listener
	conns     connections
}

// The transport of a stream that lives for days: dead peers are found by pings, and a client may ping as Envoys do.
const (
	pingAfter   = 60 * time.Second
	pingTimeout = 20 * time.Second
	pingMinimum = time.Second
	handshake   = 10 * time.Second
	window      = 512 << 10 // fixed, so that memory is bounded; more gains nothing
	readBuffer  = 64 << 10
	writeBuffer = 4 << 10 // there is hardly anything to say
	maxHeaders  = 32 << 10
)

// listen opens the addresses. Nothing is served before serve.
func listen(c *config.Receive, p *Pipeline) (*receiver, error) {
	t, err := serverTLS(&c.TLS)
	if err != nil {
		return nil, err
	}
	r := &receiver{server: grpc.NewServer(serverOptions(c, t)...), logs: accesslog.NewServer(p.stream, int(c.Limits.Message))}
	r.conns.most = c.Limits.Connections
	r.logs.Register(r.server)
	for _, address := range []string{c.GRPC.Address, c.ALS.Address} {
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("cannot listen for access logs: %w", err)
		}
		r.listeners = append(r.listeners, r.conns.limited(l))
	}
	return r, nil
}

func serverOptions(c *config.Receive, t *tls.Config) []grpc.ServerOption {
	pool := new(rawgrpc.Pool)
	o := []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawgrpc.Codec{Pool: pool}),
		experimental.BufferPool(pool),
		grpc.MaxRecvMsgSize(int(c.Limits.Message)),
		grpc.MaxConcurrentStreams(uint32(c.Limits.Streams)),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(handshake),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.ReadBufferSize(readBuffer),
		grpc.WriteBufferSize(writeBuffer),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingMinimum, PermitWithoutStream: true}),
	}
	if t != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(t)))
	}
	return o
}

// serve answers on all addresses; failed gets the error of one that breaks.
func (r *receiver) serve(failed chan<- error) {
	for _, l := range r.listeners {
		go func() {
			if err := r.server.Serve(l); err != nil {
				failed <- fmt.Errorf("cannot serve on %s: %w", l.Addr(), err)
			}
		}()
	}
}

// stop ends every stream right after its next message, and those that stay idle after half of the time. It returns when
// the last message has been consumed.
func (r *receiver) stop(within time.Duration) {
	r.logs.Drain()
	done := make(chan struct{})
	go func() {
		r.server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(within / 2):
	}
	r.logs.Cut()
	go r.server.Stop() // not waited for: it waits for peers that have said nothing yet; no message comes after Cut
}

func (r *receiver) close() {
	for _, l := range r.listeners {
		l.Close()
	}
}
