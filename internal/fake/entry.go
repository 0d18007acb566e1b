package fake

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// call is what both Envoys know of one request.
type call struct {
	shape
	path   string
	id     string // x-request-id
	trace  string // hex
	client string // the customer's address
	port   uint32 // and port
	agent  string
	size   uint64 // of the answer
	pod    string // the service's address
}

// place is where an Envoy runs.
type place struct {
	node    string // node id
	cluster string // node cluster
	log     string
	address string // its pod's
}

func edgePlace() place {
	return place{"router~10.244.1.4~edge-7c9d8b5f44-q8zrt.gateway~gateway.svc.cluster.local", "edge.gateway", "edge", "10.244.1.4"}
}

func midPlace() place {
	return place{"sidecar~10.244.2.7~mid-5f6c9b7d48-l2x9p.shop~shop.svc.cluster.local", "mid.shop", "mid", "10.244.2.7"}
}

// hop is one Envoy's part of a call. Times are from its start; those that were not reached are 0.
type hop struct {
	place  place
	lag    time.Duration // from edge's start to this one's
	start  time.Time
	parent string // hex span id that the request came with, "" if it came without context
	id     string // of the SERVER span
	client string // of the CLIENT span, "" if nothing went upstream

	route, cluster, address string // route_name, upstream cluster and host
	attempts                uint32
	code                    uint32 // 0 for none
	details                 string
	flags                   *alsdata.ResponseFlags

	lastRx, firstUpTx, lastUpTx, firstUpRx, lastUpRx, firstDownTx, lastDownTx, duration time.Duration
}

// upstream says that the request went on.
func (h *hop) upstream(client, cluster, address string, attempts uint32) {
	h.client, h.cluster, h.address, h.attempts = client, cluster, address, attempts
}

// entries gives what Envoy 1.38 and later log with the OpenTelemetry tracer, spawn_upstream_span, start entries and the
// custom tags trace_id (%TRACE_ID%) and span_id (%SPAN_ID%): a DownstreamStart with the context that came, without tags
// since there is no span yet, and a DownstreamEnd with the context that went upstream, or the one that came if none did.
func (h *hop) entries(c *call) []*alsdata.HTTPAccessLogEntry {
	start := h.entry(c, h.parent)
	p := start.CommonProperties
	p.IntermediateLogEntry, p.AccessLogType = true, alsdata.AccessLogType_DownstreamStart
	start.Response = &alsdata.HTTPResponseProperties{}

	logged := h.client
	if logged == "" {
		logged = h.parent
	}
	end := h.entry(c, logged)
	p = end.CommonProperties
	p.AccessLogType = alsdata.AccessLogType_DownstreamEnd
	p.CustomTags = map[string]string{"trace_id": c.trace, "span_id": h.id}
	p.ResponseFlags = h.flags
	p.UpstreamRequestAttemptCount = h.attempts
	p.Duration = durationpb.New(h.duration)
	p.TimeToFirstDownstreamTxByte, p.TimeToLastDownstreamTxByte = offset(h.firstDownTx), offset(h.lastDownTx)
	end.Request.RequestBodyBytes = c.body
	if h.client != "" {
		p.UpstreamCluster = h.cluster
		p.UpstreamRemoteAddress = socket(h.address, 8080)
		p.UpstreamLocalAddress = socket(h.place.address, 40000+c.port%20000)
		p.TimeToFirstUpstreamTxByte, p.TimeToLastUpstreamTxByte = offset(h.firstUpTx), offset(h.lastUpTx)
		p.TimeToFirstUpstreamRxByte, p.TimeToLastUpstreamRxByte = offset(h.firstUpRx), offset(h.lastUpRx)
		p.UpstreamWireBytesSent = end.Request.RequestHeadersBytes + c.body + 44
		end.Request.RequestHeaders["tracestate"] = "" // the tracer writes it whenever it injects
		end.Request.UpstreamHeaderBytesSent = end.Request.RequestHeadersBytes + 40
		if h.firstUpRx > 0 {
			p.UpstreamWireBytesReceived = c.size + 190
		}
	}
	end.Response = h.response(c)
	if h.code != 0 {
		p.DownstreamWireBytesSent = c.size + 210
		end.Response.DownstreamHeaderBytesSent = 205
	}
	return []*alsdata.HTTPAccessLogEntry{start, end}
}

// entry gives what the entries of a hop have in common. Span is the logged traceparent's id, "" for none.
func (h *hop) entry(c *call, span string) *alsdata.HTTPAccessLogEntry {
	direct, port := c.client, c.port
	if h.place == midPlace() {
		direct, port = edgePlace().address, 33000+c.port%20000
	}
	e := &alsdata.HTTPAccessLogEntry{
		CommonProperties: &alsdata.AccessLogCommon{
			StartTime:                     timestamppb.New(h.start),
			DownstreamRemoteAddress:       socket(c.client, port),
			DownstreamDirectRemoteAddress: socket(direct, port),
			DownstreamLocalAddress:        socket(h.place.address, 8080),
			TimeToLastRxByte:              offset(h.lastRx),
			RouteName:                     h.route,
			StreamId:                      c.id,
			DownstreamWireBytesReceived:   c.body + 260,
		},
		ProtocolVersion: alsdata.HTTPAccessLogEntry_HTTP11,
		Request: &alsdata.HTTPRequestProperties{
			RequestMethod: c.method, Scheme: "http", Authority: "shop.example.com", Path: c.path, UserAgent: c.agent,
			RequestId: c.id, ForwardedFor: c.client,
			RequestHeadersBytes:           uint64(230 + len(c.path) + len(c.agent)),
			DownstreamHeaderBytesReceived: uint64(180 + len(c.path) + len(c.agent)),
			RequestHeaders:                map[string]string{"x-request-id": c.id},
		},
	}
	if span != "" {
		e.Request.RequestHeaders["traceparent"] = "00-" + c.trace + "-" + span + "-01"
	}
	if c.grpc != "" {
		e.ProtocolVersion = alsdata.HTTPAccessLogEntry_HTTP2
		e.Request.RequestHeaders["content-type"] = "application/grpc"
	}
	return e
}

func (h *hop) response(c *call) *alsdata.HTTPResponseProperties {
	r := &alsdata.HTTPResponseProperties{ResponseCodeDetails: h.details}
	if h.code == 0 {
		return r
	}
	r.ResponseCode = wrapperspb.UInt32(h.code)
	r.ResponseHeadersBytes, r.ResponseBodyBytes = 160, c.size
	r.ResponseHeaders = map[string]string{"content-type": "application/json", "server": "envoy"}
	if h.code >= 500 {
		r.ResponseHeaders["content-type"] = "text/plain"
	}
	if c.grpc != "" {
		r.ResponseHeaders["content-type"] = "application/grpc"
		r.ResponseTrailers = map[string]string{"grpc-status": c.grpc}
		if c.grpc != "0" {
			r.ResponseTrailers["grpc-message"] = "no such article"
		}
	}
	if h.firstUpRx > 0 {
		r.UpstreamHeaderBytesReceived = 150
	}
	return r
}

func socket(address string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// offset leaves out what was not reached.
func offset(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
