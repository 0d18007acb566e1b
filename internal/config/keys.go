package config

import (
	"slices"
	"time"
)

// declare gives a Config that holds the defaults, and the tree of all its keys, which point into it.
func declare() (*Config, *node) {
	c := new(Config)
	return c, section("", "",
		c.Receive.declare(),
		c.Correlate.declare(),
		c.Spans.declare(),
		c.Pods.declare(),
		c.Metrics.declare(),
		c.Filter.declare(),
		c.Sample.declare(),
		c.Attributes.declare(),
		c.Resource.declare(),
		c.Redaction.declare(),
		c.Export.declare(),
		c.Admin.declare(),
		c.Log.declare(),
	)
}

func (r *Receive) declare() *node {
	return section("receive", "How access logs and spans come in.",
		section("grpc", "The listener for Envoy's access log service (ALS) and for spans as OTLP, both over gRPC. It takes OTLP over HTTP as well.",
			key("address", &r.GRPC.Address, ":4317", "Where it listens.", checked("host:port", address))),
		section("als", "One more listener with the same services.",
			key("address", &r.ALS.Address, "", "For control planes that want a port of its own for ALS, often `:9001`.",
				checked("host:port, or empty for off", orOff(address)))),
		section("http", "The listener for OTLP over HTTP, in protobuf or JSON, at `/v1/traces`, `/v1/metrics` and `/v1/logs`. It takes gRPC as well, with the same services. "+
			"A connection over HTTP/2 is either gRPC or OTLP over HTTP, so an Envoy that sends both needs a cluster for each.",
			key("address", &r.HTTP.Address, ":4318", "Where it listens.", checked("host:port, or empty for off", orOff(address)))),
		section("zipkin", "The listener for spans as Zipkin v2, in JSON or protobuf, at any path, usually `/api/v2/spans`.",
			key("address", &r.Zipkin.Address, ":9411", "Where it listens.", checked("host:port, or empty for off", orOff(address)))),
		key("records", &r.Records, "entries",
			"What becomes of OTLP log records that are Envoy's access log (`envoy.access_loggers.open_telemetry`): `entries` of an access log, "+
				"or `forward`, like all other logs.",
			oneOf("entries", "forward")),
		r.Files.declare(),
		key("fields", &r.Fields, map[string]string{},
			"What the values in JSON lines and log records are, by the names that they have there; members of an object within are `object.member`. The names that "+
				"Contour, Envoy Gateway and Istio use, and those of the fields themselves, are known; where a log has several, the one that is told here counts. `request_header.NAME`, "+
				"`response_header.NAME` and `tag.NAME` are a header and a custom tag of that name.",
			keyed("name in the log", notEmpty), checked("field, such as request_id", logField)),
		section("tls", "TLS of all these listeners. Without a certificate they are plaintext.",
			key("cert_file", &r.TLS.CertFile, "", "Certificate chain, PEM. Needs `key_file`.", checked("file name", nil)),
			key("key_file", &r.TLS.KeyFile, "", "Private key of `cert_file`, PEM.", checked("file name", nil)),
			key("client_ca_file", &r.TLS.ClientCAFile, "",
				"Certificate authorities, PEM. When set, every client must show a certificate that one of them signed.",
				checked("file name", nil))),
		section("limits", "What clients may send.",
			key("message", &r.Limits.Message, 16*MiB,
				"Largest message of access logs after decompression. A larger one ends its stream and is counted.",
				between(64*KiB, 256*MiB)),
			key("request", &r.Limits.Request, 64*MiB,
				"Largest request, OTLP or Zipkin, after decompression. A larger one is refused and counted.",
				between(64*KiB, 256*MiB)),
			key("streams", &r.Limits.Streams, 250, "Streams that one connection may have open.", between(1, 10000)),
			key("connections", &r.Limits.Connections, 2048,
				"Connections that may be open at a time; an Envoy has one for each worker thread. Further ones are closed at once and counted.",
				between(1, 1000000))),
		key("other_signals", &r.OtherSignals, "forward",
			"What becomes of OTLP metrics and logs, which senders often have for the same address. `forward` sends them on to `export.endpoint`, "+
				"with pod detail; `drop` takes and drops them.",
			oneOf("forward", "drop")))
}

