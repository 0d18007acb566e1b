package parity

import (
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// envoySpans are those of three Envoys: an edge, one behind Contour, and a sidecar of Istio. All tags are text.
func envoySpans() []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{
		from(resource("service.name", "edge.gateway", "k8s.namespace.name", "projectcontour", "k8s.pod.name", "envoy-x7k2p",
			"cluster", "prod-eu-1", "telemetry.sdk.language", "cpp", "telemetry.sdk.name", "envoy", "telemetry.sdk.version", "1.31.0"),
			by("envoy", "1.31.0",
				root(proxied("ingress", Server, 48*ms, "GET", "https://shop.example/orders?page=2", "200", "-", "user_agent", "Mozilla/5.0 (X11; Linux x86_64)")),
				root(proxied("ingress", Server, ms, "GET", "http://10.0.3.4:8080/healthz", "200", "-", "user_agent", "kube-probe/1.30")),
				root(proxied("ingress", Server, ms, "GET", "http://10.0.3.4:8080/ready", "200", "-", "user_agent", "GoogleHC/1.0")),
				root(proxied("ingress", Server, 2*ms, "GET", "http://10.0.3.4:9090/metrics", "200", "-", "user_agent", "Prometheus/2.51.0")),
				root(proxied("ingress", Server, 12*ms, "POST", "https://shop.example/api/v1/orders", "404", "NR", "user_agent", "curl/8.5.0")),
				failed(proxied("ingress", Server, 30*ms, "POST", "https://shop.example/api/v1/orders", "503", "UH", "error", "true"), ""),
				failed(proxied("ingress", Server, 15*time.Second, "GET", "https://shop.example/slow", "504", "UT", "error", "true"), ""),
				proxied("ingress", Server, 3*time.Hour, "GET", "wss://shop.example/socket", "101", "-"),
				proxied("ingress", Server, 700*ms, "GET", "https://shop.example/img", "0", "DC"),
				proxied("router shop_default_8080 egress", Client, 40*ms, "GET", "https://shop.example/orders", "200", "-", "upstream_cluster", "shop/default/8080"),
			)),
		from(resource("service.name", "checkout.shop", "k8s.namespace.name", "shop", "k8s.pod.name", "checkout-6c9fd-x2x4q",
			"k8s.container.name", "istio-proxy", "cluster", "prod-eu-1"),
			by("envoy", "1.30.2",
				proxied("checkout.shop.svc.cluster.local:8080/*", Server, 20*ms, "GET", "http://checkout.shop:8080/cart/17", "200", "-", istio...),
				failed(proxied("checkout.shop.svc.cluster.local:8080/*", Server, 21*ms, "PUT", "http://checkout.shop:8080/cart/17", "500", "-",
					append(istio, "error", "true")...), "upstream"),
				proxied("outbound|9000||payment.shop.svc.cluster.local", Client, 18*ms, "POST", "http://payment.shop:9000/pb.Payment/Charge", "200", "-",
					"grpc.path", "/pb.Payment/Charge", "grpc.status_code", "0", "grpc.message", "", "grpc.timeout", "500m"),
				failed(proxied("outbound|9000||payment.shop.svc.cluster.local", Client, 501*ms, "POST", "http://payment.shop:9000/pb.Payment/Charge", "200", "UF,URX",
					"grpc.path", "/pb.Payment/Charge", "grpc.status_code", "14", "grpc.message", "upstream connect error", "error", "true"), ""),
			)),
		from(resource("service.name", "egress-gateway", "k8s.namespace.name", "kube-system"),
			by("", "",
				root(proxied("egress internal.example", Client, 5*ms, "HEAD", "http://internal.example/livez", "204", "-")),
			)),
	}
}

var istio = []any{"istio.canonical_service", "checkout", "istio.canonical_revision", "v2",
	"istio.mesh_id", "cluster.local", "istio.namespace", "shop"}

// proxied is a span as Envoy's tracer makes it; further tags are names and values in turns.
func proxied(name string, kind tracepb.Span_SpanKind, took time.Duration, method, url, code, flags string, further ...any) *tracepb.Span {
	s := span(name, kind, took, append([]any{
		"component", "proxy", "node_id", "sidecar~10.0.3.4~envoy-x7k2p.edge~edge.svc.cluster.local", "zone", "eu-central-1a",
		"guid:x-request-id", "6f1c1a2e-9c5e-9f0a-8d1c-2b7d2c8b1a11", "http.url", url, "http.method", method, "downstream_cluster", "-",
		"http.protocol", "HTTP/2", "peer.address", "10.0.7.21", "request_size", "0", "response_size", "1432",
		"http.status_code", code, "response_flags", flags, "upstream_address", "10.0.9.13:8080",
	}, further...)...)
	s.Flags = 0x101
	return s
}
