package spanbuilder

import (
	"net/netip"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// entriesOf gives the encoded entries of a recording.
func entriesOf(t testing.TB, mode string) (all [][]byte) {
	frames, err := recordings.Frames(mode)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if f.Kind != recordings.KindALS {
			continue
		}
		for m := wire.Read(f.Bytes); m.Next(); { // StreamAccessLogsMessage, its http_logs
			if m.Key != 2<<3|wire.Bytes {
				continue
			}
			for list := wire.Read(m.Bytes); list.Next(); {
				if list.Key == 1<<3|wire.Bytes {
					all = append(all, list.Bytes)
				}
			}
		}
	}
	return all
}

// anySpan builds the spans of any entry, be it one that Classify drops, and checks them.
func anySpan(t *testing.T, b *Builder, e *wire.Entry, l *Logger) {
	identity := b.Identity()
	claim := claimOf(identity, e, l)
	s, r := server(t, b, e, l, claim)
	checkLimits(t, b, s.Attributes)
	if again, _ := server(t, b, e, l, claim); render(again, r) != render(s, r) || place(again) != place(s) {
		t.Errorf("the same entry gives two spans: %s and %s", render(s, r), render(again, r))
	}
	if id, ok := b.ClientSpan(identity, e, l, claim); ok {
		room := make([]byte, 0, b.Bound(e))
		got, _ := b.Client(room, e, l, claim, id)
		checkRoom(t, room, got)
		c := decodeSpan(t, got)
		checkLimits(t, b, c.Attributes)
		if string(c.ParentSpanId) != string(s.SpanId) || string(c.SpanId) == string(s.SpanId) || string(c.TraceId) != string(s.TraceId) {
			t.Errorf("the CLIENT span is not below the request's: %s and %s", place(c), place(s))
		}
		if c.StartTimeUnixNano < s.StartTimeUnixNano || c.EndTimeUnixNano > s.EndTimeUnixNano {
			t.Errorf("the CLIENT span is not within the request's: %s and %s", render(c, Repairs{}), render(s, Repairs{}))
		}
	}
}

func fuzzBuilders() (all []*Builder) {
	for i, maxValue := range []int{64, 4096} {
		o := greedy(maxValue)
		o.Upstream = []Upstream{UpstreamAlways, UpstreamAuto}[i]
		o.Events = i == 0
		all = append(all, New(o))
	}
	return all
}

// FuzzSpan takes any bytes as an entry.
func FuzzSpan(f *testing.F) {
	for _, mode := range recordings.Modes() {
		for _, e := range entriesOf(f, mode) {
			f.Add(e, false)
		}
	}
	f.Add(encoded(f, &alsdata.TCPAccessLogEntry{CommonProperties: &alsdata.AccessLogCommon{
		AccessLogType: alsdata.AccessLogType_TcpConnectionEnd, CustomTags: map[string]string{"a": bad, bad: "b"},
	}}), true)
	builders := fuzzBuilders()
	loggers := []*Logger{loggerOf("envoy-1", "edge"), loggerOf("sidecar~127.0.0.1~cart-0.shop~shop.svc", "\xff")}
	f.Fuzz(func(t *testing.T, b []byte, tcp bool) {
		var e wire.Entry
		walk := e.WalkHTTP
		if tcp {
			walk = e.WalkTCP
		}
		if !walk(b) {
			return
		}
		for i, builder := range builders {
			anySpan(t, builder, &e, loggers[i])
		}
	})
}

// FuzzNode takes any bytes as a Node: its resource is always valid.
func FuzzNode(f *testing.F) {
	f.Add("sidecar~10.4.0.3~cart-7d9fb6c5d8-x2lkq.shop~shop.svc.cluster.local", "cart.shop", "log")
	f.Add("envoy-kz2x9", "", "\xff")
	f.Fuzz(func(t *testing.T, id, cluster, logName string) {
		l := NewLoggers(NewNodes(), nil).Find(&wire.Node{ID: []byte(id), Cluster: []byte(cluster)}, []byte(logName), netip.Addr{})
		decodeResource(t, madeHead(l))
	})
}
