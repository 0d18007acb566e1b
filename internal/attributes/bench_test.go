package attributes

import (
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// usualSpan has the 18 attributes that Envoy's spans have in a mesh.
func usualSpan(t testing.TB) []byte {
	s := &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"), Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_100_000_000, Status: &tracepb.Status{}}
	s.Attributes = pairs("node_id", "sidecar~10.0.0.1~shop-5f7d9c-abcde.default~default.svc.cluster.local", "zone", "eu-west-1a", "guid:x-request-id", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
		"http.url", "http://shop.example:8080/cart/items?limit=20", "http.method", "GET", "downstream_cluster", "-", "user_agent", "Mozilla/5.0 (X11; Linux x86_64)", "http.protocol", "HTTP/1.1",
		"peer.address", "10.0.0.7", "request_size", "0", "response_size", "1234", "component", "proxy", "upstream_cluster", "inbound|8080||", "upstream_cluster.name", "inbound|8080||;",
		"http.status_code", "200", "response_flags", "-", "istio.canonical_service", "shop", "istio.mesh_id", "cluster.local")
	return encoded(t, s)
}

// usualRules are such as operators have, and what of them is not to allocate.
var usualRules = []struct {
	name      string
	actions   []Action
	redaction Redaction
	allocates bool
}{
	{name: "one upsert", actions: []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}}},
	{name: "three constants", actions: []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}, {Action: "insert", Key: "env", Value: "prod"}, {Action: "insert", Key: "shard", Value: int64(7)}}},
	{name: "nothing to change", actions: []Action{{Action: "delete", Key: "password"}, {Action: "upsert", Key: "zone", Value: "eu-west-1a"}}},
	{name: "five mixed", actions: []Action{{Action: "upsert", Key: "cluster", Value: "sandbox"}, {Action: "delete", Key: "node_id"}, {Action: "hash", Key: "user_agent"},
		{Action: "insert", Key: "peer.copy", FromAttribute: "peer.address"}, {Action: "convert", Key: "http.status_code", ConvertedType: "int"}}},
	{name: "delete by pattern", actions: []Action{{Action: "delete", Pattern: `^istio\.`}}},
	{name: "extract", actions: []Action{{Action: "extract", Key: "http.url", Pattern: `^\w+://(?P<host>[^/:]+)`}}, allocates: true},
	{name: "mask nothing", redaction: Redaction{BlockedValues: []string{`4[0-9]{12}(?:[0-9]{3})?`, `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`}}},
	{name: "mask two", redaction: Redaction{BlockedValues: []string{`4[0-9]{12}(?:[0-9]{3})?`, `10\.0\.0\.[0-9]+`}}, allocates: true},
	{name: "mask by key", redaction: Redaction{BlockedKeyPatterns: []string{".*token.*", ".*agent.*"}}, allocates: true},
}

func BenchmarkSpan(b *testing.B) {
	span := usualSpan(b)
	room := make([]byte, len(span), 2*len(span))
	for _, c := range usualRules {
		b.Run(c.name, func(b *testing.B) {
			e := compiled(b, c.actions, c.redaction).e
			b.SetBytes(int64(len(span)))
			b.ReportAllocs()
			for b.Loop() {
				copy(room, span)
				e.Span(room)
			}
		})
	}
}
