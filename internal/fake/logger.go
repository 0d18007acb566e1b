package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of envoy.service.accesslog.v3.StreamAccessLogsMessage, and of HTTPAccessLogEntries and TCPAccessLogEntries.
const (
	fieldIdentifier = 1
	fieldHTTPLogs   = 2
	fieldTCPLogs    = 3
	fieldLogEntry   = 1
)

const alsMethod = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

// logger is one stream of one worker and the batch that waits for it.
type logger struct {
	envoy  *Envoy
	conn   *grpc.ClientConn
	field  protowire.Number // of the entries in a message
	turn   chan struct{}    // has one place: who is in it owns what follows. Not a mutex, so that synctest's clock goes on
	batch  []byte           // encoded log_entry fields
	count  uint64           // entries in batch
	stream *stream          // nil before the first flush
	closed chan struct{}    // closed by close, while it has the turn
}

// stream is a live or ended ALS stream.
type stream struct {
	grpc.ClientStream
	cancel context.CancelFunc
	ended  chan struct{} // closed when the server has ended it or the connection is gone
}

func newLogger(e *Envoy, conn *grpc.ClientConn, field protowire.Number) *logger {
	return &logger{envoy: e, conn: conn, field: field, turn: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (l *logger) lock()   { l.turn <- struct{}{} }
func (l *logger) unlock() { <-l.turn }

func (l *logger) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// add is Envoy's GrpcAccessLogger::log: no entry is taken while a full batch cannot leave.
func (l *logger) add(entry []byte) error {
	l.lock()
	defer l.unlock()
	limit := max(l.envoy.opts.BufferBytes, 1)
	var err error
	if l.isClosed() {
		err = errors.New("closed")
	} else if len(l.batch) >= limit {
		err = l.flushLocked()
	}
	if err != nil {
		l.envoy.lost.Add(1)
		return fmt.Errorf("cannot log: %w", err)
	}
	l.batch = protowire.AppendTag(l.batch, fieldLogEntry, protowire.BytesType)
	l.batch = protowire.AppendBytes(l.batch, entry)
	l.count++
	if len(l.batch) >= limit {
		l.flushLocked() // what cannot leave now stays for the next flush
	}
	return nil
}

func (l *logger) flush() {
	l.lock()
	defer l.unlock()
	if !l.isClosed() {
		l.flushLocked()
	}
}

// flushLocked sends the batch; on an error it is still there.
func (l *logger) flushLocked() error {
	if l.count == 0 {
		return nil
	}
	var message []byte
	message = protowire.AppendTag(message, l.field, protowire.BytesType)
	message = protowire.AppendBytes(message, l.batch)
	if err := l.send(message); err != nil {
		return err
	}
	l.envoy.entries.Add(l.count)
	l.batch, l.count = l.batch[:0], 0
	return nil
}

func (l *logger) sendRaw(message []byte) error {
	l.lock()
	defer l.unlock()
	if l.isClosed() {
		return errors.New("cannot send: closed")
	}
	return l.send(message)
}

// send hands a message to the stream, to a new one if there is none or it has ended.
func (l *logger) send(message []byte) error {
	var err error
	for range 2 { // a stream can end unseen: a send that fails has put nothing on the wire, so it may be repeated
		out := message
		if l.stream == nil || l.stream.isEnded() {
			if err := l.open(); err != nil {
				return err
			}
			if num, _, _ := protowire.ConsumeTag(message); num != fieldIdentifier {
				out = slices.Concat(l.envoy.identifier, message)
			}
		}
		if err = l.stream.SendMsg(out); err == nil {
			l.envoy.messages.Add(1)
			l.envoy.bytes.Add(uint64(len(out)))
			return nil
		}
		l.stream.cancel()
		l.stream = nil
	}
	return fmt.Errorf("cannot send: %w", err)
}

func (l *logger) open() error {
	ctx, cancel := context.WithCancel(l.envoy.life)
	s, err := l.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, alsMethod)
	if err != nil {
		cancel()
		return fmt.Errorf("cannot open a stream: %w", err)
	}
	l.stream = &stream{ClientStream: s, cancel: cancel, ended: make(chan struct{})}
	l.envoy.streams.Add(1)
	l.envoy.running.Go(l.stream.drain)
	return nil
}

// drain reads answers, which mean nothing, until the stream ends.
func (s *stream) drain() {
	defer close(s.ended)
	defer s.cancel()
	var answer []byte
	for s.RecvMsg(&answer) == nil {
	}
}

func (s *stream) isEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// close sends the rest, ends the stream and waits for the server's end of it. What is left is lost.
func (l *logger) close(ctx context.Context) {
	l.lock()
	defer l.unlock()
	if l.isClosed() {
		return
	}
	close(l.closed)
	if ctx.Err() == nil {
		l.flushLocked()
	}
	l.envoy.lost.Add(l.count)
	l.batch, l.count = nil, 0
	if l.stream == nil {
		return
	}
	l.stream.CloseSend()
	<-l.stream.ended // the server's end, or Envoy.kill by the context
}
