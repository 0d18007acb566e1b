package agent

import (
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alssvc "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/traces"
)

// logMessage is alsMessage of another log.
func logMessage(t *testing.T, log string, entries ...*alspb.HTTPAccessLogEntry) []byte {
	return encode(t, &alssvc.StreamAccessLogsMessage{
		Identifier: &alssvc.StreamAccessLogsMessage_Identifier{Node: fake.Node("envoy-1", "edge"), LogName: log},
		LogEntries: &alssvc.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alssvc.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries}},
	})
}

// poorer gives the entry as a logger without headers has it.
func poorer(e *alspb.HTTPAccessLogEntry) *alspb.HTTPAccessLogEntry {
	e = proto.CloneOf(e)
	e.Request.RequestHeaders = nil
	return e
}

// Of two loggers of one request, the one without headers comes first. Its entry waits for the better one, which takes its
// place; a request that only the poorer logger has is not lost.
func TestPoorLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e, s := pair(1)
		e.Request.RequestId = e.Request.RequestId[:14] + "9" + e.Request.RequestId[15:] // this Envoy writes its reasons
		r.logs(1, logMessage(t, "poor", poorer(e)))
		r.after(10 * time.Millisecond)
		r.logs(2, alsMessage(t, e))
		r.after(time.Second)
		r.request(otlpMessage(t, s))
		r.after(time.Second)
		if len(r.out) != 1 || hex.EncodeToString(r.out[0].SpanId) != fmt.Sprintf("%016x", 0x1001) || attributesOf(r.out[0].Span)["envoy.log_name"] != "edge" {
			t.Fatalf("joined: %v", r.out)
		}
		unsampled := func(n int) *alspb.HTTPAccessLogEntry { // nobody waits for its span
			e, _ := pair(n)
			e.Request.RequestHeaders["traceparent"] = e.Request.RequestHeaders["traceparent"][:53] + "00"
			return e
		}
		e = unsampled(2)
		r.logs(1, logMessage(t, "poor", poorer(e)))
		r.after(2 * time.Second)
		if len(r.out) != 1 {
			t.Fatalf("it does not wait for the better copy: %v", r.out[1:])
		}
		r.logs(2, alsMessage(t, e))
		r.after(time.Second)
		if len(r.out) != 2 || hex.EncodeToString(r.out[1].TraceId) != traceOf(2) {
			t.Fatalf("the better copy: %v", r.out[1:])
		}
		e = unsampled(3)
		began := time.Now()
		r.logs(1, logMessage(t, "poor", poorer(e)))
		r.after(10 * time.Second)
		if len(r.out) != 3 || r.out[2].Kind != tracepb.Span_SPAN_KIND_SERVER {
			t.Fatalf("the only copy: %v", r.out[2:])
		}
		if waited := r.out[2].At.Sub(began); waited < 2500*time.Millisecond || waited > 2520*time.Millisecond {
			t.Errorf("it has waited for %v", waited)
		}
		// And a better copy that comes too late makes no second span.
		r.logs(2, alsMessage(t, e))
		r.after(10 * time.Second)
		if out := r.end(); len(out) != 3 || r.p.Entries.Duplicate.Load() != 3 {
			t.Errorf("%d spans, %d duplicates", len(out), r.p.Entries.Duplicate.Load())
		}
	})
}

// tried makes a request of two attempts, of an Envoy with a span for each: the entries of both and of the request, the SERVER
// and the CLIENTs.
func tried(n int) (end *alspb.HTTPAccessLogEntry, ups []*alspb.HTTPAccessLogEntry, server *tracepb.Span, clients []*tracepb.Span) {
	end, server = pair(n)
	for i := range 2 {
		id := fmt.Sprintf("%016x", 0x3000+16*n+i)
		up := proto.CloneOf(end)
		up.CommonProperties.AccessLogType = alspb.AccessLogType_UpstreamEnd
		start := end.CommonProperties.StartTime.AsTime().Add(time.Duration(1+4*i) * time.Millisecond)
		up.CommonProperties.StartTime, up.CommonProperties.Duration.Nanos = timestamppb.New(start), 3e6
		up.Request.RequestHeaders["traceparent"] = "00-" + traceOf(n) + "-" + id + "-01"
		end.Request.RequestHeaders["traceparent"] = up.Request.RequestHeaders["traceparent"] // the last one's
		client := &tracepb.Span{TraceId: server.TraceId, SpanId: unhex(id), ParentSpanId: server.SpanId, Name: fmt.Sprint("attempt ", i), Kind: tracepb.Span_SPAN_KIND_CLIENT,
			StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(start.UnixNano()) + 3e6,
			Attributes: []*commonpb.KeyValue{text("component", "proxy"), text("http.status_code", "200"), text("upstream_cluster", "shop")}}
		ups, clients = append(ups, up), append(clients, client)
	}
	return end, ups, server, clients
}

