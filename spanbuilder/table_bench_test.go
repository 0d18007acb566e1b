package spanbuilder

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/slab"
	"github.com/alspan/alspan/internal/wire"
)

// quietSink counts what the table decides, and encodes nothing.
type quietSink struct{ joined, spans, made, inner int }

func (q *quietSink) Span(_ *Item, _ Change, e *wire.Entry, _ *Logger, _ *Claim) {
	if e != nil {
		q.joined++
	} else {
		q.spans++
	}
}
func (q *quietSink) Server(*wire.Entry, *Logger, *Claim)                     { q.made++ }
func (q *quietSink) Client(*wire.Entry, *Logger, *Claim, propagation.SpanID) {}
func (q *quietSink) Inner(*wire.Entry, *Logger, *Claim)                      { q.inner++ }
func (q *quietSink) Attempt(*wire.Entry, *Logger, *Claim)                    {}
func (q *quietSink) Undecided(*Item) bool                                    { return false }
func (q *quietSink) Ended(*Item, Fate)                                       {}
func (q *quietSink) Foresee(*Item, *wire.Entry, *Logger, *Claim)             {}

// tableRig gives a table one request after the other: the bytes of one, with ids of their own.
type tableRig struct {
	table       *Table
	cells       *slab.Slab
	sink        quietSink
	entry, span Item
	trace       int // where its low half stands in the entry, in hexadecimal
	now         int64
	n           uint64
}

func newTableRig(tb testing.TB) *tableRig {
	tb.Helper()
	const trace, id, rid = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "ba55356e-8341-9160-83dd-9ff296972004"
	start, took := time.Unix(1_800_000_000, 123456789), 20*time.Millisecond
	logged := &alsdata.HTTPAccessLogEntry{
		CommonProperties: &alsdata.AccessLogCommon{StartTime: timestamppb.New(start), Duration: durationpb.New(took), AccessLogType: alsdata.AccessLogType_DownstreamEnd,
			UpstreamCluster: "outbound|8080||shop.shop.svc.cluster.local", RouteName: "shop", TimeToLastUpstreamRxByte: durationpb.New(took / 2),
			UpstreamRemoteAddress: &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{Address: "10.1.2.3", PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: 8080}}}}},
		Request: &alsdata.HTTPRequestProperties{RequestMethod: corepb.RequestMethod_GET, Scheme: "https", Authority: "shop.example.com", Path: "/cart/1/items?page=2",
			UserAgent: "okhttp/4.12.0", RequestId: rid, RequestHeaders: map[string]string{"traceparent": "00-" + trace + "-" + id + "-01"}},
		Response: &alsdata.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(200), ResponseCodeDetails: "via_upstream"},
	}
	sent := &tracepb.Span{Name: "ingress", Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: uint64(start.UnixNano()), EndTimeUnixNano: uint64(start.Add(took).UnixNano())}
	sent.TraceId, _ = hex.DecodeString(trace)
	sent.SpanId, _ = hex.DecodeString(id)
	for _, kv := range [][2]string{{"node_id", "envoy-1"}, {"zone", ""}, {"guid:x-request-id", rid}, {"http.url", "https://shop.example.com/cart/1/items?page=2"},
		{"http.method", "GET"}, {"downstream_cluster", "-"}, {"user_agent", "okhttp/4.12.0"}, {"http.protocol", "HTTP/2"}, {"peer.address", "10.0.12.7"},
		{"request_size", "0"}, {"response_size", "700"}, {"component", "proxy"}, {"upstream_cluster", "outbound|8080||shop.shop.svc.cluster.local"},
		{"upstream_cluster.name", "shop"}, {"http.status_code", "200"}, {"response_flags", "-"}, {"upstream_address", "10.1.2.3:8080"}} {
		sent.Attributes = append(sent.Attributes, &commonpb.KeyValue{Key: kv[0], Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: kv[1]}}})
	}
	entryBytes, err := proto.Marshal(logged)
	if err != nil {
		tb.Fatal(err)
	}
	spanBytes, err := proto.Marshal(sent)
	if err != nil {
		tb.Fatal(err)
	}

	nodes := NewNodes()
	loggers := NewLoggers(nodes, nil)
	r := &tableRig{cells: slab.New(64 << 20), now: int64(time.Second)}
	r.table = NewTable(JoinOptions{Wait: 8 * time.Second, SpanWait: 2500 * time.Millisecond}, New(options()), loggers, NewRequests(1<<20), NewIDs(1<<20), r.cells, &r.sink)
	l := loggers.Find(&wire.Node{ID: []byte("envoy-1"), Cluster: []byte("edge")}, []byte("edge"), netip.Addr{})
	var e wire.Entry
	if !e.WalkHTTP(entryBytes) {
		tb.Fatal("malformed entry")
	}
	identity := New(options()).Identity()
	identity.Headers(&e)
	identity.Read(&e, l)
	r.entry.SetEntry(&e, l, identity, identity.Keys(&e, l), r.now)
	r.entry.Waits, r.entry.Bytes = identity.Expected(), entryBytes
	r.trace = bytes.Index(entryBytes, []byte(trace)) + 16
	var s wire.Span
	s.Walk(spanBytes)
	var look Spans
	if !look.Look(&r.span, &s, NewOrigins().Find(nil, nil), propagation.TraceParent, r.now) || r.span.Request != r.entry.Request {
		tb.Fatal("the span does not belong to the entry")
	}
	r.span.Bytes = spanBytes
	return r
}

