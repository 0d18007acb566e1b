package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func socket(ip string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}}}}
}

// common has every field of AccessLogCommon, those that no view has as well.
func common() *alsv3.AccessLogCommon {
	return &alsv3.AccessLogCommon{
		SampleRate:              0.5,
		DownstreamRemoteAddress: socket("198.51.100.7", 50123),
		DownstreamLocalAddress: &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
			AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: "inner"}, EndpointId: "e1"}}},
		DownstreamDirectRemoteAddress: socket("2001:db8::1", 443),
		UpstreamRemoteAddress:         socket("10.244.2.7", 8080),
		UpstreamLocalAddress:          &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/run/app.sock", Mode: 0o600}}},
		TlsProperties: &alsv3.TLSProperties{TlsVersion: alsv3.TLSProperties_TLSv1_3, TlsCipherSuite: wrapperspb.UInt32(0x1301),
			TlsSniHostname: "shop.example.com", TlsSessionId: "session", Ja3Fingerprint: "ja3",
			PeerCertificateProperties: &alsv3.TLSProperties_CertificateProperties{Subject: "CN=client"}},
		StartTime:                        timestamppb.New(time.Unix(1700000000, 123456789)),
		TimeToLastRxByte:                 durationpb.New(1),
		TimeToFirstUpstreamTxByte:        durationpb.New(2 * time.Second),
		TimeToLastUpstreamTxByte:         durationpb.New(3),
		TimeToFirstUpstreamRxByte:        durationpb.New(4),
		TimeToLastUpstreamRxByte:         durationpb.New(5),
		TimeToFirstDownstreamTxByte:      durationpb.New(-6),
		TimeToLastDownstreamTxByte:       durationpb.New(7),
		Duration:                         durationpb.New(time.Minute + 8),
		UpstreamCluster:                  "outbound|80||shop",
		ResponseFlags:                    &alsv3.ResponseFlags{UpstreamRetryLimitExceeded: true, DownstreamConnectionTermination: true},
		Metadata:                         &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"f": {Fields: map[string]*structpb.Value{"k": structpb.NewStringValue("v")}}}},
		UpstreamTransportFailureReason:   "TLS error",
		RouteName:                        "shop",
		FilterStateObjects:               map[string]*anypb.Any{"state": {TypeUrl: "t", Value: []byte("v")}},
		CustomTags:                       map[string]string{"tid": "4bf92f3577b34da6a3ce929d0e0e4736", "empty": ""},
		UpstreamRequestAttemptCount:      3,
		ConnectionTerminationDetails:     "rbac_access_denied",
		StreamId:                         "4f0e3c1a-9c1f-9d1e-8a67-0c5d1e1f2a3b",
		IntermediateLogEntry:             true,
		DownstreamTransportFailureReason: "certificate expired",
		DownstreamWireBytesSent:          11, DownstreamWireBytesReceived: 12, UpstreamWireBytesSent: 13, UpstreamWireBytesReceived: 14,
		AccessLogType: alsv3.AccessLogType_DownstreamEnd,
	}
}

func wantCommon() plain {
	return plain{
		Type: DownstreamEnd, Intermediate: true,
		Start: Time{1700000000, 123456789, true},
		Timings: [NumTimings]Time{LastDownstreamRx: {0, 1, true}, FirstUpstreamTx: {2, 0, true}, LastUpstreamTx: {0, 3, true},
			FirstUpstreamRx: {0, 4, true}, LastUpstreamRx: {0, 5, true}, FirstDownstreamTx: {0, -6, true}, LastDownstreamTx: {0, 7, true}},
		Duration:           Time{60, 8, true},
		DownstreamRemote:   host{SocketAddress, []byte("198.51.100.7"), 50123},
		DownstreamLocal:    host{InternalAddress, []byte("inner"), 0},
		DownstreamDirect:   host{SocketAddress, []byte("2001:db8::1"), 443},
		UpstreamRemote:     host{SocketAddress, []byte("10.244.2.7"), 8080},
		UpstreamCluster:    []byte("outbound|80||shop"),
		RouteName:          []byte("shop"),
		UpstreamFailure:    []byte("TLS error"),
		DownstreamFailure:  []byte("certificate expired"),
		TerminationDetails: []byte("rbac_access_denied"),
		StreamID:           []byte("4f0e3c1a-9c1f-9d1e-8a67-0c5d1e1f2a3b"),
		CustomTags:         pairs{{[]byte("empty"), nil}, {[]byte("tid"), []byte("4bf92f3577b34da6a3ce929d0e0e4736")}},
		Flags:              1<<15 | DownstreamTermination,
		Attempts:           3,
		TLSVersion:         4,
		SNI:                []byte("shop.example.com"),
	}
}

