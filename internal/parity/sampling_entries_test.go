package parity

import (
	"fmt"
	"math/rand/v2"
	"strings"
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
	other := shuffled(r, list)
	for _, st := range []stage{{sampling.Equalizing, 100}, {sampling.Equalizing, 50}, {sampling.Equalizing, 1}, {sampling.Proportional, 10}} {
		requests := requestsOf(list, 3)
		edge, next := st.entriesLeave(t, "edge", list), st.entriesLeave(t, "next", other)
		apps, collector := st.agentLeaves(t, false, requests), st.leaves(t, requests)
		kept := 0
		for n := range list {
			s := &list[n]
			app, _ := forwarded(apps.fate(n))
			if !strings.HasPrefix(app, "keeps") {
				app = "drops"
			} else {
				kept++
			}
			for envoy, fate := range map[string]string{"edge": edge[s.traceID()], "next": next[s.traceID()]} {
				if fate != app && (fate != "" || app != "drops") {
					t.Errorf("%+v, %q with %014x: what %s logs %q, an application's span %s", st, s.state, s.id, envoy, fate, app)
				}
			}
			st.checkFate(t, s, fates{collector.fate(n), apps.fate(n)})
		}
		if kept < 20 {
			t.Errorf("%+v: %d of %d are kept: too few to say anything", st, kept, len(list))
		}
	}
}

// entryTraces gives spans of applications, each in a trace of its own. What is made from an entry has nothing of a member ot in which a
// hint is bad, so that a good one beside it counts only for spans that come: there are none like that.
func entryTraces(t *testing.T, r *rand.Rand) (list []traced) {
	t.Helper()
	seen := map[uint64]bool{}
	for len(list) < 300 {
		s := traced{tested: tested{randomHints(r), randomID(r)}}
		if seen[s.id] || strings.HasSuffix(alspanReads(s.state), " malformed") {
			continue
		}
		seen[s.id] = true
		s.encode(t, len(list), encoded{span: marshal(span("GET /", Server, ms))}, false)
		list = append(list, s)
	}
	return list
}

// entriesLeave gives what becomes of the spans that an agent makes from what an Envoy logs of requests in the traces of list.
func (st stage) entriesLeave(t *testing.T, name string, list []traced) map[[16]byte]string {
	t.Helper()
	requests := exports(t, st.config(true)+"\nspans: {upstream: always}", func(a *running) error {
		e, err := fake.NewEnvoy(fake.EnvoyOptions{Target: a.agent.Address(), Node: &corev3.Node{Id: name, Cluster: name}, LogName: name})
		if err != nil {
			return err
		}
		for i := range list {
			if err := e.Log(0, list[i].entry([]byte(name), i)); err != nil {
				return err
			}
		}
		return e.Close(t.Context())
	})
	result, kinds := map[[16]byte]string{}, map[[16]byte]int{}
	for _, request := range requests {
		for _, l := range flatten(t, request) {
			trace, fate := [16]byte(l.span.TraceId), words(true, l.span.TraceState)
			if was, twice := result[trace]; twice && was != fate {
				t.Errorf("%+v: of one request one span %s, and another one %s", st, was, fate)
			}
			result[trace] = fate
			kinds[trace] |= 1 << l.span.Kind
		}
	}
	for trace, k := range kinds {
		if k != 1<<Server|1<<Client {
			t.Errorf("%+v: of trace %x there are spans of the kinds %b", st, trace, k)
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