// add gives the table a copy of an item that belongs to request n.
func (r *tableRig) add(of *Item, n uint64) {
	i := *of
	cell, ref, ok := r.cells.Alloc(len(of.Bytes))
	if !ok {
		panic("the slab is full")
	}
	copy(cell, of.Bytes)
	low := n * 0x9e3779b97f4a7c15
	for b := range 8 {
		i.Trace[8+b] = byte(low >> (56 - 8*b))
	}
	if i.What == EntryItem {
		hex.Encode(cell[r.trace:], i.Trace[8:])
	}
	i.Bytes, i.Cell, i.Arrived, i.Request = cell, ref, r.now, of.Request+n*0xd6e8feb86659fd93
	r.table.Add(&i)
}

// pass lets time go by until nothing waits any more.
func (r *tableRig) pass(d time.Duration) {
	r.now += int64(d)
	r.table.Advance(r.now)
}

// crowd is how many requests wait at a time: those of half a second at 20,000 a second.
const crowd = 10_000

// steps are what is done with the next request; each begins with a crowd of others that wait.
var steps = []struct {
	name  string
	items int
	each  func(r *tableRig, n uint64)
	done  func(q *quietSink) int // of a request whose turn it was
}{
	{"entry-then-span", 2, func(r *tableRig, n uint64) {
		r.add(&r.entry, n+crowd)
		r.add(&r.span, n)
	}, func(q *quietSink) int { return q.joined }},
	{"span-then-entry", 2, func(r *tableRig, n uint64) {
		r.add(&r.span, n+crowd)
		r.add(&r.entry, n)
	}, func(q *quietSink) int { return q.joined }},
	{"entries-alone", 1, func(r *tableRig, n uint64) {
		r.entry.Logger.met(r.now) // so that it goes on to wait
		r.add(&r.entry, n+crowd)
		r.pass(8 * time.Second / crowd)
	}, func(q *quietSink) int { return q.inner + q.made }},
	{"spans-alone", 1, func(r *tableRig, n uint64) {
		r.entry.Logger.node.met()
		r.add(&r.span, n+crowd)
		r.pass(2500 * time.Millisecond / crowd)
	}, func(q *quietSink) int { return q.spans }},
}

// begin brings the table to where it is in the middle of such a stream of requests.
func (r *tableRig) begin(step int) {
	r.add(&r.span, 1<<40) // spans are seen, so entries wait
	r.add(&r.entry, 1<<40)
	r.sink = quietSink{}
	first := &r.entry
	if step%2 == 1 {
		first = &r.span
	}
	for n := range uint64(crowd) {
		if step >= 2 {
			r.now += int64([]time.Duration{8 * time.Second, 2500 * time.Millisecond}[step-2] / crowd)
		}
		r.entry.Logger.node.met()
		r.add(first, n)
	}
	r.n = 0
}

// What the table itself costs: nothing is received and nothing encoded, but the entry's bytes are read again, as they are when
// it is joined or goes alone.
func BenchmarkTable(b *testing.B) {
	for i, s := range steps {
		b.Run(s.name, func(b *testing.B) {
			r := newTableRig(b)
			r.begin(i)
			before := s.done(&r.sink)
			b.ReportAllocs()
			for b.Loop() {
				s.each(r, r.n)
				r.n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.items), "ns/item")
			if done := s.done(&r.sink) - before; uint64(done) < r.n*9/10 {
				b.Errorf("%d of %d requests had their turn: %+v", done, r.n, r.sink)
			}
		})
	}
}

// In the middle of a stream of requests the table allocates nothing, whoever comes first, and whoever comes at all.
func TestTableAllocatesNothing(t *testing.T) {
	for i, s := range steps {
		r := newTableRig(t)
		r.begin(i)
		step := func() {
			s.each(r, r.n)
			r.n++
		}
		for range 2*mostGone + crowd { // until what it remembers is as much as it ever will be
			step()
		}
		if n := testing.AllocsPerRun(20_000, step); n > 0 {
			t.Errorf("%s: %v allocations a request", s.name, n)
		}
		if got := fmt.Sprintf("%+v", r.sink); s.done(&r.sink) == 0 {
			t.Errorf("%s: %s", s.name, got)
		}
	}
}
