package traces

import (
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/wire"
)

// sentence says what went wrong, in words for the sender. It is empty when nothing did.
//
// A request that breaks off was used up to there, so it is a success with a message and not an error: the sender would count
// all of its spans as lost, or send them again. How many are missing is not known, so none are said to be rejected.
func (v *verdict) sentence() string {
	switch {
	case v.Refused:
		return refusalTexts[v.Why]
	case v.Truncated && v.Rejected > 0:
		return fmt.Sprintf("%s; %s", truncatedText, rejectedText)
	case v.Truncated:
		return truncatedText
	case v.Rejected > 0:
		return rejectedText
	}
	return ""
}

const (
	truncatedText = "the request is malformed from some point on: only the spans before it were taken"
	rejectedText  = "spans that are malformed or have an invalid id were not taken"
)

var refusalTexts = [NumRefusals]string{
	TooLarge:    "the request is larger than there is room for (receive.limits.request, export.other_memory)",
	Malformed:   "the body is not an export request of this signal",
	Full:        "there is no room for more at the moment",
	Unsupported: "not supported",
	Stopping:    "alspan is stopping",
}

// code is the status of a refusal, of gRPC and in the body of an HTTP error.
func (r Refusal) code() codes.Code {
	switch r {
	case TooLarge:
		return codes.ResourceExhausted
	case Full, Stopping:
		return codes.Unavailable
	case Unsupported:
		return codes.Unimplemented
	}
	return codes.InvalidArgument
}

// protobuf gives an encoded ExportTraceServiceResponse. It is empty on full success, as OTLP wants it.
//
//	message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
//	message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
func (v *verdict) protobuf() []byte {
	text := v.sentence()
	if text == "" {
		return nil
	}
	var b []byte
	if v.Rejected > 0 {
		b = wire.AppendUint(b, 1, uint64(v.Rejected))
	}
	return wire.AppendBytes(nil, 1, wire.AppendBytes(b, 2, text))
}

// json gives the same response in JSON.
func (v *verdict) json() []byte {
	type partial struct {
		Rejected string `json:"rejectedSpans,omitempty"`
		Message  string `json:"errorMessage,omitempty"`
	}
	var r struct {
		Partial *partial `json:"partialSuccess,omitempty"`
	}
	if text := v.sentence(); text != "" {
		r.Partial = &partial{Message: text}
		if v.Rejected > 0 {
			r.Partial.Rejected = strconv.Itoa(v.Rejected) // 64-bit integers are strings
		}
	}
	return encodeJSON(r)
}

// errorProtobuf gives a google.rpc.Status: message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
func errorProtobuf(c codes.Code, text string) []byte {
	return wire.AppendBytes(wire.AppendUint(nil, 1, uint64(c)), 2, text)
}

// errorJSON gives the same in JSON.
func errorJSON(c codes.Code, text string) []byte {
	return encodeJSON(struct {
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}{c, text})
}

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}