var traceHeaders = []string{"traceparent", "x-b3", "b3", "uber-trace-id", "x-datadog", "x-amzn-trace-id", "x-cloud-trace-context",
	"x-ot-span-context", "ot-tracer", "grpc-trace-bin"}

func (c *Correlate) declare() *node {
	return section("correlate", "How the place of a request in its trace is found.",
		key("headers", &c.Headers, slices.Clone(traceHeaders),
			"Trace headers to read, best first: W3C, B3 in several headers, B3 in one, Jaeger, Datadog, AWS X-Ray, Google Cloud, LightStep, "+
				"OpenTracing, OpenCensus. They must be among the headers that Envoy's access log is told to log; a name stands for all headers "+
				"of the format.",
			oneOf(traceHeaders...)),
		key("header_span_id", &c.HeaderSpanID, map[string]string{},
			"Whose span the logged trace header names, by log name: `parent` is the caller's, `own` is Envoy's span of this "+
				"request, `upstream` is the one that Envoy sent on. Only for loggers of which you know it; without an entry "+
				"it is worked out from the access log.",
			keyed("log name", notEmpty), oneOf("parent", "own", "upstream")),
		section("id_tags", "Custom tags of the access log that carry the ids of Envoy's own span.",
			key("trace_id", &c.IDTags.TraceID, []string{"trace_id", "tid"},
				"Names of tags with the value `%TRACE_ID%`. The first that is present counts.", checked("tag names", notEmpty)),
			key("span_id", &c.IDTags.SpanID, []string{"span_id", "sid"},
				"Names of tags with the value `%SPAN_ID%`. The first that is present counts.", checked("tag names", notEmpty))),
		key("start_memory", &c.StartMemory, 4*MiB,
			"Memory for what the log entries of a request's start teach about its caller, until the request ends.",
			between(64*KiB, 1*GiB)),
		key("wait", &c.Wait, 8*time.Second,
			"How long the log entry of a request that may have been traced waits for the span of Envoy's own tracer. Envoy exports spans "+
				"by the five, or after 5 s. Entries of an Envoy whose spans do not come here stop waiting.",
			between(0, time.Minute)),
		key("span_wait", &c.SpanWait, 2500*time.Millisecond,
			"How long Envoy's span waits for the log entry of its request. Envoy writes entries within 1 s.", between(0, time.Minute)),
		key("unpaired", &c.Unpaired, "child",
			"What becomes of the entry of a sampled request without its span, when others of the same log have met theirs: the span "+
				"is lost, or another agent has it. `child` makes an internal span below it, with all the detail; `span` makes a "+
				"server span, which may be a second one for its request; `drop` drops and counts it.",
			oneOf("child", "span", "drop")),
		key("memory", &c.Memory, 16*MiB,
			"Memory for entries and spans that wait for each other. When it is full, those that have waited longest go out as they are.",
			between(1*MiB, 4*GiB)))
}

func (s *Spans) declare() *node {
	return section("spans", "What the spans contain.",
		key("events", &s.Events, true, "Write the timings of a request as span events, each at its exact nanosecond."),
		key("upstream", &s.Upstream, "auto",
			"The second span, of kind CLIENT, for the request to the upstream. `auto` makes it where something can hang below it.",
			oneOf("auto", "always", "never")),
		key("request_headers", &s.RequestHeaders, []string{},
			"Request headers that become attributes `http.request.header.<name>`. Envoy must be told to log them.",
			checked("header names", headerName)),
		key("response_headers", &s.ResponseHeaders, []string{},
			"Response headers and trailers that become attributes `http.response.header.<name>`. Envoy must be told to log them.",
			checked("header names", headerName)),
		key("baggage", &s.Baggage, []string{},
			"Keys of the request header `baggage` (W3C) whose values become attributes `baggage.<key>`, at most 64. Their case counts. Baggage "+
				"may hold personal data. Envoy must be told to log the header.",
			checked("baggage keys", baggageKey)),
		key("redact_query", &s.RedactQuery, []string{
			"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "sig",
			"X-Goog-Signature", "access_token", "id_token", "refresh_token", "token", "api_key", "apikey", "password",
			"secret", "client_secret"},
			"Query parameters whose value is replaced by `REDACTED`. A list here replaces the default list; `[]` redacts nothing.",
			checked("parameter names", notEmpty)),
		key("max_value", &s.MaxValue, 4*KiB, "Longest text of one attribute. A longer one is cut and counted.", between(64, 32*KiB)),
		key("tcp", &s.TCP, false, "Make spans of finished TCP and UDP connections too (Envoy 1.27 and later)."))
}

