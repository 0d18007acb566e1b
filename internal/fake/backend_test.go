package fake

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
)

// request gives an encoded export request with spans of those names.
func request(t *testing.T, names ...string) []byte {
	t.Helper()
	ss := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "scope"}}
	for i, n := range names {
		ss.Spans = append(ss.Spans, &tracepb.Span{
			Name: n, TraceId: bytes.Repeat([]byte{7}, 16), SpanId: []byte{0, 0, 0, 0, 0, 0, 0, byte(i + 1)},
		})
	}
	attribute := &commonpb.KeyValue{Key: "service.name", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "shop"}}}
	b, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{attribute}}, ScopeSpans: []*tracepb.ScopeSpans{ss},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exporter gives a function that sends a request to an address.
func exporter(t *testing.T, address string, extra ...grpc.DialOption) func(ctx context.Context, raw []byte) ([]byte, error) {
	t.Helper()
	conn, err := dial(address, extra)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(ctx context.Context, raw []byte) ([]byte, error) {
		var answer []byte
		err := conn.Invoke(ctx, tracesMethod, raw, &answer)
		return answer, err
	}
}

func backend(t *testing.T, o BackendOptions) *Backend {
	t.Helper()
	b, err := NewBackend(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBackendRemembers(t *testing.T) {
	var called atomic.Int64
	b := backend(t, BackendOptions{OnRequest: func(r *Request) { called.Add(int64(r.Spans)) }})
	export := exporter(t, b.Address())
	raw := request(t, "a", "b")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", "team")
	go export(ctx, raw)
	spans, err := b.Wait(t.Context(), func(s []Span) bool { return len(s) == 2 })
	if err != nil {
		t.Fatal(err)
	}
	if spans[1].Name != "b" || spans[1].Scope.Name != "scope" || spans[1].Resource.Attributes[0].Key != "service.name" {
		t.Errorf("%v", spans[1])
	}
	r := b.Requests()[0]
	if !bytes.Equal(r.Raw, raw) || r.Header.Get("x-scope-orgid")[0] != "team" || r.Spans != 2 || r.Code != codes.OK {
		t.Errorf("%+v", r)
	}
	if err := b.WaitSpans(t.Context(), 2); err != nil || called.Load() != 2 {
		t.Errorf("%v, %d spans called back", err, called.Load())
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if got, err := b.Wait(soon, func(s []Span) bool { return len(s) == 3 }); err == nil || len(got) != 2 {
		t.Errorf("%d spans, %v", len(got), err)
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}

func TestBackendScript(t *testing.T) {
	b := backend(t, BackendOptions{})
	export := exporter(t, b.Address())
	b.Script(
		Reply{Code: codes.ResourceExhausted, Message: "full", RetryInfo: new(1500 * time.Millisecond)},
		Reply{Rejected: 2, Message: "two are bad"},
		Reply{Disconnect: true},
	)
	b.Always(Reply{Code: codes.Unavailable})

	_, err := export(t.Context(), request(t, "a"))
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || st.Message() != "full" || len(st.Details()) != 1 {
		t.Fatalf("%v", err)
	}
	if d := st.Details()[0].(*errdetails.RetryInfo).RetryDelay.AsDuration(); d != 1500*time.Millisecond {
		t.Errorf("RetryInfo %v", d)
	}
	answer, err := export(t.Context(), request(t, "a", "b", "c"))
	// As ExportTraceServiceResponse is encoded: partial_success {rejected_spans: 2 error_message: "two are bad"}.
	if want := "\x0a\x0f\x08\x02\x12\x0btwo are bad"; err != nil || string(answer) != want {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := export(t.Context(), request(t, "a")); status.Code(err) != codes.Unavailable {
		t.Errorf("disconnected: %v", err)
	}
	if _, err := export(t.Context(), request(t, "a")); status.Code(err) != codes.Unavailable || len(status.Convert(err).Details()) != 0 {
		t.Errorf("always: %v", err)
	}
	b.Always(Reply{})
	if answer, err := export(t.Context(), nil); err != nil || len(answer) != 0 {
		t.Errorf("an empty request: %q, %v", answer, err)
	}
	want := BackendStats{Requests: 5, Refused: 3, Spans: 1, Rejected: 2}
	got := b.Stats()
	got.Bytes = 0
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := len(b.Spans()); n != 3 { // a partial success does not say which
		t.Errorf("%d spans", n)
	}
}

// TestBackendDelay: over an in-memory network a delay is exact, and a caller that leaves within it has been refused.
func TestBackendDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bufconn.Listen(1 << 20)
		b, err := NewBackend(BackendOptions{Listen: func() (net.Listener, error) { return l, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		conn, err := dial("passthrough:///backend", []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		b.Always(Reply{Delay: 3 * time.Second})
		var answer []byte
		begin := time.Now()
		if err := conn.Invoke(t.Context(), tracesMethod, request(t, "a"), &answer); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := conn.Invoke(short, tracesMethod, request(t, "b"), &answer); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if got := b.Stats(); got.Spans != 1 || got.Refused != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestBackendStopStart(t *testing.T) {
	b := backend(t, BackendOptions{})
	export := exporter(t, b.Address())
	address := b.Address()
	if _, err := export(t.Context(), request(t, "before")); err != nil {
		t.Fatal(err)
	}
	b.Stop()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("still listening")
	}
	if _, err := export(t.Context(), request(t, "during")); status.Code(err) != codes.Unavailable {
		t.Errorf("while stopped: %v", err)
	}
	if err := b.Start(); err != nil || b.Address() != address {
		t.Fatalf("%v, %s", err, b.Address())
	}
	for {
		if _, err := export(t.Context(), request(t, "after")); err == nil {
			break
		} else if status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // the client's backoff
	}
	var names []string
	for _, s := range b.Spans() {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"before", "after"}) {
		t.Errorf("%q", names)
	}
}

func TestBackendIsStrict(t *testing.T) {
	b := backend(t, BackendOptions{})
	export := exporter(t, b.Address())
	bad := bytes.Replace(request(t, "name"), []byte("name"), []byte("n\xffme"), 1)
	for _, raw := range [][]byte{bad, []byte("\x0a\x05"), bytes.Replace(request(t, "name"), []byte("shop"), []byte("sh\xc3p"), 1)} {
		if _, err := export(t.Context(), raw); status.Code(err) != codes.Internal {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if b.Err() == nil || b.Stats().Refused != 3 || len(b.Spans()) != 0 {
		t.Errorf("%v, %+v", b.Err(), b.Stats())
	}
	if _, err := b.Wait(t.Context(), func([]Span) bool { return false }); err == nil {
		t.Error("Wait does not tell")
	}
}

func TestBackendLimits(t *testing.T) {
	raw := request(t, "a", "b")
	b := backend(t, BackendOptions{MaxReceive: 4 * len(raw), Keep: 2*len(raw) + 1})
	export := exporter(t, b.Address())
	for range 5 {
		if _, err := export(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.Requests()); n != 2 || b.Stats().Spans != 10 {
		t.Errorf("%d requests, %+v", n, b.Stats())
	}
	if _, err := export(t.Context(), bytes.Repeat(raw, 5)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v", err)
	}
}

func TestBackendCountOnly(t *testing.T) {
	b := backend(t, BackendOptions{CountOnly: true, Keep: -1})
	export := exporter(t, b.Address())
	if _, err := export(t.Context(), append(request(t, "a", "b"), request(t, "c")...)); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t.Context(), []byte("\x0a\x05")); status.Code(err) != codes.Internal {
		t.Errorf("%v", err)
	}
	if st := b.Stats(); st.Spans != 3 || len(b.Requests()) != 0 {
		t.Errorf("%+v", st)
	}
}

// TestBackendRelay: the peer gets the same bytes and its answer goes back, good or bad.
func TestBackendRelay(t *testing.T) {
	peer := backend(t, BackendOptions{})
	b := backend(t, BackendOptions{Relay: peer.Address()})
	export := exporter(t, b.Address())
	peer.Script(Reply{}, Reply{Rejected: 1}, Reply{Code: codes.Unavailable, RetryInfo: new(time.Second)})
	raw := request(t, "a")
	for i, want := range []codes.Code{codes.OK, codes.OK, codes.Unavailable} {
		_, err := export(t.Context(), raw)
		if status.Code(err) != want || len(status.Convert(err).Details()) != max(0, i-1) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	for _, r := range peer.Requests() {
		if !bytes.Equal(r.Raw, raw) {
			t.Errorf("%x", r.Raw)
		}
	}
	if diff := cmp.Diff(peer.Stats(), b.Stats()); diff != "" {
		t.Error(diff)
	}
	if b.Stats() != (BackendStats{Requests: 3, Refused: 1, Spans: 1, Rejected: 1, Bytes: uint64(3 * len(raw))}) {
		t.Errorf("%+v", b.Stats())
	}
}

func TestCheck(t *testing.T) {
	good := func() []*tracepb.ResourceSpans {
		td := new(tracepb.TracesData)
		if err := proto.Unmarshal(request(t, "a"), td); err != nil {
			t.Fatal(err)
		}
		return td.ResourceSpans
	}
	if err := Check(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(rs *tracepb.ResourceSpans, s *tracepb.Span){
		"trace id": func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.TraceId = s.TraceId[:15] },
		"zero id":  func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.SpanId = make([]byte, 8) },
		"parent":   func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.ParentSpanId = make([]byte, 8) },
		"times":    func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.StartTimeUnixNano = 1 },
		"link":     func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.Links = []*tracepb.Span_Link{{}} },
		"key": func(rs *tracepb.ResourceSpans, _ *tracepb.Span) {
			rs.Resource.Attributes = append(rs.Resource.Attributes, rs.Resource.Attributes...)
		},
		"empty":   func(rs *tracepb.ResourceSpans, _ *tracepb.Span) { rs.ScopeSpans[0].Spans = nil },
		"unknown": func(_ *tracepb.ResourceSpans, s *tracepb.Span) { s.ProtoReflect().SetUnknown([]byte{0xf8, 0x7f, 1}) },
	} {
		rs := good()
		spoil(rs[0], rs[0].ScopeSpans[0].Spans[0])
		if Check(rs) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