// Each attempt is one CLIENT below the SERVER of its request, whichever half comes first, and whether Envoy sends a span or not.
func TestAttemptsOnTheWay(t *testing.T) {
	for _, own := range []bool{false, true} {
		for _, spansFirst := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				for n := 1; n < 4; n++ { // the agent learns with the first one
					before := len(r.out)
					end, ups, server, clients := tried(n)
					spans := append([]*tracepb.Span{server}, clients...)
					if !own {
						spans = spans[:1]
					}
					if spansFirst {
						r.request(otlpMessage(t, spans...))
						r.after(500 * time.Millisecond)
					}
					r.logs(1, alsMessage(t, append(ups, end)...))
					if !spansFirst {
						r.after(500 * time.Millisecond)
						r.request(otlpMessage(t, spans...))
					}
					r.after(30 * time.Second)
					servers, attempts := 0, map[string]int{}
					for _, s := range r.out[before:] {
						a := attributesOf(s.Span)
						switch {
						case s.Kind == tracepb.Span_SPAN_KIND_SERVER:
							if servers++; a["url.path"] == "" || string(s.SpanId) != string(server.SpanId) {
								t.Errorf("the SERVER is %v", s)
							}
						case n == 1: // nobody knows of attempts yet
						case string(s.ParentSpanId) != string(server.SpanId):
							t.Errorf("below another one: %v", s)
						case a["envoy.log_name"] == "":
							t.Errorf("without its entry: %v", s)
						default:
							attempts[hex.EncodeToString(s.SpanId)]++
						}
					}
					if servers != 1 || n > 1 && (len(attempts) != 2 || len(r.out)-before != 3) {
						t.Errorf("request %d, own %v, spans first %v: %v", n, own, spansFirst, names(r.out[before:]))
					}
				}
				r.end()
			})
		}
	}
}

// zipkinMessage is a request with a span of a service.
func zipkinMessage(t *testing.T, service string, s *tracepb.Span) []byte {
	return encode(t, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", service)}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}}}}})
}

// Of two halves of a shared span the caller keeps the id; the server gets one below it, and so do those below the server.
func TestSharedHalves(t *testing.T) {
	for _, serverFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			now := uint64(time.Now().UnixNano())
			half := func(n int, kind tracepb.Span_SpanKind, name string, from, to uint64) *tracepb.Span {
				return &tracepb.Span{TraceId: unhex(traceOf(n)), SpanId: unhex(fmt.Sprintf("%016x", 0x5000+n)), Kind: kind, Name: name, StartTimeUnixNano: now + from, EndTimeUnixNano: now + to}
			}
			for n := 1; n < 3; n++ {
				client, server, below := half(n, 3, "client", 0, 9e6), half(n, 2, "server", 1e6, 8e6), half(n, 3, "below", 2e6, 7e6)
				below.SpanId, below.ParentSpanId = unhex(fmt.Sprintf("%016x", 0x6000+n)), server.SpanId
				if !serverFirst {
					r.request(zipkinMessage(t, "caller", client), traces.Zipkin)
				}
				r.request(zipkinMessage(t, "callee", server), traces.Zipkin|traces.Shared)
				r.request(zipkinMessage(t, "callee", below), traces.Zipkin)
				if serverFirst {
					r.after(time.Second)
					r.request(zipkinMessage(t, "caller", client), traces.Zipkin)
				}
				r.after(10 * time.Second)
				got := map[string]*leaving{}
				for _, s := range r.out {
					got[s.Name] = s
				}
				if len(r.out) != 3*n || len(got) != 3 {
					t.Fatalf("%v", names(r.out))
				}
				if string(got["client"].SpanId) != string(client.SpanId) || string(got["server"].SpanId) == string(client.SpanId) || string(got["server"].ParentSpanId) != string(client.SpanId) ||
					string(got["below"].ParentSpanId) != string(got["server"].SpanId) {
					t.Errorf("request %d, server first %v: %v", n, serverFirst, got)
				}
			}
			r.end()
		})
	}
}
