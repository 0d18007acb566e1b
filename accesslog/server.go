// Package accesslog takes Envoy's gRPC access-log streams (envoy/service/accesslog/v3/als.proto), OTLP log records and JSON lines,
// and gives messages whose entries are borrowed views. A record or a line is encoded as the entry that a stream would have, so that all that
// follows knows one form only.
//
// A stream is never answered while it runs: Envoy ignores replies. Envoy keeps a stream open for ever, even past a
// GOAWAY, so streams are ended here, right after a message, when its next flush is furthest away.
package accesslog

import (
	"errors"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// Consumer takes the messages of one stream, one after the other, on the stream's goroutine. A message and all that it
// gives are valid during the call.
type Consumer func(*Message)

// Server is the receiver. Its gRPC server must use rawgrpc.Codec.
type Server struct {
	open  func(from netip.Addr) Consumer
	most  int
	drain chan struct{}
	cut   chan struct{}

	mu     sync.Mutex // guards closed, and busy against a stream that opens while Cut waits
	closed bool
	busy   sync.WaitGroup

	// Streams is the number of open streams, Messages counts what was received, Refused what could not be read.
	Streams  atomic.Int64
	Messages atomic.Int64
	Refused  [ledger.NumMessageRefusals]atomic.Int64
}

// NewServer makes a receiver that calls open for each new stream with the address of its sender. A message may have most
// bytes; the gRPC server, which has other services too, may take larger ones.
func NewServer(open func(from netip.Addr) Consumer, most int) *Server {
	return &Server{open: open, most: most, drain: make(chan struct{}), cut: make(chan struct{})}
}

// Register makes s answer StreamAccessLogs on g.
func (s *Server) Register(g *grpc.Server) {
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "envoy.service.accesslog.v3.AccessLogService",
		Streams:     []grpc.StreamDesc{{StreamName: "StreamAccessLogs", Handler: s.stream, ClientStreams: true}},
		Metadata:    "envoy/service/accesslog/v3/als.proto",
	}, nil)
}

// Drain makes every stream end right after its next message. To be called once.
func (s *Server) Drain() { close(s.drain) }

// Cut ends the streams that are still open, those that have been idle since Drain, and waits until the message that one
// of them may be in has been consumed. To be called once.
func (s *Server) Cut() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.cut)
	s.busy.Wait()
}

// enter counts a stream as busy, false after Cut.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.busy.Add(1)
	}
	return !s.closed
}

// stream serves one stream. Only the return of the handler unblocks a receive, so that the receiving has a goroutine of
// its own, which also consumes.
func (s *Server) stream(_ any, ss grpc.ServerStream) error {
	if !s.enter() {
		return status.Error(codes.Unavailable, "alspan is stopping")
	}
	s.Streams.Add(1)
	defer s.Streams.Add(-1)
	ended := make(chan error, 1)
	go func() {
		defer s.busy.Done()
		ended <- s.receive(ss, s.open(rawgrpc.From(ss.Context())))
	}()
	select {
	case err := <-ended:
		return err
	case <-s.cut:
		return nil
	}
}

func (s *Server) receive(ss grpc.ServerStream, consume Consumer) error {
	var raw rawgrpc.Message
	defer raw.Free()
	for {
		if err := ss.RecvMsg(&raw); err != nil {
			return s.ended(ss, err)
		}
		if n := len(raw.Bytes()); n > s.most {
			return s.ended(ss, status.Errorf(codes.ResourceExhausted, "the message has %d bytes, more than %d (receive.limits.message)", n, s.most))
		}
		s.Messages.Add(1)
		m := NewMessage(raw.Bytes())
		consume(&m)
		if m.Truncated() {
			s.Refused[ledger.MessageTruncated].Add(1)
		}
		if m.Nobody() {
			s.Refused[ledger.MessageIdentifier].Add(1)
		}
		raw.Free()
		select {
		case <-s.drain:
			return nil
		default:
		}
	}
}

// ended tells how a stream is closed after a receive failed.
func (s *Server) ended(ss grpc.ServerStream, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		// The sender has closed its side, as other clients than Envoy do: only now is a reply due.
		return ss.SendMsg(rawgrpc.Empty{})
	case status.Code(err) == codes.ResourceExhausted:
		s.Messages.Add(1)
		s.Refused[ledger.MessageTooLarge].Add(1)
	}
	return err
}
