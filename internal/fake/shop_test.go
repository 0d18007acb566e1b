package fake

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"
)

// TestTraffic holds the made-up requests against what real Envoys' recordings show.
func TestTraffic(t *testing.T) {
	now := time.Unix(1795247520, 683000456)
	traffic, again := NewTraffic(42), NewTraffic(42)
	seen, roots, hops := map[string]int{}, 0, 0
	ids := map[string]bool{}
	for range 3000 {
		r := traffic.Next(now)
		if same := again.Next(now); r.Trace != same.Trace || !slices.EqualFunc(slices.Concat(r.Edge, r.Mid), slices.Concat(same.Edge, same.Mid), equal) {
			t.Fatalf("the same seed differs: %v %v", r, same)
		}
		seen[r.Name]++
		spans := 0
		for _, es := range [][]*alsdata.HTTPAccessLogEntry{r.Edge, r.Mid} {
			if len(es) == 0 {
				continue
			}
			hops++
			spans += checkHop(t, r, es, ids)
		}
		if spans != r.Spans {
			t.Errorf("%s: %d spans, said %d", r.Name, spans, r.Spans)
		}
		start, end := r.Edge[0], r.Edge[1]
		if start.Request.RequestHeaders["traceparent"] == "" {
			roots++
		}
		if got := end.CommonProperties.StartTime.AsTime().Add(end.CommonProperties.Duration.AsDuration()); got.After(now) || now.Sub(got) > time.Microsecond {
			t.Errorf("%s ends at %v", r.Name, got)
		}
		if len(r.Mid) == 0 {
			continue
		}
		// What edge sent is what mid got, within the time that edge waited, and the answer is passed on.
		mid := r.Mid[1]
		if sent, got := end.Request.RequestHeaders["traceparent"], r.Mid[0].Request.RequestHeaders["traceparent"]; sent != got || sent == "" {
			t.Errorf("%s: edge sent %s, mid got %s", r.Name, sent, got)
		}
		if mid.Request.RequestId != end.Request.RequestId || mid.Request.Path != end.Request.Path {
			t.Errorf("%s: another request at mid", r.Name)
		}
		e, m := end.CommonProperties, mid.CommonProperties
		lag := m.StartTime.AsTime().Sub(e.StartTime.AsTime())
		if lag < e.TimeToFirstUpstreamTxByte.AsDuration() || lag+m.Duration.AsDuration() > e.Duration.AsDuration() {
			t.Errorf("%s: mid is not within edge: %v of %v", r.Name, lag+m.Duration.AsDuration(), e.Duration.AsDuration())
		}
		if up := e.TimeToFirstUpstreamRxByte; up != nil && (up.AsDuration() < lag+m.TimeToFirstDownstreamTxByte.AsDuration() ||
			e.TimeToLastUpstreamRxByte.AsDuration() < lag+m.TimeToLastDownstreamTxByte.AsDuration()) {
			t.Errorf("%s: edge got the answer before mid gave it", r.Name)
		}
	}
	for _, s := range shapes() {
		if seen[s.name] == 0 {
			t.Errorf("no %s", s.name)
		}
	}
	if len(seen) != len(shapes()) || roots < 1500 || roots > 2500 || len(ids) != hops {
		t.Errorf("%v, %d without context, %d SERVER ids for %d hops", seen, roots, len(ids), hops)
	}
	if r := NewTraffic(43).Next(now); r.Trace == NewTraffic(42).Next(now).Trace {
		t.Error("another seed gives the same")
	}
}

func equal(a, b *alsdata.HTTPAccessLogEntry) bool { return proto.Equal(a, b) }

