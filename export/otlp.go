package export

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // registers the compressor
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/internal/ring"
)

// Options say where batches go and how.
type Options struct {
	Logs    bool        // batches have log records instead of spans: ResourceLogs has the field numbers of ResourceSpans
	Target  string      // host:port
	TLS     *tls.Config // nil: plaintext
	Gzip    bool
	Headers map[string]string
	Timeout time.Duration // of one attempt
	Initial time.Duration // first wait between attempts; it doubles each time, with jitter
	Max     time.Duration // longest wait
	GiveUp  time.Duration // after this long a batch is dropped
	Version string
	Log     *slog.Logger
}

// OTLP sends batches of spans or of log records, or requests with other signals, to an OTLP/gRPC endpoint. It may be used by several senders at a
// time.
type OTLP struct {
	conn   *grpc.ClientConn
	now    atomic.Pointer[calls]
	batch  service // for what batches have
	others [ledger.NumSignals]other
}

// calls are the options of requests, which may change, in the form in which they are used.
type calls struct {
	Options
	meta metadata.MD
	how  []grpc.CallOption
}

// Set takes other options, but for those of the connection: Logs, Target, TLS, Version and Log. What is on its way stays as it is.
func (o *OTLP) Set(opts Options) {
	c := &calls{Options: opts, meta: metadata.New(opts.Headers)}
	if opts.Gzip {
		c.how = append(c.how, grpc.UseCompressor("gzip"))
	}
	o.now.Store(c)
}

// Result says what became of the spans, or the log records, of a batch: Exported and Dropped together are all of them.
type Result struct {
	Exported int
	Dropped  int
	Reason   ledger.SpanDrop // of the dropped ones
}

const (
	maxResponse = 4 << 20 // the limit of OTLP

	// A request is nearly a MiB, and what comes back is next to nothing.
	writeBuffer = 256 << 10
	readBuffer  = 4 << 10
)

// NewOTLP makes an exporter. It connects when the first batch is sent, and again whenever the connection is lost.
func NewOTLP(o Options) (*OTLP, error) {
	creds := insecure.NewCredentials()
	if o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	call := []grpc.CallOption{grpc.ForceCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()}), grpc.MaxCallRecvMsgSize(maxResponse)}
	conn, err := grpc.NewClient(o.Target,
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent("alspan/"+o.Version),
		grpc.WithDefaultCallOptions(call...),
		grpc.WithDisableServiceConfig(),
		grpc.WithWriteBufferSize(writeBuffer),
		grpc.WithReadBufferSize(readBuffer),
		// The upstream is asked again soon after it has come back; our own retries wait longer.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second}, MinConnectTimeout: 5 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot use the export endpoint %q: %w", o.Target, err)
	}
	made := &OTLP{conn: conn, batch: newService("spans", "trace.v1.TraceService")}
	if o.Logs {
		made.batch = newService("logs", "logs.v1.LogsService")
	}
	made.others[ledger.Metrics].service = newService("metrics", "metrics.v1.MetricsService")
	made.others[ledger.Logs].service = newService("logs", "logs.v1.LogsService")
	made.Set(o)
	return made, nil
}

// Close ends the connection.
func (o *OTLP) Close() error { return o.conn.Close() }

// Export sends a batch and tries again where OTLP allows it, until the upstream took it, refused it for good, GiveUp has
// passed, or ctx is over. The batch stays the caller's.
func (o *OTLP) Export(ctx context.Context, b *ring.Batch) Result {
	size := slog.Int(o.batch.takes, b.Spans)
	n, end, err := o.send(ctx, &o.batch, &request{batch: b}, size)
	switch end {
	case taken:
		rejected := int(min(n, int64(b.Spans)))
		return Result{Exported: b.Spans - rejected, Dropped: rejected, Reason: ledger.SpanPartial}
	case exhausted:
		return Result{Dropped: b.Spans, Reason: ledger.SpanRetryExhausted}
	case stopped:
		return Result{Dropped: b.Spans, Reason: ledger.SpanShutdown}
	case unimplemented:
		o.batch.refuse(o.now.Load().Log, size, err)
	}
	return Result{Dropped: b.Spans, Reason: ledger.SpanRejected}
}
