package spanbuilder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/red"
	"github.com/alspan/alspan/internal/wire"
)

func address(e *wire.Entry, host string) wire.Address {
	if host == "" {
		return wire.Address{}
	}
	return wire.Address{Kind: wire.SocketAddress, Host: e.Keep([]byte(host)), Port: 80}
}

// measured is an entry of a request from one address to another.
func measured(change func(*wire.Entry), caller, upstream string, pairs ...any) *wire.Entry {
	e := entryWith(append([]any{wire.RouteName, "cart"}, pairs...)...)
	e.Start = wire.Time{Set: true, Seconds: began.Unix() + 3600}
	e.Method, e.HasCode, e.Code = 1, true, 200
	e.Duration = wire.Time{Set: true, Seconds: 0, Nanos: 9e6}
	e.DownstreamDirect = address(e, caller)
	if upstream != "" {
		e.UpstreamRemote = address(e, upstream)
		e.Timings[wire.FirstUpstreamTx] = wire.Time{Set: true, Nanos: 1e6}
		e.Timings[wire.FirstUpstreamRx] = wire.Time{Set: true, Nanos: 6e6}
		e.Timings[wire.LastUpstreamRx] = wire.Time{Set: true, Nanos: 7e6}
	}
	if change != nil {
		change(e)
	}
	return e
}

