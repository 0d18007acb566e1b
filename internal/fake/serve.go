package fake

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

const (
	tracesMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	logsMethod   = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
)

// Signal names one of OTLP's services.
type Signal string

const (
	Traces  Signal = "trace"
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
)

// service gives the full name of its service.
func (s Signal) service() string {
	name := strings.ToUpper(string(s[:1])) + string(s[1:])
	return "opentelemetry.proto.collector." + string(s) + ".v1." + name + "Service"
}

// Method gives the method that exports it.
func (s Signal) Method() string { return "/" + s.service() + "/Export" }

// Reply is what a Backend does with a request. The zero value accepts it at once.
type Reply struct {
	Delay      time.Duration  // before anything else; a caller that has left by then counts as refused
	Disconnect bool           // close all connections and do not answer
	Code       codes.Code     // other than OK: refuse
	Message    string         // of the status, or of the partial success
	RetryInfo  *time.Duration // with a Code: attach google.rpc.RetryInfo with this delay
	Rejected   int64          // with OK: answer a partial success with as many rejected spans
}

// Script says what to do with the next requests with spans, one reply each, after those that are scripted already.
func (b *Backend) Script(replies ...Reply) { b.ScriptOf(Traces, replies...) }

// Always says what to do with all requests with spans for which nothing is scripted.
func (b *Backend) Always(reply Reply) { b.AlwaysOf(Traces, reply) }

// ScriptOf is Script for any signal.
func (b *Backend) ScriptOf(s Signal, replies ...Reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script[s] = append(b.script[s], replies...)
}

// AlwaysOf is Always for any signal.
func (b *Backend) AlwaysOf(s Signal, reply Reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.always[s] = reply
}

// reply gives what to do with the next request.
func (b *Backend) reply(s Signal) Reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	if next := b.script[s]; len(next) > 0 {
		b.script[s] = next[1:]
		return next[0]
	}
	return b.always[s]
}

// Start listens, again after a Stop at the same address. It does nothing while the backend listens.
func (b *Backend) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		return nil
	}
	listen := b.opts.Listen
	if listen == nil {
		listen = func() (net.Listener, error) { return net.Listen("tcp", b.address) }
	}
	l, err := listen()
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	b.address = l.Addr().String()
	b.conns = &connections{Listener: l, open: map[net.Conn]bool{}}
	b.server = grpc.NewServer(grpc.ForceServerCodecV2(codec{}), grpc.MaxRecvMsgSize(b.opts.MaxReceive), grpc.WaitForHandlers(true))
	for _, signal := range []Signal{Traces, Metrics, Logs} {
		b.server.RegisterService(&grpc.ServiceDesc{
			ServiceName: signal.service(),
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{
				MethodName: "Export",
				Handler: func(_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					var raw []byte
					if err := receive(&raw); err != nil {
						return nil, err
					}
					return b.export(ctx, signal, raw)
				},
			}},
		}, b)
	}
	server, conns := b.server, b.conns
	b.serving.Go(func() { server.Serve(conns) })
	return nil
}

// Stop closes the listener and all connections: whoever dials is refused until Start.
func (b *Backend) Stop() {
	b.mu.Lock()
	server := b.server
	b.server = nil
	b.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	b.serving.Wait()
}

// Disconnect closes all connections and goes on listening.
func (b *Backend) Disconnect() {
	b.mu.Lock()
	conns := b.conns
	b.mu.Unlock()
	conns.closeAll()
}

// Close stops the backend for good. What it remembers stays readable.
func (b *Backend) Close() {
	b.Stop()
	if b.relay != nil {
		b.relay.Close()
	}
}
