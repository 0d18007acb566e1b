package worlds

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/correlation"
)

// encodeLogs gives an ALS message; the first of a stream has the identifier.
func encodeLogs(entries []*correlation.Entry, first bool) []byte {
	m := &als.StreamAccessLogsMessage{}
	list := &als.StreamAccessLogsMessage_HTTPAccessLogEntries{}
	m.LogEntries = &als.StreamAccessLogsMessage_HttpLogs{HttpLogs: list}
	for _, e := range entries {
		list.LogEntry = append(list.LogEntry, entryMessage(e))
	}
	if e := entries[0]; first {
		m.Identifier = &als.StreamAccessLogsMessage_Identifier{LogName: e.Log, Node: &corev3.Node{
			Id: e.Node, UserAgentName: "envoy",
			UserAgentVersionType: &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
				Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: uint32(e.Minor)},
			}},
		}}
	}
	return must(correlation.Marshal(m))
}

// must is for messages that are always right.
func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func entryMessage(e *correlation.Entry) *alsdata.HTTPAccessLogEntry {
	p := &alsdata.AccessLogCommon{
		StartTime: timestamppb.New(time.Unix(0, e.Start)), AccessLogType: alsdata.AccessLogType(e.Type),
		UpstreamCluster: e.Cluster, UpstreamRequestAttemptCount: uint32(e.Attempts), CustomTags: e.Tags,
		DownstreamDirectRemoteAddress: address(e.Direct, 41000),
	}
	m := &alsdata.HTTPAccessLogEntry{CommonProperties: p, Request: &alsdata.HTTPRequestProperties{
		RequestMethod: corev3.RequestMethod_GET, Scheme: "http", Authority: "shop.example.com", Path: e.Path, RequestId: correlation.Hidden(e.RequestID), RequestHeaders: e.Headers,
	}}
	if e.Interim {
		p.IntermediateLogEntry = true
	}
	if e.Type != correlation.TypeStart {
		p.Duration = durationpb.New(time.Duration(e.Dur))
	}
	if e.Up {
		p.UpstreamRemoteAddress = address("10.9.0.1", 8080)
	}
	m.Response = &alsdata.HTTPResponseProperties{}
	if e.Code != 0 {
		m.Response.ResponseCode = wrapperspb.UInt32(uint32(e.Code))
	}
	return m
}

func address(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func text(s string) *commonpb.AnyValue_StringValue {
	return &commonpb.AnyValue_StringValue{StringValue: correlation.Hidden(s)}
}

func attributes(m map[string]string) (list []*commonpb.KeyValue) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, &commonpb.KeyValue{Key: k, Value: &commonpb.AnyValue{Value: text(m[k])}})
	}
	return list
}

func encodeOTLP(spans []*correlation.Span) []byte {
	ss := &tracepb.ScopeSpans{}
	for _, s := range spans {
		x := &tracepb.Span{
			TraceId: unhex(s.Trace), SpanId: unhex(s.ID), ParentSpanId: unhex(s.Parent), Name: s.Name, Kind: s.Kind,
			StartTimeUnixNano: uint64(s.Start), EndTimeUnixNano: uint64(s.End), Attributes: attributes(s.Tags),
		}
		if s.Error {
			x.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}
		ss.Spans = append(ss.Spans, x)
	}
	return must(correlation.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: attributes(map[string]string{"service.name": spans[0].Service})},
		ScopeSpans: []*tracepb.ScopeSpans{ss},
	}}}))
}

func unhex(s string) []byte {
	b, _ := hex.DecodeString(s)
	return b
}

func encodeZipkin(spans []*correlation.Span) []byte {
	var list []map[string]any
	for _, s := range spans {
		z := map[string]any{
			"traceId": s.Trace, "id": s.ID, "name": s.Name, "kind": strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), "timestamp": s.Start / 1000,
			"duration": (s.End - s.Start) / 1000, "localEndpoint": map[string]any{"serviceName": s.Service, "ipv4": "10.0.0.1", "port": 0}, "tags": s.Tags,
		}
		if s.Parent != "" {
			z["parentId"] = s.Parent
		}
		if s.Shared {
			z["shared"] = true
		}
		list = append(list, z)
	}
	return must(json.Marshal(list))
}

func itoa(n int) string { return strconv.Itoa(n) }
