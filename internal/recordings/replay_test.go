package recordings_test

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/recordings"
)

// raw is a codec for messages as bytes.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// TestReplay sends every recording over the wire and compares what came, per stream and call.
func TestReplay(t *testing.T) {
	var mu sync.Mutex
	got := map[string][][][]byte{} // by method: the messages of each stream
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.MaxRecvMsgSize(16<<20), grpc.UnknownServiceHandler(
		func(_ any, s grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(s)
			var messages [][]byte
			for {
				var m []byte
				if s.RecvMsg(&m) != nil {
					break
				}
				messages = append(messages, m)
			}
			mu.Lock()
			got[method] = append(got[method], messages)
			mu.Unlock()
			if method == "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs" {
				return nil
			}
			return s.SendMsg([]byte(nil))
		}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(server.Stop)

	methods := map[byte]string{
		recordings.KindALS:    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
		recordings.KindTraces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		recordings.KindLogs:   "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	}
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
		if err := fake.Replay(t.Context(), l.Addr().String(), frames, fake.ReplayOptions{Kinds: "AOL"}); err != nil {
			t.Fatal(err)
		}
		want := map[string][][][]byte{}
		place := map[uint64]int{} // of an ALS stream in want
		for _, f := range frames {
			method, ok := methods[f.Kind]
			if !ok {
				continue
			}
			i, known := place[f.Stream]
			if !known || f.Kind != recordings.KindALS {
				i = len(want[method])
				want[method] = append(want[method], nil)
				if f.Kind == recordings.KindALS {
					place[f.Stream] = i
				}
			}
			want[method][i] = append(want[method][i], f.Bytes)
		}
		for _, method := range methods {
			if !slices.EqualFunc(sorted(got[method]), sorted(want[method]), func(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }) {
				t.Errorf("%s: %s: %d streams or calls came, %d were recorded, or they differ", mode, method, len(got[method]), len(want[method]))
			}
		}
	}
}

// sorted orders streams, which end in any order, by their first message.
func sorted(streams [][][]byte) [][][]byte {
	return slices.SortedFunc(slices.Values(streams), func(a, b [][]byte) int { return bytes.Compare(a[0], b[0]) })
}

// TestPoison: Envoy's own OTLP has bytes that are not UTF-8, and a strict backend refuses them.
func TestPoison(t *testing.T) {
	for mode, poisoned := range map[string]bool{"otel-spawn": true, "none": false} {
		frames, err := recordings.Frames(mode)
		if err != nil {
			t.Fatal(err)
		}
		b, err := fake.NewBackend(fake.BackendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = fake.Replay(t.Context(), b.Address(), frames, fake.ReplayOptions{Kinds: "O"})
		b.Close()
		if poisoned != (b.Err() != nil) || poisoned != (err != nil) || poisoned && status.Code(errors.Unwrap(err)) != codes.Internal {
			t.Errorf("%s: %v, %v", mode, err, b.Err())
		}
	}
}
