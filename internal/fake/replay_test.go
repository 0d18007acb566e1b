package fake

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
)

// frame is another package's frame.
type frame struct {
	Kind   byte
	Stream uint64
	At     int64
	Bytes  []byte
}

func frames(t *testing.T) []frame {
	t.Helper()
	message := func(id string) []byte {
		b, err := proto.Marshal(&als.StreamAccessLogsMessage{LogEntries: &als.StreamAccessLogsMessage_HttpLogs{
			HttpLogs: &als.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*alsdata.HTTPAccessLogEntry{entry(id)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return []frame{
		{'A', 1, 1000, message("a")}, {'Z', 0, 1500, []byte("[]")}, {'A', 2, 1000 + 3e9, message("b")}, {'A', 1, 1000 + 4e9, message("c")},
	}
}

// TestReplayPaced: over an in-memory network the recorded spacing is exact.
func TestReplayPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bufconn.Listen(1 << 20)
		s := &alsServer{got: make(chan received, 10)}
		stop := s.serve(t, l)
		defer stop()
		dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
		begin := time.Now()
		replayed := make(chan error, 1)
		go func() {
			replayed <- Replay(t.Context(), "passthrough:///agent", frames(t), ReplayOptions{Paced: true, Dial: []grpc.DialOption{dialer}})
		}()
		for i, want := range []struct {
			id     string
			stream int
			at     time.Duration
		}{{"a", 1, 0}, {"b", 2, 3 * time.Second}, {"c", 1, 4 * time.Second}} {
			r := <-s.got
			id := r.message.GetHttpLogs().LogEntry[0].CommonProperties.StreamId
			if at := time.Since(begin); id != want.id || r.stream != want.stream || at != want.at {
				t.Errorf("message %d: %s on stream %d after %v, want %v", i, id, r.stream, at, want)
			}
		}
		if err := <-replayed; err != nil {
			t.Error(err)
		}
	})
}

func TestReplayErrors(t *testing.T) {
	s, l := &alsServer{end: func(n int) bool { return n == 2 }, fail: status.Error(codes.Aborted, "enough")}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	if err := Replay(t.Context(), l.Addr().String(), frames(t), ReplayOptions{}); status.Code(errors.Unwrap(err)) != codes.Aborted {
		t.Errorf("the server ended stream 1 with an error: %v", err)
	}
	if err := Replay(t.Context(), l.Addr().String(), frames(t), ReplayOptions{Kinds: "Z"}); err == nil {
		t.Error("a Zipkin body was sent")
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := Replay(short, l.Addr().String(), frames(t), ReplayOptions{Paced: true}); err == nil {
		t.Error("the context was done")
	}
}
