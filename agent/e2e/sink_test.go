package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// sink takes what Envoy reports to others than the agent: the spans of its tracers, and a second copy of its access log.
type sink struct {
	als.UnimplementedAccessLogServiceServer
	grpc, web string // addresses

	mu       sync.Mutex
	spans    []ownSpan
	received int // the spans, and those that could not be read
	requests int // of tracers, over HTTP
	failed   []error
	entries  int // likewise
	lengths  map[string]int64
}

// ownSpan is a span of Envoy itself.
type ownSpan struct {
	Hop, Trace, ID, Parent, Kind, Name string
	Request                            string // name in its URL; only the span of the downstream request has one
	Start, End                         int64
	Events                             map[string]int64
	Code                               int64             // 0 is none
	Tags                               map[string]string // Zipkin
	raw                                *trace.Span       // OTLP
}

func startSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{lengths: map[string]int64{}}
	rpc, web := listen(t), listen(t)
	s.grpc, s.web = rpc.Addr().String(), web.Addr().String()
	calls := grpc.NewServer(grpc.ForceServerCodec(lenient{}))
	serveTraces(calls, s.export)
	als.RegisterAccessLogServiceServer(calls, s)
	go calls.Serve(rpc)
	t.Cleanup(calls.Stop)
	server := &http.Server{Handler: http.HandlerFunc(s.answering)}
	go server.Serve(web)
	t.Cleanup(func() { server.Close() })
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *sink) export(_ context.Context, request *trace.TracesData) error {
	body, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	spans, n, _ := readOTLP(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += max(n, 1) // one that could not be read is one span, see bootstrap.render
	s.spans = append(s.spans, spans...)
	return nil
}

// StreamAccessLogs keeps what no text log tells: how long a request took, in nanoseconds.
func (s *sink) StreamAccessLogs(stream als.AccessLogService_StreamAccessLogsServer) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.entries++ // one entry a message, see bootstrap.copy
		for _, e := range message.GetHttpLogs().GetLogEntry() {
			c := e.CommonProperties
			s.lengths[passKey(c.StartTime.AsTime().UnixNano(), int64(e.Response.GetResponseCode().GetValue()))] = int64(c.Duration.AsDuration())
		}
		s.mu.Unlock()
	}
}

func passKey(start, code int64) string { return fmt.Sprint(start, " ", code) }

// length gives how long a pass took, 0 if its entry could not be read.
func (s *sink) length(r record) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lengths[passKey(r.startNano(), r.Code)]
}

// lenient reads a message that is not valid, as Envoy sends them, as an empty one.
type lenient struct{}

func (lenient) Marshal(v any) ([]byte, error) { return proto.Marshal(v.(proto.Message)) }
func (lenient) Name() string                  { return "proto" }

func (lenient) Unmarshal(data []byte, v any) error {
	message := v.(proto.Message)
	if proto.Unmarshal(data, message) != nil {
		proto.Reset(message)
	}
	return nil
}

// count gives the number of spans and entries that have come.
func (s *sink) count() (spans, entries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received, s.entries
}

// of gives the spans of a request: those of its passes, and the children of these.
func (s *sink) of(request string) (passes, children []ownSpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]bool{}
	for _, span := range s.spans {
		if span.Request == request {
			passes = append(passes, span)
			ids[span.Trace+span.ID] = true
		}
	}
	for _, span := range s.spans {
		if span.Request == "" && ids[span.Trace+span.Parent] {
			children = append(children, span)
		}
	}
	return passes, children
}

func nameOfURL(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	_, path, _ := strings.Cut(rest, "/")
	return nameOf("/" + path)
}
