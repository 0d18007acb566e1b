package traces

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/internal/wire"
)

const limit = 4 << 20

// recorder is a pipeline: it keeps the names of spans, and decides by them.
type recorder struct {
	mu    sync.Mutex
	spans []string
	marks []Mark
	from  netip.Addr
	opens int
	full  bool
	gate  chan struct{} // what a span named "slow" waits for
	busy  chan struct{} // told that it waits

	others  []string // signal and body
	outcome Outcome  // of the next ones
}

func (r *recorder) other(signal Signal, body []byte, from netip.Addr) Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.outcome.Full && !r.outcome.TooLarge {
		r.others, r.from = append(r.others, signal.String()+" "+string(body)), from
	}
	return r.outcome
}

func (r *recorder) open() Consumer {
	r.mu.Lock()
	r.opens++
	r.mu.Unlock()
	var inUse sync.Mutex
	return func(m *Message) (o Outcome) {
		if !inUse.TryLock() {
			panic("a consumer is used by two requests at a time")
		}
		defer inUse.Unlock()
		if r.full {
			return Outcome{Full: true}
		}
		var s wire.Span
		for m.NextScope() {
			for read := m.NextSpan(&s); read != End; read = m.NextSpan(&s) {
				if read == Broken || len(s.Bytes(s.TraceID)) != 16 || len(s.Bytes(s.SpanID)) != 8 {
					o.Rejected++
					continue
				}
				name := string(s.Bytes(s.Name))
				r.mu.Lock()
				r.spans, r.marks, r.from = append(r.spans, name), append(r.marks, m.Mark()), m.From
				r.mu.Unlock()
				if name == "slow" {
					r.busy <- struct{}{}
					<-r.gate
				}
			}
		}
		return o
	}
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.spans
	r.spans = nil
	return t
}

// want checks which spans came.
func (r *recorder) want(t *testing.T, names ...string) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, names) {
		t.Errorf("the spans are %q, want %q", got, names)
	}
}

func newServer(r *recorder) *Server {
	return NewServer(r.open, Options{Limit: limit, Pool: new(rawgrpc.Pool), Log: slog.New(slog.DiscardHandler), Other: r.other})
}

// await waits until so many refusals are counted: the transport answers some calls before they are.
func (s *Server) await(t *testing.T, why Refusal, n int64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); s.Refused[why].Load() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are refused as %s, want %d", s.Refused[why].Load(), why, n)
		}
	}
}

// dial serves s over gRPC and gives a connection to it.
func dial(t *testing.T, s *Server) *grpc.ClientConn {
	t.Helper()
	pool := new(rawgrpc.Pool)
	g := grpc.NewServer(grpc.ForceServerCodecV2(rawgrpc.Codec{Pool: pool}), grpc.MaxRecvMsgSize(limit))
	s.Register(g)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go g.Serve(l)
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.Codec{Pool: mem.DefaultBufferPool()})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		g.Stop()
	})
	return conn
}

// request makes a request with a span of each name. A name that begins with "bad" has an id that is too short.
func request(names ...string) []byte {
	var spans []*tracepb.Span
	for i, name := range names {
		s := &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: fmt.Appendf(nil, "%08d", i), Name: name}
		if len(name) > 2 && name[:3] == "bad" {
			s.SpanId = s.SpanId[1:]
		}
		spans = append(spans, s)
	}
	b, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}})
	if err != nil {
		panic(err)
	}
	return b
}

// cut gives a request whose last bytes are missing, of which a span can be read.
func cut(names ...string) []byte { return append(request(names...), "\x0a\x7f"...) }

// response is an ExportTraceServiceResponse, taken apart.
type response struct {
	set      bool
	rejected uint64
	text     string
}

func readResponse(b []byte) (r response) {
	for m := wire.Read(b); m.Next(); {
		r.set = true
		for p := wire.Read(m.Bytes); p.Next(); {
			switch p.Key {
			case 1<<3 | wire.Varint:
				r.rejected = p.Int
			case 2<<3 | wire.Bytes:
				r.text = string(p.Bytes)
			}
		}
	}
	return r
}

// Stop waits for what is being consumed, and lets nothing in after that.
func TestStop(t *testing.T) {
	r := &recorder{gate: make(chan struct{}), busy: make(chan struct{})}
	s := newServer(r)
	conn := dial(t, s)
	ended := make(chan error)
	go func() { _, err := export(t, conn, request("slow")); ended <- err }()
	<-r.busy
	stopped := make(chan struct{})
	go func() { s.Stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("a message is still being consumed")
	default:
	}
	close(r.gate)
	<-stopped
	if err := <-ended; err != nil {
		t.Error(err)
	}
	r.want(t, "slow")
	_, err := export(t, conn, request("late"))
	wantUnavailable(t, err)
	r.want(t)
	if n := s.Refused[Stopping].Load(); n != 1 {
		t.Errorf("%d requests were refused", n)
	}
}

// A Message in used room gives what a new one does.
func TestMessagesAreUsedAgain(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	x := s.sessions.Get().(*session)
	for _, names := range [][]string{{"a", "b"}, {}, {"c"}} {
		if v := s.take(x, request(names...), nil, netip.Addr{}); v.Refused || v.Truncated {
			t.Errorf("%v", v)
		}
		r.want(t, names...)
	}
	if v := s.take(x, cut("a"), []Mark{Shared}, netip.Addr{}); !v.Truncated || r.marks[len(r.marks)-1] != Shared {
		t.Errorf("%v, %v", v, r.marks)
	}
	r.take()
	if v := s.take(x, request("a"), nil, netip.Addr{}); v.Truncated || r.marks[len(r.marks)-1] != 0 {
		t.Errorf("%v, %v", v, r.marks)
	}
}

func TestNamesOfCounters(t *testing.T) {
	for i := range NumTransports {
		if i.String() == "" {
			t.Errorf("transport %d has no name", i)
		}
	}
	for i := range NumRefusals {
		if i.String() == "" || refusalTexts[i] == "" {
			t.Errorf("refusal %d has no name or no text", i)
		}
	}
}