func (p *Pods) declare() *node {
	return section("pods", "What spans say of pods and services, from the API server of Kubernetes. Only `list` and `watch` are asked of it, for "+
		"`pods` and `endpointslices`.",
		key("enabled", &p.Enabled, "auto",
			"Whether pods are looked up. `auto` does in a cluster, `on` refuses to start elsewhere.", oneOf("auto", "on", "off")),
		key("node", &p.Node, "",
			"The node whose pods are watched whole: labels, owners, containers. Empty is the environment variable `NODE_NAME`.", checked("name", nil)),
		key("watch", &p.Watch, "node",
			"Of which pods more is known than names and addresses: those of this `node`, or of the whole `cluster`, which takes about "+
				"1 KiB for each pod. EndpointSlices tell of the others.",
			oneOf("node", "cluster")),
		key("kubeconfig", &p.Kubeconfig, "", "How to reach the API server from outside of the cluster.", checked("file name", nil)),
		key("cluster", &p.Cluster, "", "The attribute `k8s.cluster.name`. Nothing in a cluster knows its name.", checked("name", nil)),
		key("labels", &p.Labels, []string{},
			"Labels of pods that become attributes `k8s.pod.label.<key>` of the resource. A `*` at the end stands for any end.", checked("keys", notEmpty)),
		key("annotations", &p.Annotations, []string{},
			"Annotations of pods that become attributes `k8s.pod.annotation.<key>`. Those that begin with `resource.opentelemetry.io/` "+
				"always become attributes, named after what follows.",
			checked("keys", notEmpty)),
		key("app_labels", &p.AppLabels, false,
			"Name services after the labels `app.kubernetes.io/instance` or `name`, and their versions after `app.kubernetes.io/version`."),
		key("peers", &p.Peers, true,
			"Say who was on the other side: `service.peer.name`, `peer.service`, `envoy.upstream.pod` and so on."))
}