func httpFull() *alsv3.HTTPAccessLogEntry {
	return &alsv3.HTTPAccessLogEntry{
		CommonProperties: common(),
		ProtocolVersion:  alsv3.HTTPAccessLogEntry_HTTP2,
		Request: &alsv3.HTTPRequestProperties{
			RequestMethod: corev3.RequestMethod_POST, Scheme: "https", Authority: "shop.example.com", Port: wrapperspb.UInt32(443),
			Path: "/cart?q=1", UserAgent: "curl/8", Referer: "https://example.com/", ForwardedFor: "198.51.100.7",
			RequestId: "4f0e3c1a-9c1f-4d1e-8a67-0c5d1e1f2a3b", OriginalPath: "/v1/cart", RequestHeadersBytes: 300, RequestBodyBytes: 17,
			RequestHeaders: map[string]string{"b3": "0", "traceparent": "00-x"}, UpstreamHeaderBytesSent: 1, DownstreamHeaderBytesReceived: 2,
		},
		Response: &alsv3.HTTPResponseProperties{
			ResponseCode: wrapperspb.UInt32(503), ResponseHeadersBytes: 120, ResponseBodyBytes: 91, ResponseCodeDetails: "no_healthy_upstream",
			ResponseHeaders: map[string]string{"server": "envoy"}, ResponseTrailers: map[string]string{"grpc-status": "14"},
			UpstreamHeaderBytesReceived: 3, DownstreamHeaderBytesSent: 4,
		},
	}
}

func tcpFull() *alsv3.TCPAccessLogEntry {
	return &alsv3.TCPAccessLogEntry{CommonProperties: common(),
		ConnectionProperties: &alsv3.ConnectionProperties{ReceivedBytes: 1 << 40, SentBytes: 77}}
}

