package e2e

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// serveTraces registers an OTLP trace service. trace.TracesData has the same bytes as ExportTraceServiceRequest, whose
// package would bring a gateway with it; the answer "full success" is an empty message.
func serveTraces(server *grpc.Server, export func(context.Context, *trace.TracesData) error) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
		Methods: []grpc.MethodDesc{{MethodName: "Export",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				request := new(trace.TracesData)
				if err := decode(request); err != nil {
					return nil, err
				}
				return new(emptypb.Empty), export(ctx, request)
			}}},
	}, nil)
}

// sendTraces exports to an OTLP trace service.
func sendTraces(ctx context.Context, conn *grpc.ClientConn, request *trace.TracesData) error {
	return conn.Invoke(ctx, exportMethod, request, new(emptypb.Empty))
}