// checkHop looks at one Envoy's two entries and gives the number of spans that they prove.
func checkHop(t *testing.T, r ShopRequest, es []*alsdata.HTTPAccessLogEntry, ids map[string]bool) int {
	t.Helper()
	start, end := es[0], es[1]
	s, e := start.CommonProperties, end.CommonProperties
	if s.AccessLogType != alsdata.AccessLogType_DownstreamStart || !s.IntermediateLogEntry || s.Duration != nil || s.CustomTags != nil ||
		e.AccessLogType != alsdata.AccessLogType_DownstreamEnd || e.IntermediateLogEntry {
		t.Errorf("%s: not a start and an end: %v %v", r.Name, s, e)
	}
	if !s.StartTime.AsTime().Equal(e.StartTime.AsTime()) || s.StartTime.Nanos%1000 != 0 || s.StreamId != e.StreamId {
		t.Errorf("%s: start and end do not belong together", r.Name)
	}
	if id := end.Request.RequestId; len(id) != 36 || id[14] != '9' || id != e.StreamId || strings.Count(id, "-") != 4 {
		t.Errorf("%s: request id %s", r.Name, id)
	}
	own := e.CustomTags["span_id"]
	if b, err := hex.DecodeString(own); err != nil || len(b) != 8 || e.CustomTags["trace_id"] != r.Trace || ids[own] {
		t.Errorf("%s: tags %v", r.Name, e.CustomTags)
	}
	ids[own] = true
	came, went := start.Request.RequestHeaders["traceparent"], end.Request.RequestHeaders["traceparent"]
	for _, h := range []string{came, went} {
		if h != "" && (len(h) != 55 || h[3:35] != r.Trace || h[36:52] == own || h[52:] != "-01") {
			t.Errorf("%s: traceparent %q", r.Name, h)
		}
	}

	// The order of a recorded entry's times; those that were not reached are absent.
	var last time.Duration
	for i, d := range []interface{ AsDuration() time.Duration }{
		e.TimeToLastRxByte, e.TimeToFirstUpstreamTxByte, e.TimeToLastUpstreamTxByte, e.TimeToFirstUpstreamRxByte,
		e.TimeToFirstDownstreamTxByte, e.TimeToLastUpstreamRxByte, e.TimeToLastDownstreamTxByte, e.Duration,
	} {
		if v := d.AsDuration(); v != 0 && v <= last {
			t.Errorf("%s: time %d is %v after %v", r.Name, i, v, last)
		} else {
			last = max(v, last)
		}
	}
	_, injected := end.Request.RequestHeaders["tracestate"]
	routed := e.UpstreamRemoteAddress != nil
	if injected != routed || (e.UpstreamCluster != "") != routed || (went != came) != routed || (e.TimeToFirstUpstreamTxByte != nil) != routed {
		t.Errorf("%s: routed %v, injected %v, came %q, went %q", r.Name, routed, injected, came, went)
	}
	if routed {
		return 2
	}
	return 1
}

