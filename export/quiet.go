package export

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// quiet writes at most one line in ten seconds: an upstream that is away fails every batch. Each message has its own, so that
// a warning does not hide an error. The metrics have the exact counts.
type quiet struct {
	last    atomic.Int64 // unix nanoseconds of the last line
	skipped atomic.Int64
}

const quietTime = 10 * time.Second

func (q *quiet) log(l *slog.Logger, level slog.Level, msg string, attrs ...slog.Attr) {
	now, last := time.Now().UnixNano(), q.last.Load()
	if last != 0 && now-last < int64(quietTime) || !q.last.CompareAndSwap(last, now) {
		q.skipped.Add(1)
		return
	}
	if n := q.skipped.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("similar_lines_left_out", n))
	}
	l.LogAttrs(context.Background(), level, msg, attrs...)
}
