package filter

import (
	"fmt"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// userConditions are nine that a user wrote for a collector behind Contour.
var userConditions = []string{
	`IsMatch(attributes["upstream_cluster"], "grafana/.*")`,
	`IsMatch(attributes["upstream_cluster"], "tap-gui/.*")`,
	`IsMatch(attributes["upstream_cluster"], "appsso/.*")`,
	`IsMatch(attributes["http.url"], "https://grafana.*")`,
	`attributes["http.route"] == "/livez"`,
	`attributes["http.route"] == "/readyz"`,
	`attributes["user_agent.original"] == "kube-probe//"`,
	`attributes["user_agent"] == "Knative-Ingress-Probe"`,
	`name == "OperationHandler.handle"`,
}

func named(list ...string) (all []Condition) {
	for i, text := range list {
		all = append(all, Condition{fmt.Sprintf("span[%d]", i), text})
	}
	return all
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func textAttribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// envoySpan is a span as Envoy's OpenTelemetry tracer sends it.
func envoySpan() *tracepb.Span {
	s := &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), ParentSpanId: []byte("76543210"), Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_010_000_000}
	for _, kv := range [][2]string{{"node_id", "envoy-5b7c9d8f6d-x2x4z"}, {"zone", "eu-1a"}, {"guid:x-request-id", "0f4c1b5e-7c1d-9a8e-b2f3-5d6e7f809182"},
		{"http.url", "https://shop.example.com/api/v1/products?page=2"}, {"http.method", "GET"}, {"downstream_cluster", "-"},
		{"user_agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, {"http.protocol", "HTTP/2"}, {"peer.address", "10.1.2.3"},
		{"request_size", "0"}, {"response_size", "5120"}, {"component", "proxy"}, {"upstream_cluster", "apps/rest-service-00004/80/5a3cf1"},
		{"upstream_cluster.name", "apps_rest-service-00004_80"}, {"http.status_code", "200"}, {"response_flags", "-"}, {"podName", "envoy-x2x4z"}, {"podNamespace", "projectcontour"}} {
		s.Attributes = append(s.Attributes, textAttribute(kv[0], kv[1]))
	}
	return s
}

func BenchmarkLook(b *testing.B) {
	came, fromEntry := encoded(b, envoySpan()), madeSpan()
	fromEntry.Attributes[8], fromEntry.Attributes[10] = textAttribute("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"), textAttribute("envoy.upstream_cluster", "apps/rest-service-00004/80/5a3cf1")
	fromEntry.Attributes[5] = textAttribute("server.address", "shop.example.com")
	for _, run := range []struct {
		name string
		o    Options
	}{
		{"nine conditions", Options{Span: named(userConditions...)}},
		{"probes", Options{Presets: []string{"probes"}}},
		{"lazy", Options{Span: named(`IsRootSpan()`, `(end_time - start_time) < Duration("1ms")`)}},
		{"decoded", Options{Span: named(`Len(events) > 2`)}},
	} {
		for _, made := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/made=%t", run.name, made), func(b *testing.B) {
				f, err := New(run.o)
				if err != nil {
					b.Fatal(err)
				}
				e, span := f.Evaluator(), came
				if made {
					span = encoded(b, fromEntry)
				}
				b.ReportAllocs()
				for b.Loop() {
					if e.Look(span, nil, nil, made) != Keep {
						b.Fatal("dropped")
					}
				}
			})
		}
	}
}
