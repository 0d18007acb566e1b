package attributes

import (
	"fmt"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func stringAttribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// usualSpan is one with 18 attributes, as Envoy sends it.
func usualSpan(tb testing.TB) []byte {
	s := &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"), Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_100_000_000, Status: &tracepb.Status{}}
	for _, kv := range [][2]string{{"node_id", "sidecar~10.0.0.1~shop-5f7d9c-abcde.default~default.svc.cluster.local"}, {"zone", "eu-west-1a"}, {"guid:x-request-id", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"},
		{"http.url", "http://shop.example:8080/cart/items?limit=20"}, {"http.method", "GET"}, {"downstream_cluster", "-"}, {"user_agent", "Mozilla/5.0 (X11; Linux x86_64)"}, {"http.protocol", "HTTP/1.1"},
		{"peer.address", "10.0.0.7"}, {"request_size", "0"}, {"response_size", "1234"}, {"component", "proxy"}, {"upstream_cluster", "inbound|8080||"}, {"upstream_cluster.name", "inbound|8080||;"},
		{"http.status_code", "200"}, {"response_flags", "-"}, {"istio.canonical_service", "shop"}, {"istio.mesh_id", "cluster.local"}} {
		s.Attributes = append(s.Attributes, stringAttribute(kv[0], kv[1]))
	}
	b, err := proto.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkSpan(b *testing.B) {
	for _, c := range []struct {
		name    string
		actions []Action
		redact  Redaction
	}{
		{"one upsert", []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}}, Redaction{}},
		{"three constants", []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}, {Action: "insert", Key: "env", Value: "prod"}, {Action: "insert", Key: "shard", Value: int64(7)}}, Redaction{}},
		{"five mixed", []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}, {Action: "delete", Key: "node_id"}, {Action: "hash", Key: "user_agent"},
			{Action: "insert", Key: "peer.copy", FromAttribute: "peer.address"}, {Action: "convert", Key: "http.status_code", ConvertedType: "int"}}, Redaction{}},
		{"delete by pattern", []Action{{Action: "delete", Pattern: `^istio\.`}}, Redaction{}},
		{"mask, nothing to mask", nil, Redaction{BlockedValues: []string{`4[0-9]{12}(?:[0-9]{3})?`, `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`}}},
		{"mask keys and values", nil, Redaction{BlockedValues: []string{`4[0-9]{12}(?:[0-9]{3})?`, `10\.0\.0\.[0-9]+`}, BlockedKeyPatterns: []string{".*token.*", ".*agent.*"}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			a, err := New(c.actions, c.redact)
			if err != nil {
				b.Fatal(err)
			}
			e := a.Editor()
			span := usualSpan(b)
			room := make([]byte, len(span), 2*len(span))
			b.SetBytes(int64(len(span)))
			b.ReportAllocs()
			for b.Loop() {
				copy(room, span)
				e.Span(room)
			}
		})
	}
	b.Run("copy", func(b *testing.B) {
		span := usualSpan(b)
		room := make([]byte, len(span))
		fmt.Fprint(nil2{}, len(room))
		for b.Loop() {
			copy(room, span)
		}
	})
}

type nil2 struct{}

func (nil2) Write(b []byte) (int, error) { return len(b), nil }
