package agent

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alssvc "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/wire"
)

// The traffic of docs/sampling.md: so many requests within a minute, and so many of them are like that. The sidecar of payment logs those
// of checkout, that of shop the rest.
const (
	inMinute = 12000
	tenth    = 100*time.Millisecond + time.Microsecond // so that what comes and what has waited for it never come at the same time

	ofAdmin, ofCheckout, ofCart           = 120, 1080, 2400
	withError, tookLong                   = 240, 120
	notSampledByTracer, withoutAnyContext = 1200, 600
)

// logged is a message of access logs, and the service whose sidecar sends it.
type logged struct {
	service string
	body    []byte
}

// minute gives what comes in each tenth of a second from began on. It is always the same.
func minute(t testing.TB, began time.Time) (messages [][]logged) {
	rng := rand.New(rand.NewPCG(1, 2))
	var orders [4][]int // of the requests: what one says of a request has nothing to do with what another one says
	for i := range orders {
		orders[i] = rng.Perm(inMinute)
	}
	const each = inMinute / 600
	for from := 0; from < inMinute; from += each {
		entries := map[string][]*alspb.HTTPAccessLogEntry{}
		for n := from; n < from+each; n++ {
			route, failed, slow, context := orders[0][n], orders[1][n], orders[2][n], orders[3][n]
			service, name, took, code := "shop", "products", 20*time.Millisecond, uint32(200)
			switch {
			case route < ofAdmin:
				name = "admin"
			case route < ofAdmin+ofCheckout:
				service, name = "payment", "checkout"
			case route < ofAdmin+ofCheckout+ofCart:
				name = "cart"
			}
			if failed < withError {
				code = 503
			}
			if slow < tookLong {
				took = 3 * time.Second
			}
			e := finished(began.Add(time.Duration(from/each)*tenth), took, name, code)
			e.Request.RequestId = fmt.Sprintf("%08x-0f4c-9b5e-8c1d-%012x", n, rng.Uint64()>>16)
			e.CommonProperties.UpstreamCluster, e.CommonProperties.UpstreamRemoteAddress = "inbound|8080||", address("127.0.0.1")
			trace := fmt.Sprintf("00-%016x%016x-%016x-", rng.Uint64(), rng.Uint64(), rng.Uint64())
			switch {
			case context < withoutAnyContext:
			case context < withoutAnyContext+notSampledByTracer:
				e.Request.RequestHeaders = map[string]string{"traceparent": trace + "00"}
			default:
				e.Request.RequestHeaders = map[string]string{"traceparent": trace + "01"}
			}
			entries[service] = append(entries[service], e)
		}
		var now []logged
		for _, service := range slices.Sorted(maps.Keys(entries)) {
			now = append(now, logged{service, meshMessage(t, "sidecar", "10.244.2.7", service, entries[service]...)})
		}
		messages = append(messages, now)
	}
	return messages
}

// finished makes the entry of a request that ended then.
func finished(end time.Time, took time.Duration, route string, code uint32) *alspb.HTTPAccessLogEntry {
	return &alspb.HTTPAccessLogEntry{
		CommonProperties: &alspb.AccessLogCommon{
			StartTime: timestamppb.New(end.Add(-took)), Duration: durationpb.New(took), AccessLogType: alspb.AccessLogType_DownstreamEnd, RouteName: route,
		},
		Request:  &alspb.HTTPRequestProperties{Path: "/" + route, RequestMethod: corepb.RequestMethod_GET, Scheme: "http", Authority: "shop.example.com"},
		Response: &alspb.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(code), ResponseCodeDetails: "via_upstream"},
	}
}

func address(host string) *corepb.Address {
	return &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{Address: host, PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: 8080}}}}
}

// meshMessage encodes entries of an Envoy of Istio's: a sidecar or a router.
func meshMessage(t testing.TB, role, ip, service string, entries ...*alspb.HTTPAccessLogEntry) []byte {
	t.Helper()
	b, err := proto.Marshal(&alssvc.StreamAccessLogsMessage{
		Identifier: &alssvc.StreamAccessLogsMessage_Identifier{LogName: "access", Node: fake.Node(fmt.Sprintf("%s~%s~%s-5f6c9b7d48-l2x9p.%[3]s~%[3]s.svc.cluster.local", role, ip, service), service)},
		LogEntries: &alssvc.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alssvc.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// afterMinute gives what an agent with that configuration says at /metrics right after those messages, and the spans that it has sent.
func afterMinute(t *testing.T, messages [][]logged, conf string) (metrics string, spans []*tracepb.Span) {
	t.Helper()
	c, err := config.Parse("alspan.yaml", []byte(conf), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*string{&c.Receive.GRPC.Address, &c.Receive.ALS.Address, &c.Receive.HTTP.Address, &c.Receive.Zipkin.Address, &c.Admin.Address} {
		*a = "" // a bubble has no sockets
	}
	synctest.Test(t, func(t *testing.T) {
		a, err := Start(c, func(list []*tracepb.ResourceSpans) {
			for _, rs := range list {
				for _, ss := range rs.ScopeSpans {
					spans = append(spans, ss.Spans...)
				}
			}
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		streams := map[string]accesslog.Consumer{"shop": a.pipeline.stream(netip.MustParseAddr("10.244.2.7")), "payment": a.pipeline.stream(netip.MustParseAddr("10.244.2.8"))}
		time.Sleep(time.Millisecond) // nor does anything come at the very time of a tick
		for _, now := range messages {
			for _, l := range now {
				m := accesslog.NewMessage(slices.Clone(l.body))
				streams[l.service](&m)
			}
			time.Sleep(tenth)
		}
		time.Sleep(c.Export.Batch.Age - tenth/2) // the last ones are sent
		synctest.Wait()
		metrics = metricsOf(t, a.adminHandler())
		a.Stop()
		checkLedgers(t, a)
	})
	return metrics, spans
}

func metricsOf(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// byRoute gives rows of a table: of each route and status how many requests there were, and how many spans.
func byRoute(messages [][]logged, spans []*tracepb.Span) string {
	type key struct{ route, status string }
	came, kept := map[key]int{}, map[key]int{}
	for _, now := range messages {
		for _, l := range now {
			var e wire.Entry
			for m := accesslog.NewMessage(slices.Clone(l.body)); m.Next(&e) == accesslog.Good; {
				came[key{string(e.Text(wire.RouteName)), fmt.Sprint(e.Code)}]++
			}
		}
	}
	for _, s := range spans {
		k := key{}
		for _, a := range s.Attributes {
			switch a.Key {
			case "envoy.route_name":
				k.route = a.Value.GetStringValue()
			case "http.response.status_code":
				k.status = fmt.Sprint(a.Value.GetIntValue())
			}
		}
		kept[k]++
	}
	all := slices.SortedFunc(maps.Keys(came), func(a, b key) int { return came[b] - came[a] })
	var rows strings.Builder
	for _, k := range all {
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %d |\n", k.route, k.status, thousands(came[k]), kept[k])
	}
	return rows.String()
}
