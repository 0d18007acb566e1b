package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/traces"
)

// receiver is where Envoys and other senders connect: one gRPC server and one HTTP server behind the same addresses, and
// one HTTP server for Zipkin.
type receiver struct {
	server  *grpc.Server
	otlp    *http.Server
	zipkin  *http.Server
	logs    *accesslog.Server
	spans   *traces.Server
	sniffer *sniffer
	doors   []door
	conns   connections
}

// door is an address that is listened on.
type door struct {
	net.Listener
	name  string // that of its section of the configuration
	serve func(net.Listener) error
}

// The transport of a stream that lives for days: dead peers are found by pings, and a client may ping as Envoys do.
const (
	pingAfter   = 60 * time.Second
	pingTimeout = 20 * time.Second
	pingMinimum = time.Second
	window      = 512 << 10 // fixed, so that memory is bounded; more gains nothing
	readBuffer  = 64 << 10
	writeBuffer = 4 << 10 // there is hardly anything to say
	maxHeaders  = 32 << 10
)

// The times of HTTP. A sender that is idle keeps its connection for longer than it waits between two batches: one that is
// closed just when a request comes is a request lost, since not all senders try again.
const (
	readRequest = 30 * time.Second
	answer      = 60 * time.Second // from the request's headers on
	idle        = 5 * time.Minute
)

// listen opens the addresses. Nothing is served before serve.
func listen(c *config.Receive, p *Pipeline, log *slog.Logger) (*receiver, error) {
	t, err := serverTLS(&c.TLS)
	if err != nil {
		return nil, err
	}
	pool := new(rawgrpc.Pool)
	r := &receiver{
		server:  grpc.NewServer(serverOptions(c, pool)...),
		logs:    accesslog.NewServer(p.stream, int(c.Limits.Message)),
		spans:   traces.NewServer(p.spans, traces.Options{Limit: int(c.Limits.Request), Pool: pool, Log: log, Other: p.others, Ignored: p.ignored()}),
		sniffer: newSniffer(t),
	}
	r.conns.most = c.Limits.Connections
	r.logs.Register(r.server)
	r.spans.Register(r.server)
	r.otlp, r.zipkin = newWeb(c, r.spans.OTLP(), log), newWeb(c, r.spans.Zipkin(), log)
	for _, d := range []struct {
		name, address string
		serve         func(net.Listener) error
	}{
		{"grpc", c.GRPC.Address, r.sniffer.serve},
		{"als", c.ALS.Address, r.sniffer.serve},
		{"http", c.HTTP.Address, r.sniffer.serve},
		{"zipkin", c.Zipkin.Address, r.serveZipkin},
	} {
		if d.address == "" {
			continue
		}
		l, err := net.Listen("tcp", d.address)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("cannot listen on receive.%s.address: %w", d.name, err)
		}
		r.doors = append(r.doors, door{r.conns.limited(l), d.name, d.serve})
	}
	return r, nil
}

// serverOptions are those of the gRPC server. Its limit of messages is that of the service with the largest ones; each
// service has its own.
func serverOptions(c *config.Receive, pool *rawgrpc.Pool) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawgrpc.Codec{Pool: pool}),
		experimental.BufferPool(pool),
		grpc.MaxRecvMsgSize(int(max(c.Limits.Message, c.Limits.Request))),
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
}

// newWeb makes a server for HTTP/1.1, and HTTP/2 with or without TLS. What single peers do wrong is nothing for the log.
func newWeb(c *config.Receive, h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler: h, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: handshake, ReadTimeout: readRequest, WriteTimeout: answer, IdleTimeout: idle, MaxHeaderBytes: maxHeaders,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: c.Limits.Streams, MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window,
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// serveZipkin serves Zipkin, which is always HTTP.
func (r *receiver) serveZipkin(l net.Listener) error {
	if t := r.sniffer.tls; t != nil {
		l = tls.NewListener(l, t)
	}
	return served(r.zipkin.Serve(l))
}

// served gives the error of a server that has ended, none when it was stopped.
func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// serve answers on all addresses; failed gets the error of one that breaks.
func (r *receiver) serve(failed chan<- error) {
	run := func(l net.Listener, name string, serve func(net.Listener) error) {
		go func() {
			if err := served(serve(l)); err != nil {
				failed <- fmt.Errorf("cannot serve on %s: %w", name, err)
			}
		}()
	}
	run(r.sniffer.grpc, "gRPC", r.server.Serve)
	run(r.sniffer.http, "HTTP", r.otlp.Serve)
	for _, d := range r.doors {
		run(d.Listener, d.Addr().String(), d.serve)
	}
}

// attrs gives the addresses for the start-up line.
func (r *receiver) attrs() (attrs []slog.Attr) {
	for _, d := range r.doors {
		attrs = append(attrs, slog.String(d.name, d.Addr().String()))
	}
	return attrs
}

// address gives where the door of that name is, empty when there is none.
func (r *receiver) address(name string) string {
	for _, d := range r.doors {
		if d.name == name {
			return d.Addr().String()
		}
	}
	return ""
}

// stop ends every stream right after its next message, and those that stay idle after half of the time; requests that have
// begun by then are answered. It returns when the last message has been consumed.
func (r *receiver) stop(within time.Duration) {
	r.logs.Drain()
	r.close()
	r.sniffer.close()
	ctx, cancel := context.WithTimeout(context.Background(), within/2)
	defer cancel()
	var all sync.WaitGroup
	all.Go(r.server.GracefulStop)
	for _, s := range []*http.Server{r.otlp, r.zipkin} {
		all.Go(func() {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	r.logs.Cut()
	r.spans.Stop()
	go r.server.Stop() // not waited for: it waits for peers that have said nothing yet; no message comes after Cut
}

func (r *receiver) close() {
	for _, d := range r.doors {
		d.Close()
	}
}