// TestTrafficTroubles looks at the shapes that are not plain.
func TestTrafficTroubles(t *testing.T) {
	traffic := NewTraffic(1)
	troubles := map[string]func(edge, mid *alsdata.HTTPAccessLogEntry) bool{
		"recommend-retried": func(_, mid *alsdata.HTTPAccessLogEntry) bool {
			return mid.CommonProperties.UpstreamRequestAttemptCount == 3 && mid.Response.ResponseCode.Value == 200
		},
		"reviews-down": func(edge, mid *alsdata.HTTPAccessLogEntry) bool {
			return mid.CommonProperties.ResponseFlags.NoHealthyUpstream && mid.CommonProperties.UpstreamRemoteAddress == nil &&
				edge.Response.ResponseCode.Value == 503 && edge.CommonProperties.ResponseFlags == nil
		},
		"search-slow": func(edge, mid *alsdata.HTTPAccessLogEntry) bool {
			return edge.Response.ResponseCode.Value == 504 && edge.CommonProperties.ResponseFlags.UpstreamRequestTimeout &&
				edge.CommonProperties.Duration.AsDuration() >= routeTimeout &&
				mid.Response.ResponseCode == nil && mid.CommonProperties.ResponseFlags.DownstreamConnectionTermination
		},
		"no-route": func(edge, mid *alsdata.HTTPAccessLogEntry) bool {
			return mid == nil && edge.CommonProperties.ResponseFlags.NoRouteFound && edge.Response.ResponseCodeDetails == "route_not_found"
		},
		"reserve-unknown": func(edge, mid *alsdata.HTTPAccessLogEntry) bool {
			return edge.Response.ResponseTrailers["grpc-status"] == "5" && edge.Request.RequestHeaders["content-type"] == "application/grpc" &&
				edge.ProtocolVersion == alsdata.HTTPAccessLogEntry_HTTP2 && mid.Response.ResponseCode.Value == 200
		},
		"checkout-failed": func(edge, mid *alsdata.HTTPAccessLogEntry) bool {
			return edge.Response.ResponseCode.Value == 500 && mid.Response.ResponseCode.Value == 500
		},
	}
	left := maps.Clone(troubles)
	for range 2000 {
		r := traffic.Next(time.Now())
		var mid *alsdata.HTTPAccessLogEntry
		if len(r.Mid) > 0 {
			mid = r.Mid[1]
		}
		if right := troubles[r.Name]; right != nil && !right(r.Edge[1], mid) {
			t.Fatalf("%s: %v\n%v", r.Name, r.Edge[1], mid)
		}
		delete(left, r.Name)
	}
	if len(left) > 0 {
		t.Errorf("not seen: %v", left)
	}
}

// TestShop sends the traffic to a server and compares what came with the totals.
func TestShop(t *testing.T) {
	s, l := &alsServer{}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	var expected, last uint64
	totals, err := Shop(t.Context(), ShopOptions{
		Target: l.Addr().String(), Rate: -1, Requests: 200, Seed: 7,
		OnRequest: func(r ShopRequest) { expected += uint64(r.Spans); last++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	logs, entries := map[string]int{}, 0
	names := map[int]string{}
	for _, r := range s.drained() {
		if id := r.message.Identifier; id != nil {
			names[r.stream] = id.LogName
		}
		n := len(r.message.GetHttpLogs().GetLogEntry())
		logs[names[r.stream]] += n
		entries += n
	}
	if totals.Requests != 200 || last != 200 || totals.Spans != expected || totals.Entries != uint64(entries) ||
		logs["edge"] != 400 || logs["mid"] != entries-400 || totals.Edge.Entries+totals.Mid.Entries != totals.Entries {
		t.Errorf("%+v, came %v, expected %d spans", totals, logs, expected)
	}
}

// TestShopRate: the rate holds, and a shop without an end stops with its context, having sent what it logged.
func TestShopRate(t *testing.T) {
	s, l := &alsServer{}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	begin := time.Now()
	if _, err := Shop(t.Context(), ShopOptions{Target: l.Addr().String(), Rate: 200, Requests: 21}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("21 requests at 200/s took %v", took)
	}
	s.drained()

	ctx, cancel := context.WithCancel(t.Context())
	totals, err := Shop(ctx, ShopOptions{Target: l.Addr().String(), Rate: 1000, OnRequest: func(ShopRequest) { cancel() }})
	if err != nil || totals.Requests != 1 || totals.Edge.Entries != 2 || totals.Entries == 0 {
		t.Errorf("%+v, %v", totals, err)
	}
	entries := 0
	for _, r := range s.drained() {
		entries += len(r.message.GetHttpLogs().GetLogEntry())
	}
	if uint64(entries) != totals.Entries {
		t.Errorf("%d entries came, %d were logged", entries, totals.Entries)
	}
}

// TestShopWithoutServer: nobody listens, so all is lost and the error says so.
func TestShopWithoutServer(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	l.Close()
	totals, err := Shop(t.Context(), ShopOptions{Target: l.Addr().String(), Rate: -1, Requests: 3, Seed: 1})
	if err == nil || totals.Edge.Lost+totals.Mid.Lost != totals.Entries || totals.Entries < 6 {
		t.Errorf("%+v, %v", totals, err)
	}
}
