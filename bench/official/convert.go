package official

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

var errNoContext = errors.New("cannot make a span: no valid traceparent was logged")

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

func decimal(key string, value time.Duration) *common.KeyValue {
	ms := float64(value) / float64(time.Millisecond)
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: ms}}}
}

// resourceOf makes the resource of one stream.
func resourceOf(i *als.StreamAccessLogsMessage_Identifier) *resource.Resource {
	node := i.GetNode()
	return &resource.Resource{Attributes: []*common.KeyValue{
		text("service.name", node.GetCluster()), text("envoy.node.id", node.GetId()), text("envoy.node.cluster", node.GetCluster()),
		text("cloud.region", node.GetLocality().GetRegion()), text("cloud.availability_zone", node.GetLocality().GetZone()),
	}}
}

// Span makes a SERVER span of a finished request, with about the attributes that alspan writes.
func Span(e *alsdata.HTTPAccessLogEntry, logName string, events bool) (*tracepb.Span, error) {
	trace, parent, err := callerOf(e.GetRequest().GetRequestHeaders()["traceparent"])
	if err != nil {
		return nil, err
	}
	c, request, response := e.GetCommonProperties(), e.GetRequest(), e.GetResponse()
	start := c.GetStartTime().AsTime()
	method := request.GetRequestMethod().String()
	s := &tracepb.Span{
		TraceId: trace, ParentSpanId: parent, SpanId: spanID(trace, parent, request.GetRequestId()), Flags: 1,
		Name: method, Kind: tracepb.Span_SPAN_KIND_SERVER, Status: &tracepb.Status{},
		StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(start.Add(c.GetDuration().AsDuration()).UnixNano()),
	}
	code := response.GetResponseCode().GetValue()
	path, query, _ := strings.Cut(request.GetPath(), "?")
	a := []*common.KeyValue{
		text("http.request.method", method), number("http.response.status_code", int64(code)),
		text("url.scheme", request.GetScheme()), text("url.path", path), text("url.query", query),
		text("server.address", request.GetAuthority()), text("user_agent.original", request.GetUserAgent()),
		text("network.protocol.version", strings.TrimPrefix(e.GetProtocolVersion().String(), "HTTP")),
		number("http.request.body.size", int64(request.GetRequestBodyBytes())), number("http.response.body.size", int64(response.GetResponseBodyBytes())),
		text("envoy.upstream_cluster", c.GetUpstreamCluster()), text("envoy.route_name", c.GetRouteName()),
		text("envoy.response_code_details", response.GetResponseCodeDetails()), text("envoy.request_id", request.GetRequestId()),
		text("envoy.log_name", logName), number("envoy.attempts", int64(c.GetUpstreamRequestAttemptCount())),
		decimal("envoy.upstream_duration_ms", c.GetTimeToLastUpstreamRxByte().AsDuration()-c.GetTimeToFirstUpstreamTxByte().AsDuration()),
		decimal("envoy.overhead_ms", c.GetTimeToFirstUpstreamTxByte().AsDuration()),
	}
	a = appendAddress(a, "client.", c.GetDownstreamRemoteAddress())
	a = appendAddress(a, "network.peer.", c.GetDownstreamDirectRemoteAddress())
	a = appendAddress(a, "envoy.upstream_", c.GetUpstreamRemoteAddress())
	for name, value := range c.GetCustomTags() {
		a = append(a, text("envoy.tag."+name, value))
	}
	if c.GetTlsProperties() != nil {
		a = append(a, text("tls.protocol.name", "tls"), text("tls.protocol.version", "1.3"))
	}
	if code >= 500 {
		s.Status.Code = tracepb.Status_STATUS_CODE_ERROR
		a = append(a, text("error.type", "5xx"), text("envoy.response_flags", "URX"))
	}
	s.Attributes = a
	if events {
		s.Events = timings(c, start)
	}
	return s, nil
}

func appendAddress(a []*common.KeyValue, prefix string, from *core.Address) []*common.KeyValue {
	s := from.GetSocketAddress()
	return append(a, text(prefix+"address", s.GetAddress()), number(prefix+"port", int64(s.GetPortValue())))
}

// timings gives the eight moments of a request.
func timings(c *alsdata.AccessLogCommon, start time.Time) (events []*tracepb.Span_Event) {
	for _, at := range []struct {
		name string
		d    *durationpb.Duration
	}{
		{"last_downstream_rx_byte_received", c.GetTimeToLastRxByte()},
		{"first_upstream_tx_byte_sent", c.GetTimeToFirstUpstreamTxByte()}, {"last_upstream_tx_byte_sent", c.GetTimeToLastUpstreamTxByte()},
		{"first_upstream_rx_byte_received", c.GetTimeToFirstUpstreamRxByte()}, {"last_upstream_rx_byte_received", c.GetTimeToLastUpstreamRxByte()},
		{"first_downstream_tx_byte_sent", c.GetTimeToFirstDownstreamTxByte()}, {"last_downstream_tx_byte_sent", c.GetTimeToLastDownstreamTxByte()},
		{"request_complete", c.GetDuration()},
	} {
		if at.d != nil {
			events = append(events, &tracepb.Span_Event{Name: at.name, TimeUnixNano: uint64(start.Add(at.d.AsDuration()).UnixNano())})
		}
	}
	return events
}

// callerOf reads a traceparent of version 00.
func callerOf(header string) (trace, parent []byte, err error) {
	if len(header) != 55 || !strings.HasPrefix(header, "00-") {
		return nil, nil, errNoContext
	}
	trace, err = hex.DecodeString(header[3:35])
	if err == nil {
		parent, err = hex.DecodeString(header[36:52])
	}
	if err != nil || bytes.Equal(trace, make([]byte, 16)) {
		return nil, nil, errNoContext
	}
	return trace, parent, nil
}

// spanID derives a stable id.
func spanID(trace, parent []byte, request string) []byte {
	h := sha256.New()
	h.Write(trace)
	h.Write(parent)
	h.Write([]byte(request))
	return h.Sum(nil)[:8]
}
