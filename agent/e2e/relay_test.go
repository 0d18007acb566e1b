package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// relay stands between all reporters of spans and Jaeger and records what it hands on. The official runtime decodes
// each request, so one that is not valid to the letter never gets in.
type relay struct {
	address string
	next    *grpc.ClientConn

	mu    sync.Mutex
	spans []*span
}

// span is one span with what stands above it in the request.
type span struct {
	*trace.Span
	Service  string // service.name
	Resource *resource.Resource
	Scope    *common.InstrumentationScope
}

func startRelay(t *testing.T, next string) *relay {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+next, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	listener := listen(t)
	r := &relay{address: listener.Addr().String(), next: conn}
	server := grpc.NewServer()
	serveTraces(server, r.export)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return r
}

func (r *relay) export(ctx context.Context, request *trace.TracesData) error {
	if err := sendTraces(ctx, r.next, request); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, flatten(request)...)
	return nil
}

// all gives the spans that have come so far.
func (r *relay) all() []*span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*span(nil), r.spans...)
}

// count gives the number of spans that do not come from one of these services.
func (r *relay) count(without ...string) int {
	n := 0
	for _, s := range r.all() {
		if !slices.Contains(without, s.Service) {
			n++
		}
	}
	return n
}

// report sends a span of a service that the test itself plays.
func (r *relay) report(service, name, kind string, c traceContext, id string, start, end time.Time) {
	s := &trace.Span{TraceId: unhex(c.Trace), ParentSpanId: unhex(c.Span), SpanId: unhex(id), Name: name,
		Kind: trace.Span_SpanKind(trace.Span_SpanKind_value["SPAN_KIND_"+kind]), StartTimeUnixNano: uint64(start.UnixNano()),
		EndTimeUnixNano: uint64(end.UnixNano()), Flags: 1}
	err := r.export(context.Background(), &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name",
			Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: service}}}}},
		ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{s}}}}}})
	if err != nil {
		panic(fmt.Sprintf("cannot report a span to Jaeger: %v", err)) // Jaeger has gone: no case can go on
	}
}

func flatten(req *trace.TracesData) []*span {
	var all []*span
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				all = append(all, &span{Span: s, Resource: rs.Resource, Scope: ss.Scope, Service: text(rs.Resource.GetAttributes(), "service.name")})
			}
		}
	}
	return all
}

// text gives an attribute as text, lists joined by commas, "" when it is not there.
func (s *span) text(key string) string { return text(s.Attributes, key) }

func text(attributes []*common.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key == key {
			return valueText(a.Value)
		}
	}
	return ""
}

func valueText(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *common.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *common.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	case *common.AnyValue_ArrayValue:
		var parts []string
		for _, e := range v.ArrayValue.Values {
			parts = append(parts, valueText(e))
		}
		return strings.Join(parts, ",")
	}
	return ""
}

func kindName(k trace.Span_SpanKind) string { return strings.TrimPrefix(k.String(), "SPAN_KIND_") }

func (s *span) trace() string  { return hex.EncodeToString(s.TraceId) }
func (s *span) id() string     { return hex.EncodeToString(s.SpanId) }
func (s *span) parent() string { return hex.EncodeToString(s.ParentSpanId) }

func unhex(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err) // ids come from digest or were checked by whoever sent them
	}
	return b
}
