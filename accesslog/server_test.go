package accesslog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/rawgrpc"
)

const limit = 16 << 20 // of a message; the transport has a larger one

// told is a consumed message: its stream, numbered in the order of their beginnings, who opened it, and its text.
type told struct {
	stream int64
	from   netip.Addr
	text   string
}

// opener gives a Server's open function, which sends what it consumes.
func opener(to chan<- told) func(netip.Addr) Consumer {
	var streams atomic.Int64
	return func(from netip.Addr) Consumer {
		n := streams.Add(1)
		return func(m *Message) { to <- told{n, from, tell(m)} }
	}
}

// serve runs s as the agent does, on l, and gives a connection to it.
func serve(t *testing.T, s *Server, l net.Listener, o ...grpc.DialOption) (*grpc.Server, *grpc.ClientConn) {
	t.Helper()
	g := grpc.NewServer(grpc.ForceServerCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()}), grpc.MaxRecvMsgSize(2*limit))
	s.Register(g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Serve(l); err != nil {
			t.Errorf("cannot serve: %v", err)
		}
	}()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		g.Stop()
		<-done
	})
	return g, conn
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// open begins a stream with the official client.
func open(t *testing.T, conn *grpc.ClientConn) alsv3.AccessLogService_StreamAccessLogsClient {
	t.Helper()
	stream, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func send(t *testing.T, stream alsv3.AccessLogService_StreamAccessLogsClient, m *alsv3.StreamAccessLogsMessage) {
	t.Helper()
	if err := stream.Send(m); err != nil {
		t.Fatal(err)
	}
}

func TestStream(t *testing.T) {
	got := make(chan told, 100)
	s := NewServer(opener(got), limit)
	_, conn := serve(t, s, loopback(t))
	one := open(t, conn)
	want := func(stream int64, text string) {
		t.Helper()
		if g := <-got; g.stream != stream || g.text != text || g.from.String() != "127.0.0.1" {
			t.Errorf("stream %d from %s: %q, want %d, %q", g.stream, g.from, g.text, stream, text)
		}
	}
	send(t, one, httpMessage(identifier("n1", "edge"), "/1"))
	want(1, "n1/edge /1")
	two := open(t, conn)
	send(t, two, tcpMessage(7))
	want(2, "7")
	for range 20 {
		send(t, one, httpMessage(nil, "/2", "/3"))
		want(1, "/2 /3")
	}
	send(t, one, httpMessage(identifier("n1", "mid"), "/4")) // again, as after a change of configuration
	want(1, "n1/mid /4")
	send(t, one, new(alsv3.StreamAccessLogsMessage))
	want(1, "")
	if n, m := s.Streams.Load(), s.Messages.Load(); n != 2 || m != 24 {
		t.Errorf("%d streams, %d messages", n, m)
	}
	// A client that closes its side gets its one reply.
	for _, stream := range []alsv3.AccessLogService_StreamAccessLogsClient{one, two} {
		if reply, err := stream.CloseAndRecv(); err != nil || proto.Size(reply) != 0 {
			t.Errorf("%v, %v", reply, err)
		}
		if err := stream.RecvMsg(new(alsv3.StreamAccessLogsResponse)); !errors.Is(err, io.EOF) {
			t.Errorf("after the reply: %v", err)
		}
	}
	await(t, "no stream", func() bool { return s.Streams.Load() == 0 })
	if s.Messages.Load() != 24 || s.Refused[ledger.MessageTruncated].Load()+s.Refused[ledger.MessageTooLarge].Load() != 0 {
		t.Errorf("%d messages", s.Messages.Load())
	}
}

// await waits for what no channel tells.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("cannot wait any longer for %s", what)
		}
	}
}

