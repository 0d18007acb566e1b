package spanbuilder

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/wire"
)

// A line tells the end of a request in whole milliseconds, which may be before the start that its span tells.
func TestJoinedSpanHasNoRoundedEvent(t *testing.T) {
	began := time.Unix(1700000000, 123_900_000)
	span, err := proto.Marshal(&tracepb.Span{TraceId: make([]byte, 16), SpanId: make([]byte, 8), Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(began.UnixNano()), EndTimeUnixNano: uint64(began.Add(time.Millisecond).UnixNano())})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := proto.Marshal(&alsdata.HTTPAccessLogEntry{CommonProperties: &alsdata.AccessLogCommon{
		StartTime: timestamppb.New(began.Truncate(time.Millisecond)), Duration: durationpb.New(0)}})
	if err != nil {
		t.Fatal(err)
	}
	var e wire.Entry
	if !e.WalkHTTP(entry) {
		t.Fatal("the entry cannot be read")
	}
	loggers := NewLoggers(NewNodes(), nil)
	for form, want := range map[Form]int{FromFile: 0, FromRecords: 0, FromALS: 1} {
		b, x := New(options()), new(Extender)
		l := loggers.Of(Who{Node: &wire.Node{ID: []byte("envoy-1")}, LogName: []byte("edge"), From: netip.Addr{}, Form: form})
		item := &Item{Bytes: span}
		item.What = ProxySpan
		out, _ := x.Span(b, make([]byte, 0, b.SpanBound(item, &e)), item, Change{}, &e, l, &Claim{})
		_, _, n := protowire.ConsumeTag(out)
		body, _ := protowire.ConsumeBytes(out[n:])
		var got tracepb.Span
		if err := proto.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Events) != want {
			t.Errorf("form %d: the span has events %v, want %d", form, got.Events, want)
		}
	}
}
