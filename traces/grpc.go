package traces

import (
	"context"
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
		"metrics.v1.MetricsService": s.exportUnwanted(Metrics),
		"logs.v1.LogsService":       s.exportUnwanted(Logs),
	} {
		handler := func(_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var raw rawgrpc.Message
			defer raw.Free()
			if err := s.receive(receive, &raw); err != nil {
				return nil, err
			}
			return export(ctx, &raw)
		}
		g.RegisterService(&grpc.ServiceDesc{ServiceName: prefix + service, Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: handler}}}, nil)
	}
}

// receive receives a request. The transport calls all that it cannot read an error of the server.
func (s *Server) receive(receive func(any) error, raw *rawgrpc.Message) error {
	err := receive(raw)
	switch status.Code(err) {
	case codes.OK:
		if n := len(raw.Bytes()); n > s.opts.Limit {
			s.Refused[TooLarge].Add(1)
			return status.Errorf(codes.ResourceExhausted, "the request has %d bytes, more than %d (receive.limits.request)", n, s.opts.Limit)
		}
	case codes.ResourceExhausted:
		s.Refused[TooLarge].Add(1)
	case codes.Unimplemented:
		s.Refused[Unsupported].Add(1)
	case codes.Internal:
		s.Refused[Malformed].Add(1)
		return status.Error(codes.InvalidArgument, "cannot read the request: "+status.Convert(err).Message())
	}
	return err
}

func (s *Server) exportTraces(ctx context.Context, raw *rawgrpc.Message) (rawgrpc.Sender, error) {
	x := s.sessions.Get().(*session)
	s.received(GRPC, len(raw.Bytes()))
	v := s.take(x, raw.Bytes(), nil, rawgrpc.From(ctx))
	s.sessions.Put(x)
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

func (s *Server) exportUnwanted(signal Signal) func(context.Context, *rawgrpc.Message) (rawgrpc.Sender, error) {
	return func(ctx context.Context, raw *rawgrpc.Message) (rawgrpc.Sender, error) {
		s.unwanted(signal, len(raw.Bytes()), rawgrpc.From(ctx))
		return rawgrpc.Empty{}, nil
	}
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
