package parity

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/sampling"
)

// Two Envoys that a request passes log to two agents. What these make of the entries is kept or dropped as an application's span of
// that trace is, by a third agent and by a collector, and has the same tracestate.
func TestSampledEntries(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	list := entryTraces(t, r)
	order, other := r.Perm(len(list)), r.Perm(len(list))
	for _, st := range []stage{{sampling.Equalizing, 100}, {sampling.Equalizing, 50}, {sampling.Equalizing, 1}, {sampling.Proportional, 10}} {
		requests := requestsOf(list, 3)
		edge, next := st.entriesLeave(t, "edge", list, order), st.entriesLeave(t, "next", list, other)
		apps, collector := st.agentLeaves(t, false, requests), st.leaves(t, requests)
		kept := 0
		for n := range list {
			s := &list[n]
			app, _ := forwarded(apps.fate(n))
			if app != "drops" {
				kept++
			}
			if edge[n] != app || next[n] != app {
				t.Errorf("%+v, %q with %014x: an application's span %s, of two entries one %s and one %s", st, s.state, s.id, app, edge[n], next[n])
			}
			st.checkFate(t, s, fates{collector.fate(n), apps.fate(n)})
		}
		if kept < 20 {
			t.Errorf("%+v: %d of %d are kept: too few to say anything", st, kept, len(list))
		}
	}
}

// entryTraces gives spans of applications, each in a trace of its own, some with a member ot that is malformed.
func entryTraces(t *testing.T, r *rand.Rand) (list []traced) {
	t.Helper()
	seen := map[uint64]bool{}
	for len(list) < 300 {
		s := traced{tested: tested{randomHints(r), randomID(r)}}
		if seen[s.id] {
			continue
		}
		seen[s.id] = true
		s.encode(t, len(list), encoded{span: marshal(span("GET /", Server, ms))}, false)
		list = append(list, s)
	}
	return list
}

// entriesLeave gives what becomes of the spans that an agent makes from what an Envoy logs, in that order, of requests in the traces of
// list: the same of both that it makes of each.
func (st stage) entriesLeave(t *testing.T, name string, list []traced, order []int) []string {
	t.Helper()
	requests := exports(t, st.config(true)+"\nspans: {upstream: always}", func(a *running) error {
		e, err := fake.NewEnvoy(fake.EnvoyOptions{Target: a.agent.Address(), Node: &corev3.Node{Id: name, Cluster: name}, LogName: name})
		if err != nil {
			return err
		}
		for _, n := range order {
			if err := e.Log(0, list[n].entry([]byte(name), n)); err != nil {
				return err
			}
		}
		return e.Close(t.Context())
	})
	spans := map[[16]byte][]string{}
	for _, request := range requests {
		for _, l := range flatten(t, request) {
			trace := [16]byte(l.span.TraceId)
			spans[trace] = append(spans[trace], words(true, l.span.TraceState))
		}
	}
	result := make([]string, len(list))
	for n := range list {
		both := spans[list[n].traceID()]
		if result[n] = words(false, ""); len(both) > 0 {
			result[n] = both[0]
		}
		if len(both) > 0 && (len(both) != 2 || both[0] != both[1]) {
			t.Errorf("%+v, %q with %014x: what %s logs of it makes %q", st, list[n].state, list[n].id, name, both)
		}
	}
	return result
}

// entry gives what an Envoy without a tracer logs of a request in that trace, sampled or not. Caller are four bytes of its caller's span.
func (s *traced) entry(caller []byte, n int) *alsdata.HTTPAccessLogEntry {
	trace := s.traceID()
	socket := func(address string) *corev3.Address {
		return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 8080}}}}
	}
	headers := map[string]string{"traceparent": fmt.Sprintf("00-%x-%x%08x-%02d", trace, caller, n, n%2)}
	if s.state != "" {
		headers["tracestate"] = s.state
	}
	at := began.Add(time.Duration(n) * ms)
	return &alsdata.HTTPAccessLogEntry{
		CommonProperties: &alsdata.AccessLogCommon{
			StartTime: timestamppb.New(at), Duration: durationpb.New(5 * ms), AccessLogType: alsdata.AccessLogType_DownstreamEnd,
			DownstreamRemoteAddress: socket("10.0.0.1"), UpstreamRemoteAddress: socket("10.0.0.2"), UpstreamCluster: "shop",
		},
		Request: &alsdata.HTTPRequestProperties{RequestMethod: 1, Scheme: "http", Authority: "shop.example", Path: "/orders",
			RequestId: fmt.Sprintf("%08x-0000-4000-8000-000000000000", n), RequestHeaders: headers},
		Response: &alsdata.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(200)},
	}
}
