package load

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// spanTemplates gives spans as Envoy's OpenTelemetry tracer makes them: the tags of its HTTP connection manager as strings, and a
// custom one. With another component they are the same, byte for byte, but not Envoy's. An empty agent is that of the shape.
func spanTemplates(component, agent string) ([]template, error) {
	var list []template
	for n := range shapes {
		e := entry(n, None, time.Unix(0, 0))
		upstream := e.CommonProperties.UpstreamRemoteAddress.GetSocketAddress().Address
		var attributes []*common.KeyValue
		for _, kv := range [][2]string{
			{"node_id", nodeID(0)}, {"zone", "eu-central-1a"},
			{"guid:x-request-id", markRequest}, {"http.url", "https://shop.example.com" + e.Request.Path},
			{"http.method", e.Request.RequestMethod.String()}, {"downstream_cluster", "-"}, {"user_agent", cmp.Or(agent, e.Request.UserAgent)},
			{"http.protocol", "HTTP/2"}, {"peer.address", "10.0.12.7"}, {"request_size", fmt.Sprint(e.Request.RequestBodyBytes)},
			{"response_size", fmt.Sprint(e.Response.ResponseBodyBytes)}, {"component", component},
			{"upstream_cluster", e.CommonProperties.UpstreamCluster}, {"upstream_cluster.name", e.CommonProperties.RouteName},
			{"http.status_code", fmt.Sprint(e.Response.ResponseCode.Value)}, {"response_flags", "-"}, {"upstream_address", upstream + ":8080"},
			{"environment", e.CommonProperties.CustomTags["environment"]},
		} {
			attributes = append(attributes, text(kv[0], kv[1]))
		}
		const start, end = 0x1718191a1b1c1d1e, 0x2728292a2b2c2d2e
		s := &tracepb.Span{TraceId: []byte(markTrace[:16]), SpanId: []byte(markSpan[:8]), ParentSpanId: []byte{8, 7, 6, 5, 4, 3, 2, 1},
			Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: start, EndTimeUnixNano: end, Attributes: attributes}
		b, err := proto.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("cannot encode span %d: %w", n, err)
		}
		t := template{duration: duration(n)}
		t.bytes = protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), b) // ScopeSpans.spans
		t.rawTrace, t.rawSpan = bytes.Index(t.bytes, s.TraceId), bytes.Index(t.bytes, s.SpanId)
		t.fixedStart = bytes.Index(t.bytes, binary.LittleEndian.AppendUint64(nil, start))
		t.fixedEnd = bytes.Index(t.bytes, binary.LittleEndian.AppendUint64(nil, end))
		t.request = find(t.bytes, markRequest)
		t.node = bytes.Index(t.bytes, []byte(nodeID(0))) + len(nodePrefix)
		list = append(list, t)
	}
	return list, nil
}

// Values of component and user_agent. A probe comes from one of Knative's proxies, which ask whether an Envoy is ready.
const (
	envoyComponent, otherComponent = "proxy", "other"
	probeAgent                     = "Knative-Ingress-Probe"
)

// Spans gives one encoded Span of each shape, and the same for probes, for the benchmarks of the stages.
func Spans() (usual, probes [][]byte, err error) {
	for agent, list := range map[string]*[][]byte{"": &usual, probeAgent: &probes} {
		templates, err := spanTemplates(envoyComponent, agent)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range templates {
			s, _ := protowire.ConsumeBytes(t.bytes[1:])
			*list = append(*list, s)
		}
	}
	return usual, probes, nil
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// resourceField is ResourceSpans.resource, encoded.
func resourceField() ([]byte, error) {
	r := &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "edge.gateway"), text("telemetry.sdk.language", "cpp"),
		text("telemetry.sdk.name", "envoy"), text("telemetry.sdk.version", "1.39.3")}}
	b, err := proto.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the resource: %w", err)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b), nil
}
