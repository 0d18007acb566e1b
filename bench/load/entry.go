package load

import (
	"fmt"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Headers is the kind of trace context that entries log.
type Headers string

// The kinds.
const (
	W3C  Headers = "w3c"  // traceparent
	B3   Headers = "b3"   // x-b3-traceid and its companions
	None Headers = "none" // no context: only the request id tells what it is

	Unsampled Headers = "unsampled" // traceparent of a request that no tracer reports
)

// What is written over the template, at each place where it is found.
const (
	markTrace   = "7ace7ace7ace7ace7ace7ace7ace7ace"
	markSpan    = "5fa45fa45fa45fa4"
	markRequest = "eeeeeeee-1111-4222-a333-444444444444"
)

// shapes is how many different entries rotate: enough that no branch is learnt by heart.
const shapes = 64

// entry makes shape n: the fields that Envoy fills in for a finished request behind a route, in about 1.1 KiB.
func entry(n int, h Headers, start time.Time) *alsdata.HTTPAccessLogEntry {
	paths := []string{"/api/v1/orders/%d/items?expand=customer,payment", "/cart/%d/items?page=2&sort=price&currency=EUR&limit=50",
		"/products/%d/reviews", "/checkout?session=%d&step=confirm&utm_source=newsletter&utm_campaign=autumn", "/users/%d/profile"}
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "okhttp/4.12.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0",
	}
	codes := []uint32{200, 200, 200, 201, 204, 304, 404, 503}
	methods := []core.RequestMethod{core.RequestMethod_GET, core.RequestMethod_GET, core.RequestMethod_POST, core.RequestMethod_PUT}
	service := []string{"orders", "cart", "products", "payment"}[n%4]
	pod := fmt.Sprintf("10.244.%d.%d", 1+n%7, 2+n*3%250)
	client := fmt.Sprintf("203.0.113.%d", 1+n*7%250)
	total := duration(n)
	part := func(f float64) *durationpb.Duration { return durationpb.New(time.Duration(f * float64(total))) }
	code := codes[n%len(codes)]

	e := &alsdata.HTTPAccessLogEntry{
		ProtocolVersion: alsdata.HTTPAccessLogEntry_HTTPVersion(2 + n%2),
		CommonProperties: &alsdata.AccessLogCommon{
			DownstreamRemoteAddress: address(client, 30000+uint32(n)*17), DownstreamLocalAddress: address("10.244.1.4", 8443),
			DownstreamDirectRemoteAddress: address("10.0.12.7", 42000+uint32(n)),
			UpstreamRemoteAddress:         address(pod, 8080), UpstreamLocalAddress: address("10.244.1.4", 41000+uint32(n)*13),
			StartTime: timestamppb.New(start), Duration: durationpb.New(total),
			TimeToLastRxByte: part(.02), TimeToFirstUpstreamTxByte: part(.05), TimeToLastUpstreamTxByte: part(.06),
			TimeToFirstUpstreamRxByte: part(.9), TimeToLastUpstreamRxByte: part(.97),
			TimeToFirstDownstreamTxByte: part(.93), TimeToLastDownstreamTxByte: part(.99),
			UpstreamCluster: "outbound|8080||" + service + ".shop.svc.cluster.local", RouteName: service + "-route",
			UpstreamRequestAttemptCount: 1, StreamId: markRequest, AccessLogType: alsdata.AccessLogType_DownstreamEnd,
			CustomTags:              map[string]string{"environment": "production", "zone": "eu-central-1a"},
			DownstreamWireBytesSent: uint64(900 + n*53), DownstreamWireBytesReceived: uint64(420 + n*11),
			UpstreamWireBytesSent: uint64(510 + n*11), UpstreamWireBytesReceived: uint64(880 + n*53),
		},
		Request: &alsdata.HTTPRequestProperties{
			RequestMethod: methods[n%len(methods)], Scheme: "https", Authority: "shop.example.com",
			Path: fmt.Sprintf(paths[n%len(paths)], 1000+n*37), UserAgent: agents[n%len(agents)], ForwardedFor: client + ", 10.0.12.7",
			Referer: "https://shop.example.com/catalogue/season/autumn", OriginalPath: fmt.Sprintf("/shop"+paths[n%len(paths)], 1000+n*37),
			RequestId: markRequest, RequestHeadersBytes: uint64(380 + n), RequestBodyBytes: uint64(n * 9),
			DownstreamHeaderBytesReceived: uint64(330 + n), UpstreamHeaderBytesSent: uint64(400 + n),
			RequestHeaders: map[string]string{
				"x-request-id": markRequest, "accept": "application/json, text/plain, */*", "x-tenant": "tenant-" + service + ".eu.example.com",
				"content-type": "application/json",
			},
		},
		Response: &alsdata.HTTPResponseProperties{
			ResponseCode: wrapperspb.UInt32(code), ResponseCodeDetails: "via_upstream",
			ResponseHeadersBytes: 190, ResponseBodyBytes: uint64(700 + n*53), DownstreamHeaderBytesSent: 160, UpstreamHeaderBytesReceived: 150,
			ResponseHeaders: map[string]string{"content-type": "application/json; charset=utf-8", "server": "envoy"},
		},
	}
	common := e.CommonProperties
	if n%3 == 0 {
		common.TlsProperties = &alsdata.TLSProperties{TlsVersion: alsdata.TLSProperties_TLSv1_3, TlsCipherSuite: wrapperspb.UInt32(0x1301),
			TlsSniHostname: "shop.example.com"}
	}
	if code == 503 {
		common.ResponseFlags = &alsdata.ResponseFlags{UpstreamRetryLimitExceeded: true}
		common.UpstreamRequestAttemptCount = 3
	}
	logged := e.Request.RequestHeaders
	switch h {
	case W3C:
		logged["traceparent"] = "00-" + markTrace + "-" + markSpan + "-01"
	case Unsampled:
		logged["traceparent"] = "00-" + markTrace + "-" + markSpan + "-00"
	case B3:
		logged["x-b3-traceid"], logged["x-b3-spanid"], logged["x-b3-sampled"] = markTrace, markSpan, "1"
	}
	return e
}

// duration is between 2 ms and half a second, and never so round that it takes fewer bytes on the wire.
func duration(n int) time.Duration {
	return 2*time.Millisecond + time.Duration(n*n)*113*time.Microsecond + time.Duration(n)*1009*time.Nanosecond
}

func address(ip string, port uint32) *core.Address {
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address: ip, PortSpecifier: &core.SocketAddress_PortValue{PortValue: port}}}}
}

const nodePrefix = "router~10.244.1.4~edge-7c9d8b5f44-"

// nodeID gives the id of the Envoy that a stream belongs to: its number has five digits.
func nodeID(stream int) string {
	return fmt.Sprintf("%s%05d.gateway~gateway.svc.cluster.local", nodePrefix, stream)
}

// putNode writes the number of an Envoy over that of another one.
func putNode(dst []byte, stream int) {
	for i := 4; i >= 0; i-- {
		dst[i] = '0' + byte(stream%10)
		stream /= 10
	}
}

// identifier is what the first message of a stream says about its sender.
func identifier(stream int) *als.StreamAccessLogsMessage {
	return &als.StreamAccessLogsMessage{Identifier: &als.StreamAccessLogsMessage_Identifier{
		LogName: "edge",
		Node: &core.Node{
			Id:            nodeID(stream),
			Cluster:       "edge.gateway",
			UserAgentName: "envoy",
			Locality:      &core.Locality{Region: "eu-central-1", Zone: "eu-central-1a"},
		},
	}}
}
