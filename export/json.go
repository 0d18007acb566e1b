package export

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
)

// JSON writes each batch as one line of OTLP JSON (the encoding of opentelemetry-proto's docs/specification.md, a TracesData a line), as
// the collector's file exporter does.
type JSON struct {
	mu  sync.Mutex
	out *bufio.Writer
	log *slog.Logger
	err error // the first one
}

// NewJSON makes an exporter that writes to out, which stays the caller's.
func NewJSON(out io.Writer, log *slog.Logger) *JSON {
	return &JSON{out: bufio.NewWriterSize(out, 256<<10), log: log}
}

// Export writes a batch. After a failure nothing is written any more.
func (j *JSON) Export(_ context.Context, b *ring.Batch) Result {
	r := request{batch: b}
	bytes := r.Buffers()
	defer bytes.Free()
	spans, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(bytes.Materialize())
	if err != nil {
		return j.failed(b, fmt.Errorf("cannot decode a batch of %d spans: %w", b.Spans, err))
	}
	line, err := new(ptrace.JSONMarshaler).MarshalTraces(spans)
	if err != nil {
		return j.failed(b, fmt.Errorf("cannot write %d spans as JSON: %w", b.Spans, err))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		_, j.err = j.out.Write(append(line, '\n'))
	}
	if j.err != nil {
		return Result{Dropped: b.Spans, Reason: ledger.SpanRejected}
	}
	return Result{Exported: b.Spans}
}

func (j *JSON) failed(b *ring.Batch, err error) Result {
	j.log.Error("A batch is not valid", slog.String("error", err.Error()))
	return Result{Dropped: b.Spans, Reason: ledger.SpanRejected}
}

// Close writes what is left and gives the first error of writing.
func (j *JSON) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.out.Flush(); j.err == nil {
		j.err = err
	}
	if j.err != nil {
		return fmt.Errorf("cannot write spans: %w", j.err)
	}
	return nil
}
