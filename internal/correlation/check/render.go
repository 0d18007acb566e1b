package check

import (
	"encoding/hex"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/correlation"
)

// Render gives the model's results as the agent sends them, as far as the checker looks at them.
func Render(results []correlation.Result) []Out {
	outs := make([]Out, 0, len(results))
	for i := range results {
		r := &results[i]
		s := &tracepb.Span{
			TraceId: id(r.Trace), SpanId: id(r.ID), ParentSpanId: id(r.Parent), Name: r.Name, Kind: r.Kind,
			StartTimeUnixNano: uint64(r.Start), EndTimeUnixNano: uint64(r.End),
		}
		if r.Error {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}
		add := func(key, value string) {
			s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "\ufffd")}}})
		}
		if r.Span != nil {
			for k, v := range r.Span.Tags {
				add(k, v)
			}
		}
		if e := r.Entry; e != nil && !r.Below {
			add("envoy.log_name", e.Log)
			add("envoy.request_id", e.RequestID)
			add("url.path", e.Path)
			if e.Code != 0 {
				add("http.response.status_code", itoa(e.Code))
			}
		}
		outs = append(outs, Out{r.At, []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}}}}})
	}
	return outs
}

func id(text string) []byte {
	b, _ := hex.DecodeString(text)
	return b
}
