package tree

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// text gives a value that is one piece as text, without anything that a terminal would obey.
func text(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return Clean(v.StringValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', 6, 64)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *commonpb.AnyValue_ArrayValue:
		var parts []string
		for _, e := range v.ArrayValue.GetValues() {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, ",")
	}
	return ""
}

// Clean replaces whatever does not print by U+FFFD.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// duration gives three digits and a unit.
func duration(d time.Duration) string {
	if d >= 100*time.Second {
		return d.Round(time.Second).String()
	}
	us := float64(d) / 1e3
	switch {
	case d < time.Microsecond:
		return strconv.Itoa(int(d)) + "ns"
	case us < 999.5:
		return digits(us) + "µs"
	case us < 999.5e3:
		return digits(us/1e3) + "ms"
	}
	return digits(us/1e6) + "s"
}

func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// between gives the time from one to another, "-" if that is none.
func between(from, to uint64) string {
	if from == 0 || to < from {
		return "-"
	}
	return duration(time.Duration(min(to-from, 1<<62)))
}

// offset gives how long after the trace's begin a span began.
func offset(from, to uint64) string {
	if from == to && from != 0 {
		return "0"
	}
	if s := between(from, to); s != "-" {
		return "+" + s
	}
	return "-"
}

// kind gives SERVER, CLIENT, INTERNAL, ...
func kind(k tracepb.Span_SpanKind) string {
	switch name := strings.TrimPrefix(k.String(), "SPAN_KIND_"); {
	case k == tracepb.Span_SPAN_KIND_UNSPECIFIED:
		return "-"
	default:
		return name
	}
}

// result gives the code that the call ended with, by the new names and the old: gRPC's if it was gRPC.
func result(attributes []*commonpb.KeyValue) string {
	code := attribute(attributes, "rpc.response.status_code", "rpc.status_code", "rpc.grpc.status_code", "grpc.status_code")
	if code == "" {
		code = attribute(attributes, "http.response.status_code", "http.status_code")
		if code == "0" { // Envoy's tracer, for none
			return ""
		}
		return code
	}
	names := []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
		"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}
	if n, err := strconv.Atoi(code); err == nil && n >= 0 && n < len(names) {
		return names[n]
	}
	return code
}

// short gives an event's name with what they all have left out.
func short(name string) string {
	return strings.NewReplacer("envoy.", "", "downstream", "down", "upstream", "up", "_byte_sent", "", "_byte_received", "", "_byte", "").Replace(Clean(name))
}

// fit cuts a text to a number of columns.
func fit(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width-1, 0)]) + "…"
}

// tail cuts a text to its last columns.
func tail(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return "…" + string(r[len(r)-max(width-1, 0):])
}
