package export

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/internal/wire"
)

// service is one of OTLP's services, as the upstream has it.
type service struct {
	takes, method string

	refused, away, again, partial quiet // one for each message
}

func newService(takes, name string) service {
	return service{takes: takes, method: "/opentelemetry.proto.collector." + name + "/Export"}
}

// refuse tells of a request that the upstream does not want.
func (s *service) refuse(l *slog.Logger, size slog.Attr, err error) {
	s.refused.log(l, slog.LevelError, "The upstream refused "+s.takes+" for good", size, slog.String("error", explain(err)))
}

// ending says how the sending of a request ended.
type ending uint8

const (
	taken         ending = iota
	refused              // for good
	unimplemented        // the upstream has no such service: whoever sends has to tell of it
	exhausted            // GiveUp has passed
	stopped              // ctx is over
)

// send sends a request and tries again where OTLP allows it. Of one that was taken it gives how many items in it were rejected. size
// is for the log.
func (o *OTLP) send(ctx context.Context, s *service, m rawgrpc.Sender, size slog.Attr) (rejected int64, end ending, err error) {
	began, wait := time.Now(), o.now.Load().Initial
	for {
		c := o.now.Load()
		if rejected, err = o.attempt(ctx, c, s, m); err == nil {
			return rejected, taken, nil
		}
		if ctx.Err() != nil {
			return 0, stopped, err
		}
		again, asked := retryable(err)
		pause := max(asked, wait/2+rand.N(wait/2+1))
		switch {
		case status.Code(err) == codes.Unimplemented:
			return 0, unimplemented, err
		case !again:
			s.refuse(c.Log, size, err)
			return 0, refused, err
		case time.Since(began)+pause > c.GiveUp:
			s.away.log(c.Log, slog.LevelError, "The upstream was away for too long to take "+s.takes, size, slog.String("error", explain(err)))
			return 0, exhausted, err
		}
		s.again.log(c.Log, slog.LevelWarn, "Sending "+s.takes+" failed and will be tried again", slog.Duration("in", pause), slog.String("error", explain(err)))
		if !sleep(ctx, pause) {
			return 0, stopped, err
		}
		wait = min(2*wait, c.Max)
	}
}

// attempt sends a request once and gives the number of items in it that the upstream rejected.
func (o *OTLP) attempt(ctx context.Context, c *calls, s *service, m rawgrpc.Sender) (rejected int64, err error) {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, c.meta), c.Timeout)
	defer cancel()
	var answer rawgrpc.Message
	defer answer.Free()
	if err := o.conn.Invoke(ctx, s.method, m, &answer, c.how...); err != nil {
		return 0, err
	}
	n, text := partialSuccess(answer.Bytes())
	if n > 0 || text != "" {
		s.partial.log(c.Log, slog.LevelWarn, "The upstream took only a part of the "+s.takes, slog.Int64("rejected", n), slog.String("message", text))
	}
	return max(n, 0), nil
}

// The responses of all services have the same fields; the number is of spans, data points or log records.
//
//	message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
//	message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
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
