package fake

import (
	"net"
	"sync"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
)

// received is one message as an ALS server got it.
type received struct {
	stream  int // from 1, in order of their first messages
	message *als.StreamAccessLogsMessage
}

// alsServer is the smallest server with the official types.
type alsServer struct {
	als.UnimplementedAccessLogServiceServer
	got   chan received
	end   func(message int) bool // end the stream after this message of it, counted from 1
	fail  error                  // what to end it with
	block chan struct{}          // if not nil, read nothing before it is closed

	mu      sync.Mutex
	streams int
}

func (s *alsServer) StreamAccessLogs(stream als.AccessLogService_StreamAccessLogsServer) error {
	if s.block != nil {
		select {
		case <-s.block:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	id := 0
	for n := 1; ; n++ {
		m, err := stream.Recv()
		if err != nil { // io.EOF: the client ended it
			return stream.SendAndClose(&als.StreamAccessLogsResponse{})
		}
		if id == 0 {
			s.mu.Lock()
			s.streams++
			id = s.streams
			s.mu.Unlock()
		}
		s.got <- received{id, m}
		if s.end != nil && s.end(n) {
			return s.fail
		}
	}
}

// serve starts the server at an address, "" for any, and gives the address. The test's end stops it.
func (s *alsServer) serve(t *testing.T, l net.Listener) (stop func()) {
	t.Helper()
	if s.got == nil {
		s.got = make(chan received, 100000)
	}
	g := grpc.NewServer(grpc.MaxRecvMsgSize(16 << 20))
	als.RegisterAccessLogServiceServer(g, s)
	done := make(chan struct{})
	go func() { defer close(done); g.Serve(l) }()
	stop = sync.OnceFunc(func() { g.Stop(); <-done })
	t.Cleanup(stop)
	return stop
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// entry gives an entry that can be told from others.
func entry(id string) *alsdata.HTTPAccessLogEntry {
	return &alsdata.HTTPAccessLogEntry{CommonProperties: &alsdata.AccessLogCommon{StreamId: id}}
}

// drained gives everything that has been received so far.
func (s *alsServer) drained() []received {
	var rs []received
	for {
		select {
		case r := <-s.got:
			rs = append(rs, r)
		default:
			return rs
		}
	}
}
