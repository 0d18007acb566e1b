package traces

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/alspan/alspan/internal/rawgrpc"
)

// Register makes s answer the services of OTLP on g, which must use rawgrpc.Codec.
func (s *Server) Register(g *grpc.Server) {
	const prefix = "opentelemetry.proto.collector."
	for service, export := range map[string]func(context.Context, *rawgrpc.Message) (rawgrpc.Sender, error){
		"trace.v1.TraceService":     s.exportTraces,
		"metrics.v1.MetricsService": s.exportOther(Metrics),
		"logs.v1.LogsService":       s.exportOther(Logs),
	} {
		handler := func(_ any, stream grpc.ServerStream) error {
			var raw rawgrpc.Message
			defer raw.Free()
			if err := s.receive(stream, &raw); err != nil {
				return err
			}
			reply, err := export(stream.Context(), &raw)
			if err != nil {
				return err
			}
			return stream.SendMsg(reply)
		}
		g.RegisterService(&grpc.ServiceDesc{ServiceName: prefix + service,
			Streams: []grpc.StreamDesc{{StreamName: "Export", Handler: handler, ClientStreams: true}}}, nil)
	}
}

// receive receives a request. The methods are unary, but registered as if a client could send more than one message: on the
// wire that is the same, and what to answer to a call with none or two is ours to say.
func (s *Server) receive(stream grpc.ServerStream, raw *rawgrpc.Message) error {
	if err := stream.RecvMsg(raw); err != nil {
		return s.unread(err)
	}
	if n := len(raw.Bytes()); n > s.opts.Limit {
		s.Refused[TooLarge].Add(1)
		return status.Errorf(codes.ResourceExhausted, "the request has %d bytes, more than %d (receive.limits.request)", n, s.opts.Limit)
	}
	var second rawgrpc.Message
	defer second.Free()
	if err := stream.RecvMsg(&second); !errors.Is(err, io.EOF) {
		return s.unread(err)
	}
	return nil
}

// unread counts a request that could not be received. The transport has answered all but io.EOF and nil already; it calls
// broken compression an internal error.
func (s *Server) unread(err error) error {
	switch {
	case err == nil:
		s.Refused[Malformed].Add(1)
		return status.Error(codes.InvalidArgument, "the call has more than one message")
	case errors.Is(err, io.EOF):
		s.Refused[Malformed].Add(1)
		return status.Error(codes.InvalidArgument, "the call has no message")
	}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		s.Refused[TooLarge].Add(1)
	case codes.Unimplemented:
		s.Refused[Unsupported].Add(1)
	case codes.Internal:
		s.Refused[Malformed].Add(1)
	}
	return err
}

func (s *Server) exportTraces(ctx context.Context, raw *rawgrpc.Message) (rawgrpc.Sender, error) {
	x := s.sessions.Get().(*session)
	s.received(GRPC, len(raw.Bytes()))
	v := s.take(x, raw.Bytes(), nil, rawgrpc.From(ctx))
	s.sessions.Put(x)
	return v.reply()
}

func (s *Server) exportOther(signal Signal) func(context.Context, *rawgrpc.Message) (rawgrpc.Sender, error) {
	return func(ctx context.Context, raw *rawgrpc.Message) (rawgrpc.Sender, error) {
		v := s.takeOther(signal, raw.Bytes(), rawgrpc.From(ctx))
		return v.reply()
	}
}

// reply gives what a call is answered with.
func (v *verdict) reply() (rawgrpc.Sender, error) {
	switch {
	case v.Refused && v.Why.code() == codes.Unavailable:
		return nil, unavailable[v.Why]
	case v.Refused:
		return nil, status.Error(v.Why.code(), v.sentence())
	}
	if b := v.protobuf(); b != nil {
		return rawgrpc.Encoded(b), nil
	}
	return rawgrpc.Empty{}, nil
}

// again is when a sender that was not served may try again.
const again = time.Second

var unavailable = map[Refusal]error{Full: newUnavailable(Full), Stopping: newUnavailable(Stopping)}

func newUnavailable(why Refusal) error {
	s, err := status.New(codes.Unavailable, refusalTexts[why]).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(again)})
	if err != nil {
		panic(err) // it has one detail, and is not OK
	}
	return s.Err()
}