func (e *Export) declare() *node {
	return section("export", "Where spans go: an OpenTelemetry collector or backend that speaks OTLP over gRPC.",
		key("endpoint", &e.Endpoint, "http://otel-collector:4317",
			"The collector. The scheme decides: `https://` is TLS, `http://` or none is plaintext. It has a port and no path. "+
				"Port 4318 is usually OTLP over HTTP, which is not what is sent.",
			checked("URL without a path, or host:port", endpoint), fromEnv("ENDPOINT")),
		key("compression", &e.Compression, "none",
			"Compression of requests. It costs more than everything else together, so leave it off inside a cluster.",
			oneOf("none", "gzip"), fromEnv("COMPRESSION")),
		key("timeout", &e.Timeout, 10*time.Second, "How long one request may take. The environment gives milliseconds.",
			between(10*time.Millisecond, 10*time.Minute), fromEnv("TIMEOUT")),
		key("headers", &e.Headers, map[string]string{},
			"Headers of every request, such as a tenant or a token. The environment gives `name=value,name=value` with "+
				"percent-encoded values.",
			keyed("header name", metadataName), checked("printable text", metadataValue), fromEnv("HEADERS")),
		section("tls", "TLS of the connection. In the file it needs an `https://` endpoint.",
			key("ca_file", &e.TLS.CAFile, "", "Certificate authorities, PEM; empty uses those of the system.",
				checked("file name", nil), fromEnv("CERTIFICATE")),
			key("cert_file", &e.TLS.CertFile, "", "Certificate that we show, PEM. Needs `key_file`.",
				checked("file name", nil), fromEnv("CLIENT_CERTIFICATE")),
			key("key_file", &e.TLS.KeyFile, "", "Private key of `cert_file`, PEM.",
				checked("file name", nil), fromEnv("CLIENT_KEY")),
			key("server_name", &e.TLS.ServerName, "", "Name that the collector's certificate must have; empty is the host of the endpoint.",
				checked("host name", nil)),
			key("insecure_skip_verify", &e.TLS.InsecureSkipVerify, false,
				"Do not check the collector's certificate. For trials only: anybody in between can read along.")),
		section("batch", "When a batch is sent: at the first of these limits.",
			key("bytes", &e.Batch.Bytes, 768*KiB, "Size of a request before compression. Collectors refuse more than 4MiB by default.",
				between(64*KiB, 4*MiB)),
			key("spans", &e.Batch.Spans, 8192, "Number of spans. Whole chunks of at most 64KiB are sent, so a request may have some more.", between(1, 100000)),
			key("age", &e.Batch.Age, 200*time.Millisecond, "Age of the oldest span.", between(time.Millisecond, time.Minute))),
		key("memory", &e.Memory, 16*MiB,
			"Memory for all batches, waiting and in flight. Long before it is full, entries are shed by value: above 75 % those "+
				"whose trace is not sampled, above 90 % all but failed requests. Half as much again may be in use for spans "+
				"larger than 64KiB, and for what a broken connection still holds.",
			between(1*MiB, 16*GiB)),
		key("other_memory", &e.OtherMemory, 8*MiB,
			"Memory for requests with metrics and logs, waiting and in flight, beside `memory`. When it is full their senders are asked to try "+
				"again. A quarter of it is kept for each of the two, so a request may have three quarters.",
			between(1*MiB, 1*GiB)),
		key("when_full", &e.WhenFull, "drop",
			"What happens when the memory is full. `drop` counts and drops the newest spans, so that Envoy is never held up. "+
				"`wait` sheds and drops nothing: it stops reading, and Envoy drops entries when its own buffer is full.",
			oneOf("drop", "wait")),
		key("logs", &e.Logs, false,
			"Send each access-log entry as an OTLP log record, too, with the trace id and the span id of its span. Sampling does not hold for "+
				"log records, filters do."),
		key("logs_memory", &e.LogsMemory, 8*MiB,
			"Memory for batches of log records. When it is full, the newest are counted and dropped; spans are not held up. Half as much again may "+
				"be in use for what a broken connection still holds.",
			between(1*MiB, 1*GiB)),
		key("senders", &e.Senders, 2, "Requests in flight at one time.", between(1, 64)),
		section("retry", "What happens to a batch that the collector did not take. The pause doubles from `initial` to `max`.",
			key("initial", &e.Retry.Initial, time.Second, "First pause.", between(10*time.Millisecond, time.Minute)),
			key("max", &e.Retry.Max, 30*time.Second, "Longest pause.", between(10*time.Millisecond, time.Hour)),
			key("give_up", &e.Retry.GiveUp, 5*time.Minute,
				"When a batch is dropped and counted, from its first attempt. `0s` never tries again.", between(0, 24*time.Hour))),
		key("drain", &e.Drain, 10*time.Second,
			"How long a stop may take to send what is there. Keep it below the pod's termination grace period.",
			between(0, 10*time.Minute)))
}

func (a *Admin) declare() *node {
	return section("admin", "The agent's own HTTP side.",
		key("address", &a.Address, ":9464", "Where metrics and health are served.", checked("host:port, or empty for off", orOff(address))),
		key("pprof", &a.Pprof, "", "Where Go profiles are served, for example `localhost:6060`.",
			checked("loopback host:port, or empty for off", orOff(loopbackAddress))))
}

func (l *Log) declare() *node {
	return section("log", "The agent's own log, on standard error.",
		key("level", &l.Level, "info", "The least severe message that is written.", oneOf("debug", "info", "warn", "error")),
		key("format", &l.Format, "text", "One line of text or one JSON object a message.", oneOf("text", "json")))
}