func TestEntryFields(t *testing.T) {
	var e Entry
	seen := map[string]bool{}
	check := func(b []byte, tcp bool, want plain) {
		t.Helper()
		if walk := map[bool]func([]byte) bool{false: e.WalkHTTP, true: e.WalkTCP}[tcp]; !walk(b) {
			t.Fatal("malformed")
		}
		if d := cmp.Diff(want, plainOf(&e), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
		checkEntry(t, &e, b, tcp)
		for f, v := range reflect.ValueOf(plainOf(&e)).Fields() {
			seen[f.Name] = seen[f.Name] || !v.IsZero() && !(v.Kind() == reflect.Slice && v.Len() == 0)
		}
	}
	want := wantCommon()
	want.Protocol, want.Method = 3, 3
	want.Scheme, want.Authority, want.Path = []byte("https"), []byte("shop.example.com"), []byte("/cart?q=1")
	want.OriginalPath, want.UserAgent, want.ForwardedFor = []byte("/v1/cart"), []byte("curl/8"), []byte("198.51.100.7")
	want.RequestID = []byte("4f0e3c1a-9c1f-4d1e-8a67-0c5d1e1f2a3b")
	want.RequestBody, want.ResponseBody = 17, 91
	want.RequestHeaders = pairs{{[]byte("b3"), []byte("0")}, {[]byte("traceparent"), []byte("00-x")}}
	want.Code, want.HasCode, want.CodeDetails = 503, true, []byte("no_healthy_upstream")
	want.ResponseHeaders = pairs{{[]byte("server"), []byte("envoy")}}
	want.ResponseTrailers = pairs{{[]byte("grpc-status"), []byte("14")}}
	if check(marshal(t, httpFull()), false, want); !e.HasUpstream() {
		t.Error("no upstream")
	}
	want = wantCommon()
	want.TCP, want.BytesReceived, want.BytesSent = true, 1<<40, 77
	check(marshal(t, tcpFull()), true, want)
	for f := range reflect.TypeFor[plain]().Fields() {
		if !seen[f.Name] {
			t.Errorf("nothing has set %s", f.Name)
		}
	}
	// Nothing of the entries before is left.
	check(nil, false, plain{})
	if e.HasUpstream() {
		t.Error("an empty entry has an upstream")
	}
	check(nil, true, plain{TCP: true})
	// Not even of one that could not be read to its end.
	if b := marshal(t, httpFull()); e.WalkHTTP(b[:len(b)-1]) {
		t.Error("a cut entry is well-formed")
	}
	check(nil, false, plain{})
}

func TestEveryCut(t *testing.T) {
	var e Entry
	for _, b := range [][]byte{marshal(t, httpFull()), marshal(t, tcpFull())} {
		for n := range b {
			checkEntry(t, &e, b[:n], false)
			checkEntry(t, &e, b[:n], true)
		}
	}
}

func TestEveryByte(t *testing.T) {
	var e Entry
	b := marshal(t, httpFull())
	for i, was := range b {
		for _, c := range []byte{0, 1, was ^ 1, was ^ 2, was ^ 8, was | 0x80, 0xff} {
			b[i] = c
			checkEntry(t, &e, b, false)
		}
		b[i] = was
	}
}

// The enumerations are those of the schema.
func TestEntryEnums(t *testing.T) {
	for num, name := range alsv3.AccessLogType_name {
		var e Entry
		b := marshal(t, &alsv3.HTTPAccessLogEntry{CommonProperties: &alsv3.AccessLogCommon{AccessLogType: alsv3.AccessLogType(num)}})
		if !e.WalkHTTP(b) || int32(e.Type) != num {
			t.Errorf("%s is %d", name, e.Type)
		}
	}
	ours := map[AccessLogType]alsv3.AccessLogType{
		NotSet: alsv3.AccessLogType_NotSet, TCPUpstreamConnected: alsv3.AccessLogType_TcpUpstreamConnected,
		TCPPeriodic: alsv3.AccessLogType_TcpPeriodic, TCPConnectionEnd: alsv3.AccessLogType_TcpConnectionEnd,
		DownstreamStart: alsv3.AccessLogType_DownstreamStart, DownstreamPeriodic: alsv3.AccessLogType_DownstreamPeriodic,
		DownstreamEnd: alsv3.AccessLogType_DownstreamEnd, UpstreamPoolReady: alsv3.AccessLogType_UpstreamPoolReady,
		UpstreamPeriodic: alsv3.AccessLogType_UpstreamPeriodic, UpstreamEnd: alsv3.AccessLogType_UpstreamEnd,
		TunnelEstablished:    alsv3.AccessLogType_DownstreamTunnelSuccessfullyEstablished,
		UDPUpstreamConnected: alsv3.AccessLogType_UdpTunnelUpstreamConnected, UDPPeriodic: alsv3.AccessLogType_UdpPeriodic,
		UDPSessionEnd: alsv3.AccessLogType_UdpSessionEnd, TCPConnectionStart: alsv3.AccessLogType_TcpConnectionStart,
	}
	for our, official := range ours {
		if int32(our) != int32(official) {
			t.Errorf("%s is %d", official, our)
		}
	}
	if len(ours) != len(alsv3.AccessLogType_name) {
		t.Errorf("%d types of %d", len(ours), len(alsv3.AccessLogType_name))
	}
}

func TestFieldsGet(t *testing.T) {
	e := Entry{}
	// A key with an empty value is there, a repeated key has its last value, a map entry without a key has the empty one.
	pairs := []string{"\x0a\x01a\x12\x011", "\x0a\x01e", "\x0a\x01a\x12\x012", "\x12\x01v", "\x12\x013\x0a\x01a"}
	var q []byte
	for _, p := range pairs {
		q = AppendBytes(q, 13, p)
	}
	b := AppendBytes(nil, 3, q)
	checkEntry(t, &e, b, false)
	for key, want := range map[string]string{"a": "3", "e": "", "": "v"} {
		if v, ok := e.Fields(RequestHeaders).Get(key); !ok || string(v) != want {
			t.Errorf("%q is %q, %v", key, v, ok)
		}
	}
	if v, ok := e.Fields(RequestHeaders).Get("b"); ok || v != nil {
		t.Errorf("b is %q", v)
	}
}

func TestNoAllocations(t *testing.T) {
	type sample struct {
		b   []byte
		tcp bool
	}
	samples := []sample{{marshal(t, httpFull()), false}, {marshal(t, tcpFull()), true}}
	for _, b := range oddEntries() {
		samples = append(samples, sample{b, false}, sample{b, true})
	}
	var nodes [][]byte
	recorded(t, func(b []byte, tcp bool) { samples = append(samples, sample{b, tcp}) }, func(b []byte) { nodes = append(nodes, b) })
	poison := bytes.Repeat([]byte("gr\xfc\xdfe "), 100)
	var (
		e   Entry
		n   Node
		dst = make([]byte, 0, 1<<12)
	)
	run := func() {
		for _, s := range samples {
			if s.tcp {
				e.WalkTCP(s.b)
			} else {
				e.WalkHTTP(s.b)
			}
			e.Fields(RequestHeaders).Get("traceparent")
			dst = e.Flags.AppendNames(dst[:0])
			dst = NewText(e.Text(Path), 256).Append(dst)
		}
		for _, b := range nodes {
			n.Walk(b)
		}
		dst = NewText(poison, 300).Append(dst[:0])
	}
	if allocs := testing.AllocsPerRun(5, run); allocs != 0 {
		t.Errorf("%v allocations for %d entries and %d nodes", allocs, len(samples), len(nodes))
	}
}

// The slices are parts of the input, so that nothing is copied.
func TestEntryBorrows(t *testing.T) {
	b := marshal(t, httpFull())
	var e Entry
	if !e.WalkHTTP(b) {
		t.Fatal("malformed")
	}
	at := strings.Index(string(b), "/cart?q=1")
	b[at] = '!'
	if path := e.Text(Path); string(path) != "!cart?q=1" || cap(path) != len(path) {
		t.Errorf("path %q, capacity %d", path, cap(path))
	}
}

// A map field of two bytes takes 16 in memory: what is too much is not kept, neither in the entry nor for the next one.
func TestMapsAreBounded(t *testing.T) {
	request := bytes.Repeat([]byte{13<<3 | Bytes, 0}, 1<<20)
	var e Entry
	if !e.WalkHTTP(AppendBytes(nil, 3, request)) || e.Fields(RequestHeaders).Len() != maxFields {
		t.Errorf("%d headers are kept, want %d", e.Fields(RequestHeaders).Len(), maxFields)
	}
	if e.WalkHTTP(nil); cap(e.maps[RequestHeaders]) > keepFields {
		t.Errorf("storage for %d headers is kept", cap(e.maps[RequestHeaders]))
	}
}