func TestTooLarge(t *testing.T) {
	got := make(chan told, 100)
	s := NewServer(opener(got), limit)
	_, conn := serve(t, s, loopback(t))
	sized := func(size int) *alsv3.StreamAccessLogsMessage {
		m := httpMessage(nil, strings.Repeat("x", size-100))
		m.GetHttpLogs().LogEntry[0].Request.Path += strings.Repeat("y", size-proto.Size(m))
		if proto.Size(m) != size {
			t.Fatalf("%d bytes, want %d", proto.Size(m), size)
		}
		return m
	}
	other := open(t, conn)
	send(t, other, httpMessage(nil, "/before"))
	if g := <-got; g.text != "/before" {
		t.Errorf("%q", g.text)
	}
	largest := open(t, conn)
	send(t, largest, sized(limit))
	if g := <-got; len(g.text) < limit-100 {
		t.Errorf("%d bytes of the largest message that may be", len(g.text))
	}
	for i, size := range []int{limit + 1, 2 * limit, 64 << 20} {
		huge := open(t, conn)
		send(t, huge, httpMessage(nil, "/first"))
		if g := <-got; g.text != "/first" {
			t.Errorf("%q", g.text)
		}
		if err := huge.Send(sized(size)); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err) // io.EOF: the stream has ended before all was sent
		}
		if err := huge.RecvMsg(new(alsv3.StreamAccessLogsResponse)); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%d bytes: %v", size, err)
		}
		await(t, "the stream's end", func() bool { return s.Streams.Load() == 2 })
		if n := s.Refused[ledger.MessageTooLarge].Load(); n != int64(i+1) || s.Messages.Load() != int64(2+2*(i+1)) {
			t.Errorf("%d refused of %d messages", n, s.Messages.Load())
		}
	}
	send(t, other, httpMessage(nil, "/after"))
	if g := <-got; g.text != "/after" || g.stream != 1 {
		t.Errorf("stream %d: %q", g.stream, g.text)
	}
}

// raw is a message as it is.
type raw string

func (r raw) Buffers() mem.BufferSlice { return mem.BufferSlice{mem.SliceBuffer(r)} }

func openRaw(t *testing.T, conn *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method,
		grpc.ForceCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()}))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

const method = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

func TestBrokenMessages(t *testing.T) {
	got := make(chan told, 100)
	s := NewServer(opener(got), limit)
	_, conn := serve(t, s, loopback(t))
	stream := openRaw(t, conn, method)
	good := string(marshal(t, httpMessage(nil, "/a")))
	truncated := int64(0)
	for _, c := range [][2]string{
		{good, "/a"},
		{good + "\x12\x05", "/a truncated"},
		{"\xff", "truncated"},
		{good + "\x12\x04\x0a\x02\x1a\x09" + good, "/a malformed /a"},
		{"\x12\x03\x0a\x09x" + good, "/a truncated"}, // the list is broken, what follows is not
		{"\x0a\x04\x0a\x02\x0a\x05" + good, "/a"},    // the node is malformed, the entries are not
		{good, "/a"},
	} {
		in, want := c[0], c[1]
		if err := stream.SendMsg(raw(in)); err != nil {
			t.Fatal(err)
		}
		if g := <-got; g.text != want || g.stream != 1 {
			t.Errorf("%x on stream %d: %q, want %q", in, g.stream, g.text, want)
		}
		if strings.HasSuffix(want, "truncated") {
			truncated++
		}
	}
	stream.CloseSend()
	var reply rawgrpc.Message
	if err := stream.RecvMsg(&reply); err != nil || len(reply.Bytes()) != 0 {
		t.Errorf("%x, %v", reply.Bytes(), err)
	}
	if n := s.Refused[ledger.MessageTruncated].Load(); n != truncated || s.Messages.Load() != 7 {
		t.Errorf("%d truncated of %d, want %d", n, s.Messages.Load(), truncated)
	}
	if n := s.Refused[ledger.MessageIdentifier].Load(); n != 1 {
		t.Errorf("%d malformed identifiers, want 1", n)
	}
}

func TestUnknownMethods(t *testing.T) {
	_, conn := serve(t, NewServer(opener(nil), limit), loopback(t))
	for _, m := range []string{"/envoy.service.accesslog.v3.AccessLogService/Nothing", "/envoy.service.accesslog.v2.AccessLogService/StreamAccessLogs"} {
		stream := openRaw(t, conn, m)
		stream.SendMsg(raw("")) // may be too late already
		if err := stream.RecvMsg(new(rawgrpc.Message)); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// A client that goes away without a word ends its stream, and nothing is counted as refused.
func TestCancel(t *testing.T) {
	got := make(chan told, 100)
	s := NewServer(opener(got), limit)
	_, conn := serve(t, s, loopback(t))
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send(t, stream, httpMessage(nil, "/a"))
	<-got
	cancel()
	await(t, "no stream", func() bool { return s.Streams.Load() == 0 })
	if n := s.Refused[ledger.MessageTooLarge].Load() + s.Refused[ledger.MessageTruncated].Load(); n != 0 || s.Messages.Load() != 1 {
		t.Errorf("%d refused of %d", n, s.Messages.Load())
	}
}
