package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// pathOf names a request.
func pathOf(lane, n int) string { return fmt.Sprintf("/lane/%d/%d", lane, n) }

func numbersOf(path string) (lane, n int, err error) {
	if parts := strings.Split(path, "/"); len(parts) == 4 {
		lane, err = strconv.Atoi(parts[2])
		if err == nil {
			n, err = strconv.Atoi(parts[3])
		}
		return lane, n, err
	}
	return 0, 0, fmt.Errorf("path %q is of no lane", path)
}

// entryOf gives the entry of a request; the odd ones are for grafana or from a probe.
func entryOf(lane, n int) *alsdata.HTTPAccessLogEntry {
	path := pathOf(lane, n)
	cluster, agent := "shop/web/80", "e2e/1.0"
	if n%4 == 1 {
		cluster = grafana
	} else if n%4 == 3 {
		agent = "Knative-Ingress-Probe"
	}
	host := &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{Address: "10.0.0.9",
		PortSpecifier: &core.SocketAddress_PortValue{PortValue: 8080}}}}
	return &alsdata.HTTPAccessLogEntry{
		CommonProperties: &alsdata.AccessLogCommon{StartTime: timestamppb.Now(), Duration: durationpb.New(time.Millisecond),
			AccessLogType: alsdata.AccessLogType_DownstreamEnd, UpstreamCluster: cluster, UpstreamRemoteAddress: host},
		Request: &alsdata.HTTPRequestProperties{RequestMethod: core.RequestMethod_GET, Scheme: "http", Authority: "shop.example", Path: path,
			UserAgent: agent, RequestId: uuid(path),
			RequestHeaders: map[string]string{"traceparent": "00-" + digest(16, "trace", path) + "-" + digest(8, "span", path) + "-01"}},
		Response: &alsdata.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(200)},
	}
}

// spanOf gives the span of an application about a request; the odd ones are of a probe.
func spanOf(lane, n int) *trace.TracesData {
	path := pathOf(lane, n)
	now, route := uint64(time.Now().UnixNano()), "/lane"
	if n%2 == 1 {
		route = "/livez"
	}
	attribute := func(key, value string) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
	}
	return &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
		TraceId: unhex(digest(16, "trace", path)), SpanId: unhex(digest(8, "span", path)), Name: "GET", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: now - 1e6, EndTimeUnixNano: now,
		Attributes: []*common.KeyValue{attribute("url.path", path), attribute("http.route", route)},
	}}}}}}}
}
