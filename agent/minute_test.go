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
)

// minute is the traffic of docs/sampling.md: what the sidecars of two services log in a minute.
type minute struct {
	rng                          *rand.Rand
	route, failed, slow, context []int // where each request stands, in orders that have nothing to do with each other
	at                           int
}

// So many requests there are, and so many of them are like that. The sidecar of payment logs those of checkout.
const (
	inMinute = 12000
	tenth    = 100 * time.Millisecond

	ofAdmin, ofCheckout, ofCart           = 120, 1080, 2400
	withError, tookLong                   = 240, 120
	notSampledByTracer, withoutAnyContext = 1200, 600
)

func newMinute() *minute {
	m := &minute{rng: rand.New(rand.NewPCG(1, 2))}
	for _, order := range []*[]int{&m.route, &m.failed, &m.slow, &m.context} {
		*order = m.rng.Perm(inMinute)
	}
	return m
}

// next gives what is logged in the next tenth of a second, by service; nothing when the minute is over.
func (m *minute) next() map[string][]*alspb.HTTPAccessLogEntry {
	logged := map[string][]*alspb.HTTPAccessLogEntry{}
	for end := min(m.at+inMinute/int(time.Minute/tenth), inMinute); m.at < end; m.at++ {
		service, e := m.request(m.at)
		logged[service] = append(logged[service], e)
	}
	return logged
}

// request gives request n, which has just ended, and the service that it was for.
func (m *minute) request(n int) (service string, e *alspb.HTTPAccessLogEntry) {
	service, route := "shop", "products"
	switch at := m.route[n]; {
	case at < ofAdmin:
		route = "admin"
	case at < ofAdmin+ofCheckout:
		service, route = "payment", "checkout"
	case at < ofAdmin+ofCheckout+ofCart:
		route = "cart"
	}
	took, code := 20*time.Millisecond, uint32(200)
	if m.slow[n] < tookLong {
		took = 3 * time.Second
	}
	if m.failed[n] < withError {
		code = 503
	}
	e = finished(route, took, code)
	e.Request.RequestId = fmt.Sprintf("%08x-0f4c-9b5e-8c1d-%012x", n, m.rng.Uint64()>>16)
	e.CommonProperties.UpstreamCluster, e.CommonProperties.UpstreamRemoteAddress = "inbound|8080||", address("127.0.0.1")
	trace, flags := fmt.Sprintf("%016x%016x-%016x", m.rng.Uint64(), m.rng.Uint64(), m.rng.Uint64()), "01"
	switch at := m.context[n]; {
	case at < withoutAnyContext:
		return service, e
	case at < withoutAnyContext+notSampledByTracer:
		flags = "00"
	}
	e.Request.RequestHeaders = map[string]string{"traceparent": "00-" + trace + "-" + flags}
	return service, e
}

// finished makes the entry of a request that has just ended.
func finished(route string, took time.Duration, code uint32) *alspb.HTTPAccessLogEntry {
	return &alspb.HTTPAccessLogEntry{
		CommonProperties: &alspb.AccessLogCommon{
			StartTime: timestamppb.New(time.Now().Add(-took)), Duration: durationpb.New(took), AccessLogType: alspb.AccessLogType_DownstreamEnd, RouteName: route,
		},
		Request:  &alspb.HTTPRequestProperties{Path: "/" + route, RequestMethod: corepb.RequestMethod_GET, Scheme: "http", Authority: "shop.example.com"},
		Response: &alspb.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(code), ResponseCodeDetails: "via_upstream"},
	}
}

func address(host string) *corepb.Address {
	return &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{Address: host, PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: 8080}}}}
}

// meshMessage encodes entries of an Envoy of Istio's, a sidecar or a router.
func meshMessage(t testing.TB, role, ip, service string, entries []*alspb.HTTPAccessLogEntry) []byte {
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

// afterMinute gives what an agent with that configuration says at /metrics right after the minute, and the spans that it has sent.
func afterMinute(t *testing.T, conf string) (metrics string, spans []*tracepb.Span) {
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
		time.Sleep(time.Millisecond) // so that no message comes at the very time of a tick
		m := newMinute()
		for logged := m.next(); len(logged) > 0; logged = m.next() {
			for _, service := range slices.Sorted(maps.Keys(logged)) {
				message := accesslog.NewMessage(meshMessage(t, "sidecar", "10.244.2.7", service, logged[service]))
				streams[service](&message)
			}
			time.Sleep(tenth + time.Microsecond) // nor when the wait of another one ends
		}
		time.Sleep(c.Export.Batch.Age - tenth + 10*time.Millisecond) // the last ones are sent
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
