package correlation

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Decoder decodes events; it knows what the ALS streams said first.
type Decoder struct {
	streams map[int]*als.StreamAccessLogsMessage_Identifier
	count   int
}

// Event gives the records of an event. Events are numbered in the order in which they come here.
func (d *Decoder) Event(ev *Event) (entries []*Entry, spans []*Span, err error) {
	switch ev.Kind {
	case ALS:
		entries, err = d.als(ev)
	case OTLP:
		spans, err = otlp(ev.Bytes)
	case Zipkin:
		spans, err = zipkin(ev.Bytes)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot decode event %d (%c): %w", d.count, ev.Kind, err)
	}
	for _, e := range entries {
		e.At, e.Event = ev.At, d.count
	}
	for _, s := range spans {
		s.At, s.Event = ev.At, d.count
	}
	d.count++
	return entries, spans, nil
}

func (d *Decoder) als(ev *Event) (entries []*Entry, err error) {
	m := new(als.StreamAccessLogsMessage)
	if err := Unmarshal(ev.Bytes, m); err != nil {
		return nil, err
	}
	if d.streams == nil {
		d.streams = map[int]*als.StreamAccessLogsMessage_Identifier{}
	}
	if m.Identifier != nil {
		d.streams[ev.Stream] = m.Identifier
	}
	id := d.streams[ev.Stream]
	if id == nil {
		return nil, fmt.Errorf("stream %d has no identifier", ev.Stream)
	}
	minor := 0
	if v := id.GetNode().GetUserAgentBuildVersion().GetVersion(); v.GetMajorNumber() == 1 {
		minor = int(v.GetMinorNumber())
	}
	for _, x := range m.GetTcpLogs().GetLogEntry() {
		entries = append(entries, &Entry{TCP: true, Type: int(x.GetCommonProperties().GetAccessLogType())})
	}
	for _, x := range m.GetHttpLogs().GetLogEntry() {
		entries = append(entries, httpEntry(x))
	}
	for _, e := range entries {
		e.Node, e.Log, e.Minor = Raw(id.GetNode().GetId()), Raw(id.GetLogName()), minor
	}
	return entries, nil
}

func httpEntry(x *alsdata.HTTPAccessLogEntry) *Entry {
	p, r := x.GetCommonProperties(), x.GetRequest()
	return &Entry{
		Type: int(p.GetAccessLogType()), Interim: p.GetIntermediateLogEntry(), Start: p.GetStartTime().AsTime().UnixNano(), Dur: int64(p.GetDuration().AsDuration()),
		Cluster: Raw(p.GetUpstreamCluster()), Direct: p.GetDownstreamDirectRemoteAddress().GetSocketAddress().GetAddress(),
		Attempts: int(p.GetUpstreamRequestAttemptCount()), Up: p.GetUpstreamRemoteAddress() != nil,
		Path: Raw(r.GetPath()), RequestID: Raw(r.GetRequestId()), Code: int(x.GetResponse().GetResponseCode().GetValue()),
		Headers: rawMap(r.GetRequestHeaders()), Tags: rawMap(p.GetCustomTags()),
	}
}

func rawMap(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[Raw(k)] = Raw(v)
	}
	return out
}

func otlp(b []byte) (spans []*Span, err error) {
	m := new(tracepb.TracesData) // on the wire it is an ExportTraceServiceRequest
	if err := Unmarshal(b, m); err != nil {
		return nil, err
	}
	for _, rs := range m.ResourceSpans {
		service := Attributes(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.ScopeSpans {
			for _, x := range ss.Spans {
				s := &Span{
					Trace: hex.EncodeToString(x.TraceId), ID: hex.EncodeToString(x.SpanId), Parent: hex.EncodeToString(x.ParentSpanId),
					Name: Raw(x.Name), Kind: x.Kind, Start: int64(x.StartTimeUnixNano), End: int64(x.EndTimeUnixNano),
					Error: x.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR, Service: service, Format: TraceContext, Tags: Attributes(x.Attributes),
				}
				spans = append(spans, s.facts())
			}
		}
	}
	return spans, nil
}

// Attributes gives attributes as text, raw.
func Attributes(list []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			m[Raw(a.Key)] = Raw(v.StringValue)
		case *commonpb.AnyValue_IntValue:
			m[Raw(a.Key)] = strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			m[Raw(a.Key)] = strconv.FormatBool(v.BoolValue)
		}
	}
	return m
}

func zipkin(b []byte) (spans []*Span, err error) {
	var list []struct {
		TraceID, ID, ParentID, Name, Kind string
		Timestamp, Duration               int64
		Shared                            bool
		LocalEndpoint                     struct{ ServiceName string }
		Tags                              map[string]string
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	for _, z := range list {
		_, failed := z.Tags["error"]
		s := &Span{
			Trace: strings.Repeat("0", 32-len(z.TraceID)) + z.TraceID, ID: z.ID, Parent: z.ParentID, Name: z.Name,
			Kind: tracepb.Span_SpanKind(tracepb.Span_SpanKind_value["SPAN_KIND_"+z.Kind]), Start: z.Timestamp * 1000, End: (z.Timestamp + z.Duration) * 1000,
			Error: failed, Shared: z.Shared, Service: z.LocalEndpoint.ServiceName, Format: B3, Tags: z.Tags,
		}
		spans = append(spans, s.facts())
	}
	return spans, nil
}

// facts fills in what the tags say. Envoy writes the request id and its node id on the downstream span only.
func (s *Span) facts() *Span {
	s.RequestID, s.Node, s.Code = s.Tags["guid:x-request-id"], s.Tags["node_id"], number(s.Tags["http.status_code"])
	s.Proxy = s.RequestID != "" || s.Node != "" || s.Kind == Server
	return s
}

// Span kinds, by their short names.
const (
	Internal = tracepb.Span_SPAN_KIND_INTERNAL
	Server   = tracepb.Span_SPAN_KIND_SERVER
	Client   = tracepb.Span_SPAN_KIND_CLIENT
)
