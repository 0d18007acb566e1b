package parity

import (
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// sdkSpans are those of services: a shop in Go with the conventions of today, and others with those of before.
func sdkSpans() []*tracepb.ResourceSpans {
	return []*tracepb.ResourceSpans{goSpans(), javaSpans(), nodeSpans(), pythonSpans()}
}

func goSpans() *tracepb.ResourceSpans {
	rs := from(resource("service.name", "checkout", "service.namespace", "shop",
		"service.version", "1.14.2", "service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09",
		"deployment.environment.name", "production", "k8s.namespace.name", "shop", "k8s.pod.name", "checkout-6c9fd-x2x4q",
		"k8s.deployment.name", "checkout",
		"k8s.pod.uid", "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff", "host.name", "node-7", "host.ip", []any{"10.0.0.7", "fe80::1"}, "process.pid", 1,
		"os.type", "linux",
		"telemetry.sdk.language", "go", "telemetry.sdk.name", "opentelemetry", "telemetry.sdk.version", "1.36.0"),
		by("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.61.0",
			root(span("GET /cart/{id}", Server, 19*ms, "http.request.method", "GET", "url.path", "/cart/17", "url.scheme", "https", "http.route", "/cart/{id}",
				"http.response.status_code", 200, "server.address", "checkout.shop", "server.port", 8080,
				"client.address", "192.168.1.20", "network.protocol.version", "2", "user_agent.original", "Mozilla/5.0", "http.response.body.size", 5120)),
			failed(span("POST /orders", Server, 1200*ms, "http.request.method", "POST", "url.path", "/orders", "http.route", "/orders",
				"http.response.status_code", 500, "error.type", "500",
				"server.address", "checkout.shop", "server.port", 8080, "enduser.id", "u-4711",
				"http.request.body.size", 740), "order 17 of customer 4711 failed"),
			span("GET /health", Server, ms, "http.request.method", "GET", "url.path", "/health", "http.response.status_code", 200,
				"user_agent.original", "kube-probe/1.30"),
			span("GET /health", Server, 2*ms, "http.request.method", "GET", "url.path", "/health", "http.response.status_code", 503, "error.type", "503"),
			span("GET", Client, 400*ms, "http.request.method", "GET", "url.full", "https://api.example:8443/v2/rates?token=s3cret#top",
				"http.response.status_code", 429, "http.request.resend_count", 2, "server.address", "api.example", "server.port", 8443)),
		by("go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc", "0.61.0",
			span("grpc.health.v1.Health/Check", Server, ms, "rpc.system", "grpc", "rpc.service", "grpc.health.v1.Health", "rpc.method", "Check",
				"rpc.grpc.status_code", 0),
			failed(span("pb.Payment/Charge", Client, 500*ms, "rpc.system", "grpc", "rpc.service", "pb.Payment", "rpc.method", "Charge",
				"rpc.grpc.status_code", 14), "unavailable")),
		by("github.com/shop/db", "",
			span("SELECT orders", Client, 3*ms, "db.system.name", "postgresql", "db.query.text", "SELECT * FROM orders WHERE id = $1",
				"db.namespace", "shop", "db.operation.name", "SELECT", "db.response.returned_rows", 1),
			ok(span("redis.ping", Client, ms/2, "db.system.name", "redis", "db.query.text", "PING"))),
		by("app", "1.14.2",
			with(span("reserve stock", Internal, 250*ms, "app.items", 3, "app.total", 59.97, "app.express", true,
				"app.skus", []any{"a-1", "b-2", "c-3"}), withEvents),
			span("publish order", Producer, 4*ms, "messaging.system", "kafka", "messaging.destination.name", "orders",
				"messaging.operation.type", "publish", "messaging.kafka.offset", 42),
			with(span("process order", Consumer, 9*ms, "messaging.system", "kafka", "messaging.destination.name", "orders",
				"messaging.operation.type", "process"), withLinks)))
	rs.SchemaUrl = "https://opentelemetry.io/schemas/1.37.0"
	rs.ScopeSpans[0].SchemaUrl = "https://opentelemetry.io/schemas/1.34.0"
	rs.ScopeSpans[3].Scope.Attributes, rs.ScopeSpans[3].Scope.DroppedAttributesCount = attrs("team", "orders", "tier", 1), 2
	return rs
}

// withEvents gives s what an exception leaves, and a message.
func withEvents(s *tracepb.Span) {
	at := s.StartTimeUnixNano
	s.Events = []*tracepb.Span_Event{
		{Name: "exception", TimeUnixNano: at + 1000, Attributes: attrs("exception.type", "*errors.errorString", "exception.message", "sold out",
			"exception.escaped", false)},
		{Name: "message", TimeUnixNano: at + 2000, Attributes: attrs("message.type", "SENT", "message.id", 1)},
		{Name: "message", TimeUnixNano: at + 3000, Attributes: attrs("message.type", "RECEIVED", "message.id", 2), DroppedAttributesCount: 3},
		{Name: "", TimeUnixNano: 0, Attributes: attrs("k", object{"deep", "x"})},
	}
	s.DroppedEventsCount, s.DroppedAttributesCount = 5, 1
}

// withLinks gives s two links.
func withLinks(s *tracepb.Span) {
	s.Links = []*tracepb.Span_Link{
		{TraceId: id("0af7651916cd43dd8448eb211c80319c"), SpanId: id("b7ad6b7169203331"), TraceState: "vendor=1",
			Attributes: attrs("link.kind", "batch"), Flags: 1},
		{TraceId: id(orderTrace), SpanId: id(orderSpan)},
	}
	s.DroppedLinksCount = 1
}

func javaSpans() *tracepb.ResourceSpans {
	return from(resource("service.name", "frontend", "deployment.environment", "staging", "k8s.namespace.name", "web", "k8s.pod.name", "frontend-0",
		"host.name", "node-8",
		"container.id", "4f1c", "process.command_args", []any{"java", "-jar", "app.jar"}, "telemetry.sdk.language", "java",
		"telemetry.auto.version", "1.32.0", "cluster", "staging-1"),
		by("io.opentelemetry.tomcat-10.0", "1.32.0-alpha",
			root(span("GET /actuator/health", Server, 2*ms, "http.method", "GET", "http.target", "/actuator/health", "http.status_code", 200,
				"http.scheme", "http", "net.host.name", "frontend", "net.host.port", 8080, "http.user_agent", "kube-probe/1.27", "thread.id", 41,
				"thread.name", "http-nio-8080-exec-1")),
			root(span("GET /owners/{ownerId}", Server, 90*ms, "http.method", "GET", "http.target", "/owners/7?full=true",
				"http.route", "/owners/{ownerId}", "http.status_code", 200, "http.response_content_length", 2048, "net.peer.ip", "10.1.2.3")),
			failed(root(span("POST /owners", Server, 1500*ms, "http.method", "POST", "http.target", "/owners", "http.status_code", 500,
				"enduser.email", "jane@example.com")), "java.lang.IllegalStateException"),
			root(span("OPTIONS /owners", Server, ms, "http.method", "OPTIONS", "http.target", "/owners", "http.status_code", 204))),
		by("io.opentelemetry.spring-webmvc-6.0", "1.32.0-alpha",
			span("OwnerController.showOwner", Internal, 80*ms, "code.function", "showOwner", "code.namespace", "org.example.OwnerController")),
		by("io.opentelemetry.jdbc", "1.32.0-alpha",
			span("SELECT petclinic.owners", Client, 6*ms, "db.system", "mysql",
				"db.statement", "select * from owners where name = 'Müller' and card = '4111 1111 1111 1111'", "db.name", "petclinic", "db.user", "root",
				"net.peer.name", "db", "net.peer.port", 3306),
			span("SELECT petclinic", Client, ms, "db.system", "mysql", "db.statement", "SELECT 1", "db.name", "petclinic"),
			failed(span("INSERT petclinic.pets", Client, 45*ms, "db.system", "mysql", "db.statement", "INSERT INTO pets VALUES (?, ?)",
				"db.name", "petclinic"), "Duplicate entry")),
		by("io.opentelemetry.kafka-clients-2.6", "1.32.0-alpha",
			span("visits send", Producer, 2*ms, "messaging.system", "kafka", "messaging.destination", "visits", "messaging.destination_kind", "topic",
				"messaging.kafka.partition", 3)))
}

func nodeSpans() *tracepb.ResourceSpans {
	return from(resource("service.name", "web-ui", "service.namespace", "shop", "k8s.namespace.name", "shop", "deployment.environment", "production",
		"telemetry.sdk.language", "nodejs", "process.runtime.version", "20.11.1"),
		by("@opentelemetry/instrumentation-fs", "0.10.0",
			span("fs readFileSync", Internal, ms/4), span("fs statSync", Internal, ms/10)),
		by("@opentelemetry/instrumentation-express", "0.36.0",
			span("middleware - query", Internal, ms/20, "express.name", "query", "express.type", "middleware"),
			span("request handler - /", Internal, 3*ms, "express.name", "/", "express.type", "request_handler", "http.route", "/")),
		by("@opentelemetry/instrumentation-http", "0.49.1",
			root(span("GET", Server, 8*ms, "http.method", "GET", "http.url", "https://shop.example/favicon.ico", "http.target", "/favicon.ico",
				"http.status_code", 304, "http.status_text", "NOT MODIFIED", "http.flavor", "1.1")),
			span("HTTP GET", Client, 6*ms, "http.method", "GET", "http.url", "http://169.254.169.254/latest/meta-data", "http.status_code", 401,
				"net.peer.ip", "169.254.169.254")),
		by("@opentelemetry/instrumentation-dns", "0.34.0", span("dns.lookup", Internal, ms)))
}

func pythonSpans() *tracepb.ResourceSpans {
	return from(resource("service.name", "assistant", "k8s.namespace.name", "ai", "k8s.pod.labels.app", "assistant", "deployment.environment", "dev",
		"telemetry.sdk.language", "python", "odigos.io/workload", "assistant"),
		by("opentelemetry.instrumentation.openai.v1", "0.33.12",
			span("openai.chat", Client, 2300*ms, "gen_ai.system", "openai", "gen_ai.request.model", "gpt-4o", "gen_ai.usage.input_tokens", 812,
				"gen_ai.usage.output_tokens", 93, "gen_ai.request.temperature", 0.7,
				"gen_ai.prompt.0.content", "My card is 4111-1111-1111-1111, mail me at joe@example.com", "llm.is_streaming", false)),
		by("opentelemetry.instrumentation.celery", "0.46b0",
			root(inState("ot=th:8;rv:9b2c6e1d0f3a57,vendor@acme=t61rcWkgMzE", span("run/tasks.cleanup", Consumer, 40*time.Second,
				"celery.action", "run", "celery.state", "SUCCESS", "messaging.message.id", "c1d2", "celery.retries", 0, "sampling.priority", 1)))),
		by("opentelemetry.instrumentation.asgi", "0.46b0",
			inState("congo=ucfJifl5GOE,rojo=00f067aa0ba902b7", span("GET /chat http send", Internal, ms,
				"asgi.event.type", "http.response.start", "http.status_code", 200)),
			inState("not a state,=,", span("GET /chat http receive", Internal, ms, "asgi.event.type", "http.request", "sampling.priority", 0))))
}
