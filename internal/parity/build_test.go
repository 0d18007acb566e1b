package parity

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// What spans are built of.
const (
	Internal = tracepb.Span_SPAN_KIND_INTERNAL
	Server   = tracepb.Span_SPAN_KIND_SERVER
	Client   = tracepb.Span_SPAN_KIND_CLIENT
	Producer = tracepb.Span_SPAN_KIND_PRODUCER
	Consumer = tracepb.Span_SPAN_KIND_CONSUMER

	ms = time.Millisecond

	orderTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	orderSpan  = "00f067aa0ba902b7"
)

var began = time.Date(2024, time.May, 17, 10, 30, 0, 123456789, time.UTC)

// object is a map in the order in which it is written: keys and values in turns.
type object []any

// attrs gives attributes: keys and values in turns.
func attrs(pairs ...any) []*commonpb.KeyValue {
	var list []*commonpb.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, &commonpb.KeyValue{Key: pairs[i].(string), Value: value(pairs[i+1])})
	}
	return list
}

// value gives v as OTLP has it; nil is a value that is not set.
func value(v any) *commonpb.AnyValue {
	switch v := v.(type) {
	case nil:
		return &commonpb.AnyValue{}
	case string:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}
	case int:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v)}}
	case float64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}
	case []byte:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: v}}
	case object:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: attrs(v...)}}}
	case []any:
		list := &commonpb.ArrayValue{}
		for _, e := range v {
			list.Values = append(list.Values, value(e))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	}
	panic(fmt.Sprintf("%T is no value of OTLP", v))
}

// span makes a span of the order's trace that took so long; attributes are keys and values in turns.
func span(name string, kind tracepb.Span_SpanKind, took time.Duration, attributes ...any) *tracepb.Span {
	return &tracepb.Span{
		Name: name, Kind: kind, Attributes: attrs(attributes...),
		TraceId: id(orderTrace), ParentSpanId: id(orderSpan),
		StartTimeUnixNano: uint64(began.UnixNano()), EndTimeUnixNano: uint64(began.Add(took).UnixNano()),
	}
}

// with gives s after it was changed.
func with(s *tracepb.Span, change func(*tracepb.Span)) *tracepb.Span {
	change(s)
	return s
}

// root gives s as the first span of a trace of its own.
func root(s *tracepb.Span) *tracepb.Span {
	s.ParentSpanId, s.TraceId = nil, nil
	return s
}

// inState gives s with that trace state.
func inState(state string, s *tracepb.Span) *tracepb.Span {
	s.TraceState = state
	return s
}

// failed gives s with the status error.
func failed(s *tracepb.Span, message string) *tracepb.Span {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: message}
	return s
}

// ok gives s with the status OK.
func ok(s *tracepb.Span) *tracepb.Span {
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	return s
}

// id gives the bytes of an id in hexadecimal.
func id(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// from gives spans of one resource. Each scope comes before its spans.
func from(resource *resourcepb.Resource, list ...*tracepb.ScopeSpans) *tracepb.ResourceSpans {
	return &tracepb.ResourceSpans{Resource: resource, ScopeSpans: list}
}

// by gives spans of one scope.
func by(name, version string, spans ...*tracepb.Span) *tracepb.ScopeSpans {
	return &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: name, Version: version}, Spans: spans}
}

// resource gives one with those attributes, keys and values in turns.
func resource(attributes ...any) *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: attrs(attributes...)}
}

// identify gives ids to the spans that have none, the same in every run.
func identify(all []*tracepb.ResourceSpans) {
	n := uint64(0)
	for _, rs := range all {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				n++
				if s.SpanId == nil {
					s.SpanId = binary.BigEndian.AppendUint64(nil, 0xa1b2<<48|n)
				}
				if s.TraceId == nil {
					s.TraceId = append(id("7d2f0c5e9b8a4633"), s.SpanId...)
				}
			}
		}
	}
}
