package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/internal/rawgrpc"
)

const (
	alsMethod  = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
	otlpMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

	writeBuffer  = 256 << 10
	openTimeout  = 10 * time.Second
	closeTimeout = 10 * time.Second
)

// encoded is a message that is already bytes.
type encoded struct {
	bytes *[]byte
	pool  *buffers.Pool
}

// Buffers gives the bytes to the transport, which puts them back into the pool.
func (e encoded) Buffers() mem.BufferSlice { return mem.BufferSlice{mem.NewBuffer(e.bytes, e.pool)} }

func dial(ctx context.Context, o *Options, p *buffers.Pool) (sender, error) {
	if o.Protocol == Raw {
		c, err := (&net.Dialer{Timeout: openTimeout}).DialContext(ctx, "tcp", o.To)
		if err != nil {
			return nil, fmt.Errorf("cannot connect: %w", err)
		}
		return &rawSender{c, p}, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+o.To, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()})),
		grpc.WithWriteBufferSize(writeBuffer), grpc.WithReadBufferSize(4<<10))
	if err != nil {
		return nil, fmt.Errorf("cannot make a client: %w", err)
	}
	if o.Protocol == OTLP {
		return &otlpSender{conn, p}, nil
	}
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, alsMethod, grpc.WaitForReady(true))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot open a stream: %w", err)
	}
	return &alsSender{conn, s, p}, nil
}

type alsSender struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	pool   *buffers.Pool
}

func (s *alsSender) send(_ context.Context, m *[]byte) error {
	err := s.stream.SendMsg(encoded{m, s.pool})
	if errors.Is(err, io.EOF) { // the server has ended the stream and says why
		if cause := s.stream.RecvMsg(new(rawgrpc.Message)); cause != nil {
			return fmt.Errorf("the server ended the stream: %w", cause)
		}
	}
	return err
}

func (s *alsSender) close() error {
	defer s.conn.Close()
	if err := s.stream.CloseSend(); err != nil {
		return fmt.Errorf("cannot end a stream: %w", err)
	}
	timer := time.AfterFunc(closeTimeout, func() { s.conn.Close() })
	defer timer.Stop()
	var answer rawgrpc.Message
	for {
		err := s.stream.RecvMsg(&answer)
		answer.Free()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot end a stream: %w", err)
		}
	}
}

type otlpSender struct {
	conn *grpc.ClientConn
	pool *buffers.Pool
}

func (s *otlpSender) send(ctx context.Context, m *[]byte) error {
	var answer rawgrpc.Message
	defer answer.Free()
	return s.conn.Invoke(ctx, otlpMethod, encoded{m, s.pool}, &answer, grpc.WaitForReady(true))
}

func (s *otlpSender) close() error { return s.conn.Close() }

type rawSender struct {
	conn net.Conn
	pool *buffers.Pool
}

func (s *rawSender) send(_ context.Context, m *[]byte) error {
	defer s.pool.Put(m)
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(*m)))
	pieces := net.Buffers{size[:], *m}
	_, err := pieces.WriteTo(s.conn)
	return err
}

func (s *rawSender) close() error { return s.conn.Close() }
