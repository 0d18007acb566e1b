package fake

import (
	"errors"
	"fmt"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// decode decodes a request with the official runtime, which refuses bytes that are not UTF-8, and counts its spans.
func decode(raw []byte) (*tracepb.TracesData, int, error) {
	td := new(tracepb.TracesData) // field 1 is resource_spans, as in ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, td); err != nil {
		return nil, 0, fmt.Errorf("cannot decode a request of %d bytes: %w", len(raw), err)
	}
	n := 0
	for _, rs := range td.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			n += len(ss.Spans)
		}
	}
	return td, n, nil
}

// decodeOther does the same with a request of another signal: field 1 of MetricsData and LogsData is that of their requests, too.
func decodeOther(signal Signal, raw []byte) (proto.Message, error) {
	var m proto.Message = new(metricspb.MetricsData)
	if signal == Logs {
		m = new(logspb.LogsData)
	}
	if err := proto.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("cannot decode %d bytes of %s: %w", len(raw), signal, err)
	}
	return m, nil
}

// countSpans counts the spans of a request without decoding them: its field 1 (resource_spans) / 2 (scope_spans) / 2 (spans).
func countSpans(raw []byte) (int, error) {
	var count func(b []byte, path []protowire.Number) int
	count = func(b []byte, path []protowire.Number) int {
		if len(path) == 0 {
			return 1
		}
		n := 0
		for len(b) > 0 {
			num, typ, tag := protowire.ConsumeTag(b)
			if tag < 0 {
				return -1
			}
			size := protowire.ConsumeFieldValue(num, typ, b[tag:])
			if size < 0 {
				return -1
			}
			if num == path[0] && typ == protowire.BytesType {
				value, _ := protowire.ConsumeBytes(b[tag:])
				below := count(value, path[1:])
				if below < 0 {
					return -1
				}
				n += below
			}
			b = b[tag+size:]
		}
		return n
	}
	n := count(raw, []protowire.Number{1, 2, 2})
	if n < 0 {
		return 0, errors.New("cannot count spans: malformed request")
	}
	return n, nil
}

// partialSuccess encodes an ExportTraceServiceResponse: partial_success = 1 {rejected_spans = 1, error_message = 2}.
func partialSuccess(rejected int64, message string) []byte {
	if rejected == 0 && message == "" {
		return nil
	}
	var p, r []byte
	if rejected != 0 {
		p = protowire.AppendVarint(protowire.AppendTag(p, 1, protowire.VarintType), uint64(rejected))
	}
	if message != "" {
		p = protowire.AppendString(protowire.AppendTag(p, 2, protowire.BytesType), message)
	}
	return protowire.AppendBytes(protowire.AppendTag(r, 1, protowire.BytesType), p)
}

// rejected gives rejected_spans of an encoded ExportTraceServiceResponse.
func rejected(answer []byte) int64 {
	partial := field(answer, 1, protowire.BytesType)
	p, n := protowire.ConsumeBytes(partial)
	if n < 0 {
		return 0
	}
	v, n := protowire.ConsumeVarint(field(p, 1, protowire.VarintType))
	if n < 0 {
		return 0
	}
	return int64(v)
}

// field gives what follows the tag of the last such field, nil if there is none.
func field(b []byte, want protowire.Number, wantType protowire.Type) []byte {
	var found []byte
	for len(b) > 0 {
		num, typ, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(num, typ, b[tag:])
		if size < 0 {
			return nil
		}
		if num == want && typ == wantType {
			found = b[tag : tag+size]
		}
		b = b[tag+size:]
	}
	return found
}
