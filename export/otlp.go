package export

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // registers the compressor
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
)

// Signal is what batches carry.
type Signal uint8

const (
	Traces Signal = iota // spans
	Logs                 // log records: ResourceLogs has the same field numbers as ResourceSpans
)

// signals are the method that takes each of them, and what the agent's log calls what it carries.
var signals = [...]struct{ method, name string }{
	Traces: {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", "spans"},
	Logs:   {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", "logs"},
}

// Options say where batches go and how.
type Options struct {
	Signal  Signal
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

// OTLP sends batches to an OTLP/gRPC endpoint. It may be used by several senders at a time.
type OTLP struct {
	conn   *grpc.ClientConn
	signal Signal
	now    atomic.Pointer[calls]

	refused, away, again, partial quiet // one for each message
}

// calls are the options of requests, which may change, in the form in which they are used.
type calls struct {
	Options
	meta metadata.MD
	how  []grpc.CallOption
}

// Set takes other options, but for those of the connection: Signal, Target, TLS, Version and Log. What is on its way stays as it is.
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
	made := &OTLP{conn: conn, signal: o.Signal}
	made.Set(o)
	return made, nil
}

// Close ends the connection.
func (o *OTLP) Close() error { return o.conn.Close() }

// Export sends a batch and tries again where OTLP allows it, until the upstream took it, refused it for good, GiveUp has
// passed, or ctx is over. The batch stays the caller's.
func (o *OTLP) Export(ctx context.Context, b *ring.Batch) Result {
	began, wait, what := time.Now(), o.now.Load().Initial, signals[o.signal].name
	for {
		c := o.now.Load()
		rejected, err := o.attempt(ctx, c, b)
		if err == nil {
			return Result{Exported: b.Spans - rejected, Dropped: rejected, Reason: ledger.SpanPartial}
		}
		if ctx.Err() != nil {
			return Result{Dropped: b.Spans, Reason: ledger.SpanShutdown}
		}
		again, asked := retryable(err)
		pause := max(asked, wait/2+rand.N(wait/2+1))
		switch {
		case !again:
			o.refused.log(c.Log, slog.LevelError, "The upstream refused "+what+" for good", slog.Int(what, b.Spans), slog.String("error", explain(err)))
			return Result{Dropped: b.Spans, Reason: ledger.SpanRejected}
		case time.Since(began)+pause > c.GiveUp:
			o.away.log(c.Log, slog.LevelError, "The upstream was away for too long", slog.Int(what, b.Spans), slog.String("error", explain(err)))
			return Result{Dropped: b.Spans, Reason: ledger.SpanRetryExhausted}
		}
		o.again.log(c.Log, slog.LevelWarn, "Sending "+what+" failed and will be tried again", slog.Duration("in", pause), slog.String("error", explain(err)))
		if !sleep(ctx, pause) {
			return Result{Dropped: b.Spans, Reason: ledger.SpanShutdown}
		}
		wait = min(2*wait, c.Max)
	}
}

// attempt sends the batch once and gives the number of spans that the upstream rejected.
func (o *OTLP) attempt(ctx context.Context, c *calls, b *ring.Batch) (rejected int, err error) {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, c.meta), c.Timeout)
	defer cancel()
	var answer rawgrpc.Message
	defer answer.Free()
	if err := o.conn.Invoke(ctx, signals[o.signal].method, &request{batch: b}, &answer, c.how...); err != nil {
		return 0, err
	}
	n, text := partialSuccess(answer.Bytes())
	if n > 0 || text != "" {
		o.partial.log(c.Log, slog.LevelWarn, "The upstream took only a part of "+signals[o.signal].name, slog.Int64("rejected", n), slog.String("message", text))
	}
	return int(min(max(n, 0), int64(b.Spans))), nil
}

// message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
// message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
func partialSuccess(b []byte) (rejected int64, text string) {
	for r := wire.Read(b); r.Next(); {
		if r.Key != 1<<3|wire.Bytes {
			continue
		}
		for p := wire.Read(r.Bytes); p.Next(); {
			switch p.Key {
			case 1<<3 | wire.Varint:
				rejected = int64(p.Int)
			case 2<<3 | wire.Bytes:
				text = strings.ToValidUTF8(string(p.Bytes[:min(len(p.Bytes), 1024)]), "\uFFFD")
			}
		}
	}
	return rejected, text
}

// retryable tells whether OTLP allows to send again after err, and how long the upstream wants us to wait
// (opentelemetry-proto docs/specification.md, section "Failures").
func retryable(err error) (again bool, asked time.Duration) {
	s := status.Convert(err)
	told := false
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			asked, told = info.GetRetryDelay().AsDuration(), true
		}
	}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return true, asked
	case codes.ResourceExhausted:
		return told, asked
	}
	return false, 0
}

// explain adds what to change where the error alone does not say it.
func explain(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		text += " (the upstream does not speak TLS: write http:// in export.endpoint)"
	case strings.Contains(text, "error reading server preface"):
		text += " (if the upstream speaks TLS, write https:// in export.endpoint)"
	case errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded:
		text += " (export.timeout)"
	}
	return text
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
