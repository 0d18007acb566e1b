package spanbuilder

import (
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/wire"
)

const (
	flagUC  wire.ResponseFlags = 1 << 6
	flagUPE wire.ResponseFlags = 1 << 23
	flagFI  wire.ResponseFlags = 1 << 10
)

// A response that began and was not finished is an error whatever its code, but the end of a tunnel is none.
func TestBrokenOffResponses(t *testing.T) {
	grpc := []string{"content-type: application/grpc"}
	check := func(name string, code uint32, method int32, flags wire.ResponseFlags, headers []string, status, want string) {
		t.Helper()
		e := testEntry(wire.DownstreamEnd, append([]string{"host", tp(traceA, idA)}, headers...)...)
		e.Code, e.Method, e.Flags = code, method, flags
		e.Set(wire.CodeDetails, []byte("via_upstream"))
		if headers != nil {
			e.Set(wire.Path, []byte("/shop.Cart/Get"))
		}
		if status != "" {
			e.Add(wire.ResponseTrailers, []byte("grpc-status"), []byte(status))
		}
		for kind, span := range map[string]func() *tracepb.Span{
			"SERVER": func() *tracepb.Span { s, _ := server(t, New(options()), e, testLogger(0), testClaim()); return s },
			"CLIENT": func() *tracepb.Span { s, _ := client(t, New(options()), e, testLogger(0), testClaim()); return s },
		} {
			if got := attr(span(), "error.type"); got != want {
				t.Errorf("%s, %s: error.type %q, want %q", name, kind, got, want)
			}
		}
	}
	check("whole", 200, 1, 0, nil, "", "")
	check("upstream closed early", 200, 1, flagUPE, nil, "", `"UPE"`)
	check("reset after a redirect's headers", 302, 1, flagUC, nil, "", `"UC"`)
	check("the caller left", 200, 1, wire.DownstreamTermination, nil, "", "")
	check("a fault was injected", 200, 1, flagFI, nil, "", "")
	check("end of a websocket", 101, 1, flagUC, nil, "", "")
	check("end of a tunnel", 200, 6, flagUC, nil, "", "")
	check("call without a status", 200, 3, flagUC, grpc, "", `"UC"`)
	check("complete call", 200, 3, flagUC, grpc, "0", "")
}

// A sidecar's record is of the sending side if its cluster says so, or if the request came from its own pod.
func TestOutbound(t *testing.T) {
	check := func(node, cluster, peer string, want bool) {
		t.Helper()
		e := testEntry(wire.DownstreamEnd)
		e.Set(wire.UpstreamCluster, []byte(cluster))
		e.DownstreamDirect = wire.Address{Kind: wire.SocketAddress, Host: e.Keep([]byte(peer))}
		if got := loggerOf(node, "edge").outbound(e); got != want {
			t.Errorf("%s %s from %s: %v, want %v", node, cluster, peer, got, want)
		}
	}
	const sidecar, router = "sidecar~10.0.0.7~web-1.shop~shop.svc", "router~10.0.0.7~gw-1.shop~shop.svc"
	check(sidecar, "outbound|80||a.shop.svc", "10.9.9.9", true)
	check(sidecar, "inbound|8080||", "10.0.0.7", false)
	check(sidecar, "InboundPassthroughCluster", "10.0.0.7", false)
	check(sidecar, "PassthroughCluster", "10.0.0.7", true)
	check(sidecar, "BlackHoleCluster", "::ffff:10.0.0.7", true)
	check(sidecar, "", "10.0.0.7", true)
	check(sidecar, "", "10.0.0.8", false)
	check(router, "outbound|80||a.shop.svc", "10.0.0.7", false)
}

// Of a TCP connection only the record of its end counts: a listener writes another one with the same facts.
func TestTCPRecords(t *testing.T) {
	check := func(typ wire.AccessLogType, on bool, use Use, why ledger.EntryDrop) {
		t.Helper()
		e := testEntry(typ)
		e.TCP = true
		if gotUse, gotWhy := Classify(e, on); gotUse != use || gotWhy != why {
			t.Errorf("type %d, on %v: %v %v, want %v %v", typ, on, gotUse, gotWhy, use, why)
		}
	}
	check(wire.TCPConnectionEnd, true, Request, 0)
	check(wire.UDPSessionEnd, true, Request, 0)
	check(wire.NotSet, true, Drop, ledger.EntryListener)
	check(wire.TCPPeriodic, true, Drop, ledger.EntryPeriodic)
	check(wire.TCPConnectionEnd, false, Drop, ledger.EntryTCP)
}
