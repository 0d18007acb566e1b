// Package fake takes made-up or recorded traffic and gives it to the agent as the real peers would: Envoy is an Envoy's
// access-log client, Replay sends a recording again, Shop is a small shop behind two Envoys, and Backend is an OTLP
// endpoint that remembers what it got and can be told to misbehave. They speak the real protocols with the official
// types, and serve the tests, the demo and the benchmarks.
package fake

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// EnvoyOptions say where an Envoy logs to and how. Only Target is needed.
type EnvoyOptions struct {
	Target string            // host:port, plaintext; or a grpc target such as passthrough:///name with a dialer in Dial
	Dial   []grpc.DialOption // further options, such as grpc.WithContextDialer for an in-memory network

	Node      *corev3.Node // nil: Node of a sidecar
	LogName   string       // "": http_envoy_accesslog
	Anonymous bool         // send no identifier at all, as no real Envoy does

	Workers       int           // each with its own connection, and a stream for HTTP and one for TCP; 0: one
	FlushInterval time.Duration // 0: 1 s, Envoy's default; negative: no flush by time
	BufferBytes   int           // flush when a batch has this size; 0: 16384, Envoy's default; negative: after each entry
}

// Envoy is the access-log client of an Envoy, as of 1.39: batches by size and time, the identifier in the first message
// of each stream only, a stream that the server ended is opened again at the next flush, and no answer is ever expected.
// A batch that finds no server stays until the next flush; entries beyond a full batch are lost. Unlike Envoy it waits
// for a server that is there but does not read, so that a test loses nothing. All methods may be called at any time.
type Envoy struct {
	opts       EnvoyOptions
	identifier []byte // encoded field 1 of a message
	workers    []*worker
	life       context.Context // of the streams
	kill       context.CancelFunc
	running    sync.WaitGroup

	entries, messages, bytes, lost, streams atomic.Uint64
}

// EnvoyStats is what became of the entries so far.
type EnvoyStats struct {
	Entries  uint64 // handed to a stream; what the server did with them is not known, as in Envoy
	Lost     uint64 // refused because the batch was full and no server there, or left at Close
	Messages uint64 // handed to a stream, raw ones included
	Bytes    uint64 // in those messages
	Streams  uint64 // opened
}

// worker is one of Envoy's threads.
type worker struct {
	conn      *grpc.ClientConn
	http, tcp *logger
}

// NewEnvoy starts an Envoy. It connects at the first flush, so an error is one of the options.
func NewEnvoy(o EnvoyOptions) (*Envoy, error) {
	if o.Node == nil {
		o.Node = Node("sidecar~10.0.0.7~web-7d4b9c6f5-x2x9z.shop~shop.svc.cluster.local", "web.shop")
	}
	if o.LogName == "" {
		o.LogName = "http_envoy_accesslog"
	}
	o.Workers = max(o.Workers, 1)
	if o.FlushInterval == 0 {
		o.FlushInterval = time.Second
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = 16384
	}
	e := &Envoy{opts: o}
	if !o.Anonymous {
		var err error
		e.identifier, err = proto.Marshal(&als.StreamAccessLogsMessage{
			Identifier: &als.StreamAccessLogsMessage_Identifier{Node: o.Node, LogName: o.LogName},
		})
		if err != nil {
			return nil, fmt.Errorf("cannot encode the identifier: %w", err)
		}
	}
	e.life, e.kill = context.WithCancel(context.Background())
	for range o.Workers {
		conn, err := dial(o.Target, o.Dial)
		if err != nil {
			e.kill()
			e.disconnect()
			return nil, err
		}
		w := &worker{conn: conn, http: newLogger(e, conn, fieldHTTPLogs), tcp: newLogger(e, conn, fieldTCPLogs)}
		e.workers = append(e.workers, w)
		if o.FlushInterval > 0 {
			e.running.Go(func() { e.tick(w) })
		}
	}
	return e, nil
}

// dial gives a plaintext connection of its own that comes back quickly after a failure.
func dial(target string, extra []grpc.DialOption) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallSendMsgSize(1<<30), grpc.MaxCallRecvMsgSize(1<<30)),
	}, extra...)...)
	if err != nil {
		return nil, fmt.Errorf("cannot dial %s: %w", target, err)
	}
	return conn, nil
}

// tick flushes a worker's batches by time.
func (e *Envoy) tick(w *worker) {
	t := time.NewTicker(e.opts.FlushInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.http.flush()
			w.tcp.flush()
		case <-e.life.Done():
			return
		case <-w.http.closed:
			return
		}
	}
}

// Log adds an entry to the batch of one worker's HTTP stream. The entry is encoded before Log returns. The error says that
// it was lost, and why.
func (e *Envoy) Log(worker int, entry *alsdata.HTTPAccessLogEntry) error {
	return e.add(e.workers[worker].http, entry)
}

// LogTCP is Log for an entry of the TCP proxy, which goes over a stream of its own.
func (e *Envoy) LogTCP(worker int, entry *alsdata.TCPAccessLogEntry) error {
	return e.add(e.workers[worker].tcp, entry)
}

func (e *Envoy) add(l *logger, entry proto.Message) error {
	b, err := proto.Marshal(entry)
	if err != nil {
		e.lost.Add(1)
		return fmt.Errorf("cannot encode entry: %w", err)
	}
	return l.add(b)
}

// SendRaw sends an encoded StreamAccessLogsMessage over one worker's HTTP stream at once, whatever is in it. If it is the
// first of the stream and does not begin with an identifier, the Envoy's goes before it. The bytes must never be changed
// afterwards: the transport may still refer to them.
func (e *Envoy) SendRaw(worker int, message []byte) error {
	return e.workers[worker].http.sendRaw(message)
}

// Flush sends all batches now. It waits for a server that does not read.
func (e *Envoy) Flush() {
	for _, w := range e.workers {
		w.http.flush()
		w.tcp.flush()
	}
}

// Stats gives what became of the entries so far.
func (e *Envoy) Stats() EnvoyStats {
	return EnvoyStats{
		Entries: e.entries.Load(), Lost: e.lost.Load(), Messages: e.messages.Load(), Bytes: e.bytes.Load(), Streams: e.streams.Load(),
	}
}

// Close sends what is left, ends the streams and waits until the server has ended them too, so that it has read all; a
// context that is done cuts that short, and one that is done from the start is a killed Envoy. The error says that the
// server may not have read everything.
func (e *Envoy) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, e.kill) // frees a send that waits for the server
	defer stop()
	var ended sync.WaitGroup
	for _, w := range e.workers {
		ended.Go(func() { w.http.close(ctx) })
		ended.Go(func() { w.tcp.close(ctx) })
	}
	ended.Wait()
	e.kill()
	e.running.Wait()
	e.disconnect()
	if ctx.Err() != nil {
		return fmt.Errorf("cannot end the streams: %w", ctx.Err())
	}
	return nil
}

func (e *Envoy) disconnect() {
	for _, w := range e.workers {
		w.conn.Close()
	}
}
