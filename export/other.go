package export

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// other is the upstream's service for metrics or logs, which not every upstream has.
type other struct {
	service
	rests atomic.Int64 // until then, in Unix nanoseconds, it is not asked
	told  sync.Once
}

// restFor is how long an upstream that has no service for a signal is not asked again.
const restFor = time.Minute

// OtherResult says what became of a request with metrics or logs.
type OtherResult struct {
	Taken    bool
	Rejected int64            // data points or log records of one that was taken, which the upstream did not want
	Reason   ledger.OtherDrop // of one that was not taken
}

// Forward sends one encoded Export*ServiceRequest as it is, and tries again like Export. The transport may refer to body for longer
// than the call takes, so it must never be changed again.
func (o *OTLP) Forward(ctx context.Context, signal ledger.Signal, body []byte) OtherResult {
	s := &o.others[signal]
	if time.Now().UnixNano() < s.rests.Load() {
		return OtherResult{Reason: ledger.OtherUnimplemented}
	}
	size := slog.Int("bytes", len(body))
	n, end, err := o.send(ctx, &s.service, rawgrpc.Encoded(body), size)
	switch end {
	case taken:
		return OtherResult{Taken: true, Rejected: n}
	case unimplemented:
		s.rests.Store(time.Now().Add(restFor).UnixNano())
		s.told.Do(func() {
			o.now.Load().Log.LogAttrs(ctx, slog.LevelWarn, "The upstream does not take "+s.takes+", which are dropped: it is asked once a minute whether it does by now. "+
				"With receive.other_signals: drop they are not sent on. This is said once; metrics count on.", slog.String("error", explain(err)))
		})
		return OtherResult{Reason: ledger.OtherUnimplemented}
	case exhausted:
		return OtherResult{Reason: ledger.OtherRetryExhausted}
	case stopped:
		return OtherResult{Reason: ledger.OtherShutdown}
	}
	return OtherResult{Reason: ledger.OtherRejected}
}
