package e2e

import (
	"context"
	"encoding/hex"
	"encoding/json"
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
	grpc, zipkin string // addresses

	mu       sync.Mutex
	spans    []ownSpan
	received int // the spans, and those that could not be read
	entries  int // likewise
	lengths  map[string]int64
}

// ownSpan is a span of Envoy itself.
type ownSpan struct {
	Hop, Trace, ID, Parent, Kind string
	Request                      string // name in its URL; only the span of the downstream request has one
	Start, End                   int64
	Events                       map[string]int64
}

func startSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{lengths: map[string]int64{}}
	rpc, zipkin := listen(t), listen(t)
	s.grpc, s.zipkin = rpc.Addr().String(), zipkin.Addr().String()
	calls := grpc.NewServer(grpc.ForceServerCodec(lenient{}))
	serveTraces(calls, s.export)
	als.RegisterAccessLogServiceServer(calls, s)
	go calls.Serve(rpc)
	t.Cleanup(calls.Stop)
	server := &http.Server{Handler: http.HandlerFunc(s.serveZipkin)}
	go server.Serve(zipkin)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++ // one span a request, see bootstrap.render
	for _, span := range flatten(request) {
		own := ownSpan{Hop: span.Service, Trace: hex.EncodeToString(span.TraceId), ID: hex.EncodeToString(span.SpanId),
			Parent: hex.EncodeToString(span.ParentSpanId), Kind: kindName(span.Kind), Request: nameOfURL(span.text("http.url")),
			Start: int64(span.StartTimeUnixNano), End: int64(span.EndTimeUnixNano), Events: map[string]int64{}}
		for _, e := range span.Events {
			own.Events[e.Name] = int64(e.TimeUnixNano)
		}
		s.spans = append(s.spans, own)
	}
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

func (s *sink) serveZipkin(w http.ResponseWriter, r *http.Request) {
	var spans []struct {
		TraceID       string
		ID            string
		ParentID      string
		Kind          string
		Timestamp     int64
		Duration      int64
		LocalEndpoint struct{ ServiceName string }
		Tags          map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&spans); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += len(spans)
	for _, z := range spans {
		s.spans = append(s.spans, ownSpan{Hop: z.LocalEndpoint.ServiceName, Trace: z.TraceID, ID: z.ID, Parent: z.ParentID,
			Kind: z.Kind, Request: nameOfURL(z.Tags["http.url"]), Start: z.Timestamp * 1000, End: (z.Timestamp + z.Duration) * 1000})
	}
	w.WriteHeader(http.StatusAccepted) // Envoy takes nothing else for success
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
