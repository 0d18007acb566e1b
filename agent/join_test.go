package agent

import (
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/spanbuilder"
)

// pair makes the entry and the span of request n, which has just ended, by an Envoy that overwrites the trace header with
// the id of its own span.
func pair(n int) (*alspb.HTTPAccessLogEntry, *tracepb.Span) {
	start, took := time.Now().Add(-10*time.Millisecond).Truncate(time.Microsecond), 10*time.Millisecond
	trace, span, parent := fmt.Sprintf("%032x", 0xabc000+n), fmt.Sprintf("%016x", 0x1000+n), fmt.Sprintf("%016x", 0x2000+n)
	rid := fmt.Sprintf("%08x-1111-9111-8111-111111111111", n)
	e := &alspb.HTTPAccessLogEntry{
		CommonProperties: &alspb.AccessLogCommon{
			StartTime: timestamppb.New(start), Duration: durationpb.New(took), AccessLogType: alspb.AccessLogType_DownstreamEnd,
			UpstreamRemoteAddress: &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{Address: "10.1.2.3", PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: 8080}}}},
			UpstreamCluster:       "shop",
		},
		Request: &alspb.HTTPRequestProperties{
			Path: "/cart?token=x", RequestMethod: 1, RequestId: rid[:14] + "4" + rid[15:], Scheme: "http", Authority: "shop.example",
			RequestHeaders: map[string]string{"traceparent": "00-" + trace + "-" + span + "-01"},
		},
		Response: &alspb.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(200), ResponseCodeDetails: "via_upstream"},
	}
	s := &tracepb.Span{
		TraceId: unhex(trace), SpanId: unhex(span), ParentSpanId: unhex(parent), Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(start.Add(took).UnixNano()),
	}
	s.Attributes = append(s.Attributes, text("component", "proxy"), text("node_id", "envoy-1"), text("guid:x-request-id", rid), text("http.status_code", "200"),
		text("http.url", "http://shop.example/cart?token=x&a=b"), text("url.scheme", "gopher"))
	return e, s
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func attributesOf(s *tracepb.Span) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes {
		if _, twice := m[a.Key]; twice {
			m[a.Key] = "twice"
			continue
		}
		if m[a.Key] = a.Value.GetStringValue(); m[a.Key] == "" {
			m[a.Key] = a.Value.String()
		}
	}
	return m
}

// Whichever comes first, a request's entry and span are one span: the span's identity, both details.
func TestPairIsOneSpan(t *testing.T) {
	for _, spanFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			e, s := pair(1)
			if spanFirst {
				r.request(otlpMessage(t, s))
				r.after(2 * time.Second)
				r.logs(1, alsMessage(t, e))
			} else {
				r.logs(1, alsMessage(t, e))
				r.after(7 * time.Second)
				r.request(otlpMessage(t, s))
			}
			r.after(time.Second)
			if len(r.out) != 1 {
				t.Fatalf("%d spans", len(r.out))
			}
			got, a := r.out[0], attributesOf(r.out[0].Span)
			if string(got.SpanId) != string(s.SpanId) || string(got.ParentSpanId) != string(s.ParentSpanId) || got.Name != "ingress" || got.Kind != s.Kind {
				t.Errorf("identity: %v", got)
			}
			for key, want := range map[string]string{"http.url": "http://shop.example/cart?token=REDACTED&a=b", "url.scheme": "gopher", "url.path": "/cart",
				"url.query": "token=REDACTED", "envoy.upstream_cluster": "shop", "node_id": "envoy-1", "envoy.log_name": "edge", "http.response.status_code": "int_value:200"} {
				if a[key] != want {
					t.Errorf("%s is %q, not %q", key, a[key], want)
				}
			}
			if got.Scope.Name != "envoy" || got.Resource.Attributes[0].Value.GetStringValue() != "edge" {
				t.Errorf("resource %v, scope %v", got.Resource, got.Scope)
			}
			if n := r.p.entryFates[spanbuilder.Joined].Load(); n != 1 {
				t.Errorf("%d were joined", n)
			}
			r.end()
		})
	}
}

// Halves whose partner does not come go out when their time is up: the entry as what it proves, the span as it came.
func TestHalvesGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e, _ := pair(1)
		_, s := pair(2)
		began := time.Now()
		r.logs(1, alsMessage(t, e))
		r.request(otlpMessage(t, s))
		r.after(20 * time.Second)
		if len(r.out) != 2 {
			t.Fatalf("%d spans", len(r.out))
		}
		for i, want := range []time.Duration{2500 * time.Millisecond, 8 * time.Second} {
			if got := r.out[i].At.Sub(began); got < want || got > want+10*time.Millisecond {
				t.Errorf("span %d left after %v", i, got)
			}
		}
		if r.out[0].Name != "ingress" || len(r.out[0].Attributes) != 6 {
			t.Errorf("the span: %v", r.out[0])
		}
		r.end()
	})
}

// A late half never makes a second SERVER.
func TestLateHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e, s := pair(1)
		r.request(otlpMessage(t, s))
		r.after(5 * time.Second)
		r.logs(1, alsMessage(t, e))
		r.after(time.Second)
		if len(r.out) != 2 || r.out[1].Kind != tracepb.Span_SPAN_KIND_INTERNAL || string(r.out[1].ParentSpanId) != string(s.SpanId) {
			t.Errorf("late entry: %v", r.out)
		}
		e, s = pair(2)
		r.logs(1, alsMessage(t, e))
		r.after(9 * time.Second)
		r.request(otlpMessage(t, s))
		r.after(3 * time.Second)
		if len(r.out) != 4 || r.out[2].Kind != tracepb.Span_SPAN_KIND_INTERNAL || r.out[3].Kind != tracepb.Span_SPAN_KIND_SERVER {
			t.Errorf("late span of a logger that has joined: %v", r.out[2:])
		}
		r.end()
	})
}

// Entries of a logger whose spans do not come stop waiting, and start again when one does.
func TestWaitingStopsAndStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for n := range 40 {
			e, _ := pair(n)
			r.logs(1, alsMessage(t, e))
			r.after(time.Second)
		}
		r.after(10 * time.Second)
		before := len(r.out)
		e, s := pair(100)
		r.logs(1, alsMessage(t, e))
		r.after(100 * time.Millisecond)
		if before != 40 || len(r.out) != 41 {
			t.Fatalf("%d spans, then %d", before, len(r.out))
		}
		r.request(otlpMessage(t, s)) // it has another id than what was made
		r.after(4 * time.Second)
		if len(r.out) != 42 || r.out[41].Kind != tracepb.Span_SPAN_KIND_INTERNAL {
			t.Fatalf("the late span: %v", r.out[41:])
		}
		e, s = pair(101)
		r.logs(1, alsMessage(t, e))
		r.after(100 * time.Millisecond)
		if len(r.out) != 42 {
			t.Fatalf("it does not wait")
		}
		r.request(otlpMessage(t, s))
		r.after(time.Second)
		if len(r.out) != 43 || string(r.out[42].SpanId) != string(s.SpanId) {
			t.Fatalf("it does not join")
		}
		r.end()
	})
}
