package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// Frame is one recorded message: the same type as that of package recordings, from which Replay takes it as it is.
type Frame struct {
	Kind   byte   // A: access logs, O: OTLP traces, L: OTLP logs
	Stream uint64 // the ALS stream it came on
	At     int64  // arrival, Unix ns
	Bytes  []byte
}

// ReplayOptions say how to send a recording. The zero value sends its access logs without pauses.
type ReplayOptions struct {
	Kinds string            // the kinds of frames to send; "": A. Others are left out
	Paced bool              // with the recorded spacing
	Dial  []grpc.DialOption // further options, as EnvoyOptions.Dial
}

// Replay sends frames to a target in their order: ALS messages each on its stream, all over one connection, and OTLP
// requests as unary calls. It returns when the server has ended every stream after ours, so it has read everything, or
// with the first error. A server that ends a stream early, but with OK, is found out only if more was to be sent on it.
func Replay[F ~struct {
	Kind   byte
	Stream uint64
	At     int64
	Bytes  []byte
}](ctx context.Context, target string, frames []F, o ReplayOptions) error {
	if o.Kinds == "" {
		o.Kinds = "A"
	}
	conn, err := dial(target, o.Dial)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := replay{conn: conn, streams: map[uint64]grpc.ClientStream{}}
	var first, begin = int64(0), time.Now()
	for i, f := range frames {
		f := Frame(f)
		if !strings.ContainsRune(o.Kinds, rune(f.Kind)) {
			continue
		}
		if first == 0 {
			first = f.At
		}
		if o.Paced {
			if err := sleep(ctx, time.Until(begin.Add(time.Duration(f.At-first)))); err != nil {
				return fmt.Errorf("cannot send frame %d: %w", i, err)
			}
		}
		if err := r.send(ctx, f); err != nil {
			return fmt.Errorf("cannot send frame %d (%c): %w", i, f.Kind, err)
		}
	}
	return r.end()
}

type replay struct {
	conn    *grpc.ClientConn
	streams map[uint64]grpc.ClientStream
}

func (r *replay) send(ctx context.Context, f Frame) error {
	var answer []byte
	switch f.Kind {
	case 'O':
		return r.conn.Invoke(ctx, tracesMethod, f.Bytes, &answer, grpc.WaitForReady(true))
	case 'L':
		return r.conn.Invoke(ctx, logsMethod, f.Bytes, &answer, grpc.WaitForReady(true))
	case 'A':
	default:
		return errors.New("frames of this kind cannot be sent")
	}
	s := r.streams[f.Stream]
	if s == nil {
		var err error
		desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
		if s, err = r.conn.NewStream(ctx, desc, alsMethod, grpc.WaitForReady(true)); err != nil {
			return err
		}
		r.streams[f.Stream] = s
	}
	err := s.SendMsg(f.Bytes)
	if errors.Is(err, io.EOF) { // the status is what the receiving side gets
		if err = drain(s); err == nil {
			err = errors.New("the server has ended the stream")
		}
	}
	return err
}

// drain reads answers until the server ends the stream, and gives its error if it ends with one.
func drain(s grpc.ClientStream) error {
	for {
		var answer []byte
		if err := s.RecvMsg(&answer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// end ends all streams and waits for the server to do so.
func (r *replay) end() error {
	for _, s := range r.streams {
		s.CloseSend()
	}
	for id, s := range r.streams {
		if err := drain(s); err != nil {
			return fmt.Errorf("cannot end stream %d: %w", id, err)
		}
	}
	return nil
}

// sleep waits, or gives the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
