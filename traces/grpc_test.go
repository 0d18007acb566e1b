package traces

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/rawgrpc"
)

const (
	tracesMethod  = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	metricsMethod = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
	logsMethod    = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
)

func export(t *testing.T, conn *grpc.ClientConn, body []byte, o ...grpc.CallOption) ([]byte, error) {
	return call(t, conn, tracesMethod, body, o...)
}

func call(t *testing.T, conn *grpc.ClientConn, method string, body []byte, o ...grpc.CallOption) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var reply rawgrpc.Message
	defer reply.Free()
	err := conn.Invoke(ctx, method, rawgrpc.Encoded(body), &reply, o...)
	return bytes.Clone(reply.Bytes()), err
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != codes.Unavailable || len(s.Details()) != 1 {
		t.Fatalf("%v", err)
	}
	if info, ok := s.Details()[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != time.Second {
		t.Errorf("%v", s.Details())
	}
}

func TestExport(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	conn := dial(t, s)
	check := func(body []byte, want response, names ...string) {
		t.Helper()
		b, err := export(t, conn, body)
		got := readResponse(b)
		if got.set && strings.Contains(got.text, want.text) {
			got.text = want.text
		}
		if err != nil || got != want {
			t.Errorf("%x, %v, want %v", b, err, want)
		}
		r.want(t, names...)
	}
	check(request("a", "b"), response{}, "a", "b")
	if r.from.String() != "127.0.0.1" {
		t.Errorf("the sender is %v", r.from)
	}
	check(nil, response{})                  // an empty request is a success
	check([]byte("\x7a\x02hi"), response{}) // and so is one with fields that nobody knows
	check(request("bad", "c"), response{true, 1, "id"}, "c")
	check(cut("d"), response{true, 0, "only the spans before it"}, "d")
	check(cut("d", "bad"), response{true, 1, "invalid id"}, "d")
	if n, b := s.Requests[GRPC].Load(), s.Bytes[GRPC].Load(); n != 6 || b < 100 || s.Truncated.Load() != 2 {
		t.Errorf("%d requests, %d bytes, %d truncated", n, b, s.Truncated.Load())
	}
	if _, err := export(t, conn, []byte(`{"resourceSpans":[]}`)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("JSON: %v", err)
	}
	r.full = true
	_, err := export(t, conn, request("e"))
	wantUnavailable(t, err)
	r.want(t)
	if m, f := s.Refused[Malformed].Load(), s.Refused[Full].Load(); m != 1 || f != 1 {
		t.Errorf("%d malformed, %d full", m, f)
	}
}

func TestLimitOfMessages(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	s.opts.Limit = limit / 2 // the transport's is larger, for others
	conn := dial(t, s)
	for i, size := range []int{limit/2 + 100, limit + 100} {
		if _, err := export(t, conn, request(strings.Repeat("n", size))); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%d bytes: %v", size, err)
		}
		s.await(t, TooLarge, int64(i+1))
	}
	name := strings.Repeat("n", limit/2-100)
	if _, err := export(t, conn, request(name)); err != nil {
		t.Error(err)
	}
	r.want(t, name)
}

func TestCompressed(t *testing.T) {
	r := new(recorder)
	conn := dial(t, newServer(r))
	for range 3 {
		for _, name := range []string{"gzip", "zstd"} {
			long := strings.Repeat(name, 100_000)
			b, err := export(t, conn, request(long, "bad"), grpc.UseCompressor(name))
			if err != nil || readResponse(b).rejected != 1 {
				t.Errorf("%s: %x, %v", name, b, err)
			}
			r.want(t, long)
		}
	}
}

// A call gets an answer, whatever is in it.
func TestUnreadableCalls(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	conn := dial(t, s)
	frame := func(compressed byte, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{compressed}, uint32(len(body))), body...)
	}
	one := frame(0, request("a"))
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &p}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for i, c := range []struct {
		encoding string
		body     []byte
		code     codes.Code
		why      Refusal
	}{
		{"", nil, codes.InvalidArgument, Malformed},
		{"", append(bytes.Clone(one), one...), codes.InvalidArgument, Malformed},
		{"", one[:4], codes.Internal, Malformed},
		{"", one[:len(one)-1], codes.Internal, Malformed},
		{"gzip", frame(1, []byte("this is no gzip")), codes.Internal, Malformed},
		{"zstd", frame(1, []byte("this is no zstd")), codes.Internal, Malformed},
		{"", frame(1, request("a")), codes.Internal, Malformed}, // compressed, and nobody says how
		{"gzip", frame(0, request("b")), codes.OK, NumRefusals}, // not compressed after all
		{"zstd", one, codes.OK, NumRefusals},
		{"", frame(0, []byte("\x0a\x05")), codes.InvalidArgument, Malformed},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+conn.Target()[len("passthrough:///"):]+tracesMethod, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/grpc")
		q.Header.Set("Te", "trailers")
		if c.encoding != "" {
			q.Header.Set("Grpc-Encoding", c.encoding)
		}
		before := int64(0)
		if c.why < NumRefusals {
			before = s.Refused[c.why].Load()
		}
		reply, err := client.Do(q)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		reply.Body.Close()
		if code := cmp.Or(reply.Trailer.Get("Grpc-Status"), reply.Header.Get("Grpc-Status")); code != strconv.Itoa(int(c.code)) {
			t.Errorf("%d: the status is %s, want %d", i, code, c.code)
		}
		if c.why < NumRefusals {
			s.await(t, c.why, before+1)
		}
	}
	r.want(t, "b", "a")
}