func renderMeasures(list []red.Request) string {
	var lines []string
	for _, r := range list {
		kind := [...]string{"server", "client"}[r.Kind]
		edge := [...]string{"none", "count", "latency", "virtual"}[r.Edge]
		line := fmt.Sprintf("%s %s-%s %s %s %d %v %s", kind, r.Service, r.Peer, r.Method, r.Route, r.Class, r.Duration, edge)
		if r.Failed {
			line += " failed"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// What metrics say of a request: one side of it, or two, and who counts the edge of the service graph.
func TestMeasure(t *testing.T) {
	const (
		sidecar                          = "sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local"
		router                           = "router~10.4.0.2~envoy-kz2x9.ingress~ingress.svc.cluster.local"
		gateway, cart, named, db, nobody = "10.4.0.2", "10.4.0.3", "10.4.0.4", "10.9.0.9", "203.0.113.9"
	)
	code := func(n uint32) func(*wire.Entry) { return func(e *wire.Entry) { e.Code = n } }
	for _, c := range []struct {
		name, node string
		entry      *wire.Entry
		want       string
	}{
		{"edge, a stranger calls a pod", "envoy-kz2x9", measured(nil, nobody, cart, wire.UpstreamCluster, "shop/cart"),
			"server edge- GET cart 2 9ms virtual; client edge-cart-http GET cart 2 6ms virtual"},
		{"edge, a pod calls", "envoy-kz2x9", measured(nil, named, db), "server edge-by-owner GET cart 2 9ms count; client edge-db GET cart 2 6ms virtual"},
		{"edge, nobody knows the upstream", "envoy-kz2x9", measured(nil, nobody, nobody, wire.UpstreamCluster, "apps/rest/80/5a3cf1"),
			"server edge- GET cart 2 9ms virtual; client edge-apps/rest/80/5a3cf1 GET cart 2 6ms virtual"},
		{"edge, 404 is an error of the caller", "envoy-kz2x9", measured(code(404), nobody, cart),
			"server edge- GET cart 4 9ms virtual; client edge-cart-http GET cart 4 6ms virtual failed"},
		{"edge, 503", "envoy-kz2x9", measured(code(503), nobody, cart), "server edge- GET cart 5 9ms virtual failed; client edge-cart-http GET cart 5 6ms virtual failed"},
		{"edge, the host did not answer", "envoy-kz2x9", measured(func(e *wire.Entry) {
			e.Code, e.Flags = 504, requestTimeout
			e.Timings[wire.FirstUpstreamRx], e.Timings[wire.LastUpstreamRx] = wire.Time{}, wire.Time{}
		}, nobody, cart), "server edge- GET cart 5 9ms virtual failed; client edge-cart-http GET cart 0 8ms virtual failed"},
		{"edge, answered by itself", "envoy-kz2x9", measured(code(404), nobody, ""), "server edge- GET cart 4 9ms virtual"},
		{"edge, no code", "envoy-kz2x9", measured(func(e *wire.Entry) { e.HasCode, e.Code, e.Flags = false, 0, wire.DownstreamTermination }, nobody, ""),
			"server edge- GET cart 0 9ms virtual"},
		{"gateway of a mesh, a pod elsewhere", router, measured(nil, nobody, db, wire.UpstreamCluster, "outbound|80||db.shop.svc.cluster.local"),
			"server edge- GET cart 2 9ms virtual; client edge-db GET cart 2 6ms latency"},
		{"gateway of a mesh, a pod that is known whole and has no sidecar", router, measured(nil, nobody, named, wire.UpstreamCluster, "outbound|80||x.shop.svc.cluster.local"),
			"server edge- GET cart 2 9ms virtual; client edge-by-owner GET cart 2 6ms virtual"},
		{"gateway of a mesh, a stranger", router, measured(nil, nobody, nobody, wire.UpstreamCluster, "outbound|443||api.example.com"),
			"server edge- GET cart 2 9ms virtual; client edge-api.example.com GET cart 2 6ms virtual"},
		{"gateway of a mesh, a service without a known pod", router, measured(nil, nobody, nobody, wire.UpstreamCluster, "outbound|80|v1|cart.shop.svc.cluster.local"),
			"server edge- GET cart 2 9ms virtual; client edge-cart GET cart 2 6ms virtual"},
		{"sidecar, what came", sidecar, measured(nil, gateway, "127.0.0.1", wire.UpstreamCluster, "inbound|8080||"), "server edge-envoy GET cart 2 9ms count"},
		{"sidecar, what was sent", sidecar, measured(code(404), cart, db, wire.UpstreamCluster, "outbound|80||db.shop.svc.cluster.local"),
			"client edge-db GET cart 4 9ms latency failed"},
		{"gRPC", "envoy-kz2x9", measured(func(e *wire.Entry) {
			e.Method = 3
			e.Add(wire.RequestHeaders, []byte("content-type"), []byte("application/grpc"))
			e.Add(wire.ResponseTrailers, []byte("grpc-status"), []byte("14"))
		}, nobody, "", wire.Path, "/shop.Cart/Get"), "server edge- POST shop.Cart/Get 2 9ms virtual failed"},
		{"a method that nobody knows", "envoy-kz2x9", measured(func(e *wire.Entry) { e.Method = 77 }, nobody, ""), "server edge- _OTHER cart 2 9ms virtual"},
	} {
		o := options()
		o.Pods = cluster()
		var m Measures
		for range 2 { // the second time from memory
			if got := renderMeasures(New(o).Measure(&m, c.entry, loggerOf(c.node, "log"), "edge")); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
			}
		}
	}
}

// An error in metrics is an error in the spans, of both sides.
func TestMeasureAgreesWithSpans(t *testing.T) {
	b, n := New(options()), 0
	failed := func(s *tracepb.Span) bool { return s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR }
	for _, mode := range recordings.Modes() {
		for _, r := range replay(t, mode) {
			l := loggerOf("envoy-1", r.log)
			list := b.Measure(new(Measures), r.entry, l, "edge")
			s, _ := server(t, b, r.entry, l, testClaim())
			if list[0].Failed != failed(s) {
				t.Errorf("%v: failed %t, the span's status is %v", r, list[0].Failed, s.Status)
			}
			if len(list) > 1 {
				c, _ := client(t, b, r.entry, l, testClaim())
				if took := time.Duration(c.EndTimeUnixNano - c.StartTimeUnixNano); list[1].Failed != failed(c) || list[1].Duration != took {
					t.Errorf("%v: the upstream failed %t after %v, the span's status is %v after %v", r, list[1].Failed, list[1].Duration, c.Status, took)
				}
			}
			n++
		}
	}
	if n < 100 {
		t.Errorf("only %d entries", n)
	}
}

func TestMeasureAllocatesNothing(t *testing.T) {
	o := options()
	o.Pods = cluster()
	b, l, m := New(o), loggerOf("envoy-1", "edge"), new(Measures)
	e := measured(nil, "203.0.113.9", "10.9.0.10", wire.UpstreamCluster, "shop/cart/80")
	if n := testing.AllocsPerRun(100, func() { b.Measure(m, e, l, "edge") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
