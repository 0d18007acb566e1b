package parity

import (
	"math"
	"strings"

	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// typedSpans have values of every type under the same keys.
func typedSpans() []*tracepb.ResourceSpans {
	deep := object{"k", "v", "n", 1, "deep", object{"x", "y", "list", []any{1, 2, object{"z", true}}}}
	return []*tracepb.ResourceSpans{
		from(resource("service.name", "types", "list", []any{"a", "b"}, "map", deep, "int", 42, "dbl", 2.5, "bool", true, "empty", "", "unset", nil),
			by("types", "v1",
				span("all types", Internal, ms, "str", "text", "int", 42, "dbl", 2.5, "bool", true, "bytes", []byte{0xde, 0xad, 0xbe, 0xef},
					"list", []any{"a", "b"}, "map", deep, "unset", nil),
				span("zeros", Internal, 2*ms, "str", "", "int", 0, "dbl", 0.0, "bool", false, "bytes", []byte{}, "list", []any{}, "map", object{}),
				span("signs", Internal, 3*ms, "str", "42", "int", -1, "dbl", math.Copysign(0, -1), "bytes", []byte{0}, "list", []any{1, 2, 3},
					"map", object{"k", 1}),
				span("largest", Internal, 4*ms, "str", "2.5", "int", math.MaxInt64, "dbl", 1e21, "list", []any{1, "a", true, 2.5, nil, []byte("x")},
					"map", object{"k", nil}),
				span("smallest", Internal, 5*ms, "str", "true", "int", math.MinInt64, "dbl", math.NaN(), "list", []any{[]any{"a"}, []any{}},
					"map", object{"k", true}),
				span("same number", Internal, 6*ms, "str", "500", "int", 500, "dbl", 500.0, "list", []any{500, 500.0}),
				span("infinite", Internal, 7*ms, "str", "say \"hi\"\n\tback\\slash", "dbl", math.Inf(1), "int", 1<<53+1),
				span("below", Internal, 8*ms, "str", "MiXeD Case-here_Now", "dbl", math.Inf(-1), "int", 1<<53),
				span("unicode", Internal, 9*ms, "str", "Grüße, 世界 🚀", "dbl", 0.1, "int", 7),
				span("spaces", Internal, 10*ms, "str", "  padded  ", "dbl", 1e-7, "int", 100),
				span("other types", Internal, 11*ms, "str", 7, "int", "7", "dbl", 3, "bool", "true", "bytes", "abc", "list", "[\"a\",\"b\"]",
					"map", []any{object{"k", "v"}}),
				span("texts only", Internal, 12*ms, "str", "7", "int", "abc", "dbl", "1e3", "bool", "yes", "bytes", "3q2+7w==", "list", "a,b",
					"map", "{\"k\":\"v\"}"),
				span("doubles", Internal, 13*ms, "str", 7.0, "int", 42.0, "dbl", 42, "bool", 1, "bytes", 0xde),
				span("nothing", Internal, 14*ms),
				span("twice", Internal, 15*ms, "k", "first", "k", "second", "int", 1, "k", 3, "int", 2),
				span("keys", Internal, 16*ms, "", "empty key", "with space", 1, "with\"quote", 2,
					"with.dot", object{"a", 1}, "with", object{"dot", 2}, "UPPER", true, strings.Repeat("long", 60), "x"),
				span("parsed", Internal, 17*ms, readable...))),
	}
}

// readable has texts that converters can read.
var readable = []any{
	"json", `{"a":1,"b":{"c":"d"},"l":[1,"x"]}`, "kv", "method=GET status=200 path=/x", "csv", "red,green,\"b,lue\"",
	"xml", "<a id=\"1\"><b>text</b></a>",
	"url", "https://user:pw@shop.example:8443/p/a?q=1#frag",
	"agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	"base64", "aGVsbG8gd29ybGQ=", "ip", "10.20.30.40", "ip6", "2001:db8::1", "luhn", "4111111111111111", "time", "2024-05-17T10:30:00Z",
	"clf", "17/May/2024:10:30:00 +0000",
	"hexnum", "ff", "duration", "1m30s", "uuid", "01890a5d-ac96-774b-bcce-b302099a8057", "grok", "127.0.0.1 GET /index.html 15824 0.043",
	"level", "warn",
	"camel", "someValueHere", "unsorted", []any{"b", "c", "a"}, "pairs", []any{object{"name", "x", "val", 1}, object{"name", "y", "val", 2}},
	"epoch", 1715941800, "severity", 17,
}

// oddSpans have what one rarely sees in all places but the attributes.
func oddSpans() []*tracepb.ResourceSpans {
	edit := func(name string, change func(*tracepb.Span)) *tracepb.Span { return with(span(name, 0, ms), change) }
	at := uint64(began.UnixNano())
	bare := from(nil,
		&tracepb.ScopeSpans{Spans: []*tracepb.Span{
			edit("no resource and no scope", func(s *tracepb.Span) {}),
			edit("zero times", func(s *tracepb.Span) { s.StartTimeUnixNano, s.EndTimeUnixNano = 0, 0 }),
			edit("ends before it starts", func(s *tracepb.Span) { s.EndTimeUnixNano = at - 5 }),
			edit("never ends", func(s *tracepb.Span) { s.EndTimeUnixNano = 0 }),
			edit("starts after all time", func(s *tracepb.Span) { s.StartTimeUnixNano, s.EndTimeUnixNano = math.MaxInt64+2, math.MaxUint64 }),
			edit("parent of zeros", func(s *tracepb.Span) { s.ParentSpanId = make([]byte, 8) }),
			edit("its own parent", func(s *tracepb.Span) { s.SpanId, s.ParentSpanId = id("00f067aa0ba902b8"), id("00f067aa0ba902b8") }),
			edit("", func(s *tracepb.Span) { s.Attributes = attrs("reason", "no name") }),
			edit("kind 9", func(s *tracepb.Span) { s.Kind = 9 }),
			edit("kind -1", func(s *tracepb.Span) { s.Kind = -1 }),
			edit("code 7", func(s *tracepb.Span) { s.Status = &tracepb.Status{Code: 7, Message: "unknown"} }),
			edit("message of OK", func(s *tracepb.Span) { s.Status = &tracepb.Status{Code: 1, Message: "fine"} }),
			edit("all flags", func(s *tracepb.Span) { s.Flags = math.MaxUint32 }),
			edit("counts", func(s *tracepb.Span) {
				s.DroppedAttributesCount, s.DroppedEventsCount, s.DroppedLinksCount = math.MaxUint32, 7, 9
			}),
		}})
	counted := from(&resourcepb.Resource{Attributes: attrs("service.name", "", "service.name", "twice",
		"deployment.environment", "test"), DroppedAttributesCount: 4},
		by("", "0.0.1", edit("scope without a name", func(s *tracepb.Span) { s.Attributes = attrs("http.method", "GET") })),
		by("noisy", "", edit("scope without a version", func(s *tracepb.Span) { s.Attributes = attrs("http.method", "get", "env", "prod") })))
	counted.ScopeSpans[1].Scope.Attributes = attrs("team", "orders", "team", "second", "list", []any{1, 2})
	return []*tracepb.ResourceSpans{bare, counted}
}
