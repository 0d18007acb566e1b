package e2e

import (
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Clusters as control planes name them: one that works, one where nobody listens and one without a host.
const grafana, tapGUI, appSSO = "grafana/web/80", "tap-gui/web/80", "appsso/web/80"

// m is a piece of an Envoy configuration.
type m = map[string]any

// bootstrap is what distinguishes one Envoy of the tests from another.
type bootstrap struct {
	envoyFlags
	Name   string // node cluster and log name: "edge", "mid"
	Silent bool   // the agent gets no access log
	Exact  bool   // this Envoy knows %SPAN_ID% (1.38+)
	Stdout io.Writer
	Change func(manager m) // of the configuration of the connection manager; nil: none

	// Addresses of the peers; of OTLP there may be several, divided by spaces.
	Lines                                                                     string // file of the JSON access log
	Agent, Agent2, Sink, OTLP, OTLPWeb, Zipkin, App, Unix, Mirror, Next, Dead string
}

// loggedHeaders are those that the documentation tells users to log.
func loggedHeaders() []string {
	return []string{"traceparent", "tracestate", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
		"x-b3-flags", "b3", "x-request-id", "content-type"}
}

// render gives the whole configuration. Besides what the agent sees, each Envoy writes its own account of every
// request to the file records and sends a copy of its access log to a sink that the agent does not know.
func (b bootstrap) render(records string) m {
	runtime := m{}
	if !b.DefaultFlush {
		// each span in a request of its own: one with bad bytes costs the sink no other
		for _, tracer := range []string{"opentelemetry", "zipkin"} {
			runtime["tracing."+tracer+".min_flush_spans"] = 1
			runtime["tracing."+tracer+".flush_interval_ms"] = 100
		}
	}
	listener := m{"name": b.Name, "address": socket("127.0.0.1:0"),
		"filter_chains": []m{{"filters": []m{extension("envoy.filters.network.http_connection_manager",
			"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", b.manager(records))}}}}
	if slices.Contains(b.Outbound, b.Name) {
		listener["traffic_direction"] = "OUTBOUND"
	}
	return m{
		"node":            m{"id": b.node(b.Name), "cluster": b.Name},
		"admin":           m{"address": socket("127.0.0.1:0")},
		"layered_runtime": m{"layers": []m{{"name": "static", "static_layer": runtime}}},
		"static_resources": m{
			"listeners": []m{listener},
			"clusters": []m{
				cluster("als", b.Agent, true), cluster("als2", b.Agent2, true), cluster("sink", b.Sink, true),
				cluster("otlp", b.OTLP, true), cluster("otlp-http", b.OTLPWeb, false), cluster("zipkin", b.Zipkin, false),
				cluster("app", b.App, false), cluster("app-h2", b.App, true), cluster("mirror", b.Mirror, false),
				cluster("next", b.Next, false), cluster("dead", b.Dead, false), cluster("empty", "", false),
				cluster("unix", b.Unix, false), cluster(grafana, b.App, false), cluster(tapGUI, b.Dead, false), cluster(appSSO, "", false),
			},
		},
	}
}

func (b bootstrap) manager(records string) m {
	h := m{
		"stat_prefix":                  b.Name,
		"access_log":                   append(b.accessLogs(), b.account(records), b.copy()),
		"generate_request_id":          true,
		"preserve_external_request_id": true, // so that cases can send their own
		"max_request_headers_kb":       96,
		"upgrade_configs":              []m{{"upgrade_type": "websocket"}},
		"http_filters": []m{extension("envoy.filters.http.router",
			"envoy.extensions.filters.http.router.v3.Router", b.router(records))},
		"route_config": m{"name": b.Name, "virtual_hosts": []m{{"name": "all", "domains": []string{"*"}, "routes": routes()}}},
	}
	if b.HTTP10 {
		h["http_protocol_options"] = m{"accept_http_10": true}
	}
	if b.StartEntries {
		h["access_log_options"] = m{"flush_access_log_on_new_request": true}
	}
	if b.Tracing != "" {
		h["tracing"] = b.tracing()
	}
	if b.Change != nil {
		b.Change(h)
	}
	return h
}

// router logs each attempt to all who get the access log.
func (b bootstrap) router(records string) m {
	if !b.Attempts {
		return m{}
	}
	return m{"upstream_log": append(b.accessLogs(), b.account(records), b.copy())}
}

// accessLogs are the logs that the agent gets.
func (b bootstrap) accessLogs() []m {
	if b.Silent {
		return nil
	}
	var all []m
	if b.form(formALS) || len(b.Forms) == 0 {
		all = b.streams()
	}
	if b.form(formRecords) {
		all = append(all, b.recordLog())
	}
	if b.inFiles() {
		all = append(all, b.lineLog())
	}
	return all
}

// streams are the logs that come by ALS.
func (b bootstrap) streams() []m {
	if len(b.Logs) == 0 {
		all := []m{b.accessLog(b.Name)}
		if b.Agent2 != "" {
			all = append(all, b.accessLogTo("als2", b.Name))
		}
		return all
	}
	var all []m
	for _, name := range b.Logs {
		all = append(all, b.accessLog(name))
	}
	return all
}

func (b bootstrap) accessLog(name string) m { return b.accessLogTo("als", name) }

func (b bootstrap) accessLogTo(cluster, name string) m {
	common := b.stream(cluster)
	common["log_name"] = name
	if !b.DefaultFlush {
		common["buffer_flush_interval"] = "0.1s"
	}
	if b.IDTags {
		common["custom_tags"] = []m{{"tag": "trace_id", "value": "%TRACE_ID%"}, {"tag": "span_id", "value": "%SPAN_ID%"}}
	}
	if b.BareHeaders || slices.Contains(b.BareLogs, name) {
		return extension(httpGRPC, httpGRPCType, m{"common_config": common})
	}
	return extension(httpGRPC, httpGRPCType, m{
		"common_config":                       common,
		"additional_request_headers_to_log":   loggedHeaders(),
		"additional_response_headers_to_log":  []string{"content-type", "grpc-status"},
		"additional_response_trailers_to_log": []string{"grpc-status", "grpc-message"},
	})
}

// copy is the same log for the sink, each entry in a message of its own.
func (b bootstrap) copy() m {
	common := b.stream("sink")
	common["buffer_size_bytes"] = 0
	return extension(httpGRPC, httpGRPCType, m{"common_config": common})
}

const (
	httpGRPC     = "envoy.access_loggers.http_grpc"
	httpGRPCType = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
)

func (b bootstrap) stream(cluster string) m {
	return m{"log_name": b.Name, "transport_api_version": "V3", "grpc_service": m{"envoy_grpc": m{"cluster_name": cluster}}}
}

func (b bootstrap) tracing() m {
	sampling := 100.0
	if b.Sampling != nil {
		sampling = *b.Sampling
	}
	spawn := b.Spawn && !strings.HasPrefix(b.Nodes[b.Name], "sidecar~") // as in Istio, where only gateways do
	t := m{"random_sampling": m{"value": sampling}, "spawn_upstream_span": spawn, "verbose": true}
	if b.NoPropagation {
		t["no_context_propagation"] = true
	}
	switch b.Tracing {
	case "otel":
		config := m{"service_name": b.Name}
		if b.OTLPHTTP {
			config["http_service"] = m{"http_uri": m{"uri": "http://alspan/v1/traces", "cluster": "otlp-http", "timeout": "2s"}}
		} else {
			config["grpc_service"] = m{"envoy_grpc": m{"cluster_name": "otlp"}, "timeout": "20s"}
		}
		t["provider"] = extension("envoy.tracers.opentelemetry", "envoy.config.trace.v3.OpenTelemetryConfig", config)
	case "zipkin":
		version := "HTTP_JSON"
		if b.ZipkinProto {
			version = "HTTP_PROTO"
		}
		t["provider"] = extension("envoy.tracers.zipkin", "envoy.config.trace.v3.ZipkinConfig", m{
			"collector_cluster": "zipkin", "collector_endpoint": "/api/v2/spans", "collector_endpoint_version": version,
			"shared_span_context": b.Shared, "trace_id_128bit": true})
	}
	return t
}

// routes has one route for each way in which a request can go.
func routes() []m {
	to := func(prefix, cluster string, more m) m {
		action := m{"cluster": cluster}
		for k, v := range more {
			action[k] = v
		}
		return m{"name": prefix, "match": m{"prefix": "/" + prefix + "/"}, "route": action}
	}
	return []m{
		to("ok", "app", nil),
		{"name": "direct", "match": m{"prefix": "/direct/"}, "direct_response": m{"status": 418}},
		{"name": "gone", "match": m{"prefix": "/gone/"}, "redirect": m{"host_redirect": "example.org"}},
		to("nohost", "empty", nil),
		to("refused", "dead", nil),
		to("slow", "app", m{"timeout": "0.4s"}),
		to("flaky", "app", m{"retry_policy": m{"retry_on": "5xx", "num_retries": 3, "retry_back_off": m{"base_interval": "0.005s"}}}),
		to("impatient", "app", m{"retry_policy": m{"retry_on": "5xx", "num_retries": 3, "per_try_timeout": "0.4s",
			"retry_back_off": m{"base_interval": "0.005s"}}}),
		to("unix", "unix", nil),
		to("redirect", "app", m{"internal_redirect_policy": m{"redirect_response_codes": []int{302}}}),
		to("mirror", "app", m{"request_mirror_policies": []m{{"cluster": "mirror"}}}),
		to("next", "next", nil),
		to("lab.Echo", "app-h2", nil),
		to("grafana", grafana, m{"retry_policy": m{"retry_on": "5xx", "num_retries": 2, "retry_back_off": m{"base_interval": "0.005s"}}}),
		to("tap-gui", tapGUI, nil),
		to("appsso", appSSO, nil),
		to("livez", "app", nil),
	}
}

// cluster is a cluster of the hosts in a list divided by spaces.
func cluster(name, address string, h2 bool) m {
	c := m{"name": name, "type": "STATIC", "connect_timeout": "0.5s"}
	assignment := m{"cluster_name": name}
	var hosts []m
	for host := range strings.FieldsSeq(address) {
		hosts = append(hosts, m{"endpoint": m{"address": socket(host)}})
	}
	if len(hosts) > 0 {
		assignment["endpoints"] = []m{{"lb_endpoints": hosts}}
	}
	c["load_assignment"] = assignment
	if h2 {
		const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
		c["typed_extension_protocol_options"] = m{options: m{"@type": "type.googleapis.com/" + options,
			"explicit_http_config": m{"http2_protocol_options": m{}}}}
	}
	return c
}

func extension(name, kind string, config m) m {
	config["@type"] = "type.googleapis.com/" + kind
	return m{"name": name, "typed_config": config}
}

// socket is the address of a host and port, or of a Unix domain socket.
func socket(address string) m {
	if strings.HasPrefix(address, "/") {
		return m{"pipe": m{"path": address}}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // a mistake of the test
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	return m{"socket_address": m{"address": host, "port_value": number}}
}
