package export

import (
	"context"
	"fmt"
	"log/slog"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/ring"
)

// Decoded gives batches to a function of the same process as official protobuf objects: for printing, where speed does
// not count.
type Decoded struct {
	take func([]*tracepb.ResourceSpans)
	log  *slog.Logger
}

// NewDecoded makes an exporter that calls take with each batch. The objects are take's to keep.
func NewDecoded(take func([]*tracepb.ResourceSpans), log *slog.Logger) *Decoded {
	return &Decoded{take: take, log: log}
}

// Export decodes the batch and hands it on.
func (d *Decoded) Export(_ context.Context, b *ring.Batch) Result {
	r := request{batch: b}
	bytes := r.Buffers()
	defer bytes.Free()
	var m tracepb.TracesData // the same fields as ExportTraceServiceRequest
	if err := proto.Unmarshal(bytes.Materialize(), &m); err != nil {
		d.log.Error("A batch is not valid", slog.String("error", fmt.Errorf("cannot decode a batch of %d spans: %w", b.Spans, err).Error()))
		return Result{Dropped: b.Spans, Reason: ledger.SpanRejected}
	}
	d.take(m.ResourceSpans)
	return Result{Exported: b.Spans}
}
