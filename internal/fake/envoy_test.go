package fake

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
)

func TestNodeSize(t *testing.T) {
	n := Node("id", "cluster")
	if size := proto.Size(n); size < 57_000 || size > 59_000 || len(n.Extensions) != 493 {
		t.Errorf("%d bytes, %d extensions", size, len(n.Extensions))
	}
}

// TestEnvoyStreams: a connection per worker, a stream per worker and kind, the identifier in the first message only.
func TestEnvoyStreams(t *testing.T) {
	s, l := &alsServer{}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	e, err := NewEnvoy(EnvoyOptions{Target: l.Addr().String(), LogName: "edge", Workers: 3, FlushInterval: -1, BufferBytes: 400})
	if err != nil {
		t.Fatal(err)
	}
	const perWorker = 200
	var logging sync.WaitGroup
	for w := range 3 {
		logging.Go(func() {
			for i := range perWorker {
				if err := e.Log(w, entry(fmt.Sprintf("%d/%d", w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	logging.Wait()
	if err := e.LogTCP(1, &alsdata.TCPAccessLogEntry{CommonProperties: &alsdata.AccessLogCommon{StreamId: "tcp"}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	next := map[string]int{} // by worker: the number that must come next, since a stream keeps the order
	streams, tcp, messages := map[int]bool{}, 0, 0
	for _, r := range s.drained() {
		messages++
		if first := !streams[r.stream]; first != (r.message.Identifier != nil) {
			t.Errorf("stream %d: identifier %v", r.stream, r.message.Identifier != nil)
		} else if first && (r.message.Identifier.LogName != "edge" || len(r.message.Identifier.Node.Extensions) != 493) {
			t.Errorf("identifier %v", r.message.Identifier.LogName)
		}
		streams[r.stream] = true
		tcp += len(r.message.GetTcpLogs().GetLogEntry())
		for _, e := range r.message.GetHttpLogs().GetLogEntry() {
			w, i, _ := strings.Cut(e.CommonProperties.StreamId, "/")
			if want := fmt.Sprint(next[w]); i != want {
				t.Fatalf("worker %s: entry %s, want %s", w, i, want)
			}
			next[w]++
		}
	}
	if len(streams) != 4 || tcp != 1 || next["0"] != perWorker || next["1"] != perWorker || next["2"] != perWorker {
		t.Errorf("%d streams, %d TCP entries, %v", len(streams), tcp, next)
	}
	st := e.Stats()
	if st.Entries != 3*perWorker+1 || st.Lost != 0 || st.Streams != 4 || st.Messages != uint64(messages) || st.Bytes < 4*57_000 {
		t.Errorf("%+v, %d messages came", st, messages)
	}
	if err := e.Log(0, entry("late")); err == nil || e.Stats().Lost != 1 {
		t.Errorf("an entry after Close: %v, %+v", err, e.Stats())
	}
}

// TestEnvoyReconnect: after the server's end of a stream the next flush opens another, with the identifier again.
func TestEnvoyReconnect(t *testing.T) {
	s, l := &alsServer{end: func(n int) bool { return n == 2 }}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	e, err := NewEnvoy(EnvoyOptions{Target: l.Addr().String(), FlushInterval: -1, BufferBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := e.Log(0, entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		r := <-s.got
		if got := r.message.GetHttpLogs().LogEntry[0].CommonProperties.StreamId; got != fmt.Sprint(i) {
			t.Fatalf("entry %s, want %d", got, i)
		}
		if r.stream != 1+i/2 || (r.message.Identifier != nil) != (i%2 == 0) {
			t.Errorf("entry %d: stream %d, identifier %v", i, r.stream, r.message.Identifier != nil)
		}
		if i%2 == 1 { // Envoy has seen the end before it flushes again
			<-e.workers[0].http.stream.ended
		}
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := e.Stats(); st.Streams != 3 || st.Entries != 6 {
		t.Errorf("%+v", st)
	}
}

// TestEnvoyWithoutServer: a batch stays until a server is there, what does not fit is lost and counted.
func TestEnvoyWithoutServer(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	l.Close()
	e, err := NewEnvoy(EnvoyOptions{Target: address, FlushInterval: -1, BufferBytes: 30}) // two entries of 17 bytes
	if err != nil {
		t.Fatal(err)
	}
	var lost int
	for i := range 5 {
		if e.Log(0, entry(fmt.Sprintf("entry-%05d", i))) != nil {
			lost++
		}
	}
	if st := e.Stats(); lost != 3 || st.Lost != 3 || st.Entries != 0 {
		t.Fatalf("%d lost, %+v", lost, st)
	}
	s := &alsServer{}
	s.serve(t, listen(t, address))
	for e.Stats().Entries == 0 { // until the connection's backoff is over
		e.Flush()
		time.Sleep(5 * time.Millisecond)
	}
	if r := <-s.got; r.message.Identifier == nil || len(r.message.GetHttpLogs().LogEntry) != 2 {
		t.Errorf("%v", r.message)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEnvoyKilled: a Close whose context is done leaves the batch behind, and does not wait for a server that is stuck.
func TestEnvoyKilled(t *testing.T) {
	s, l := &alsServer{block: make(chan struct{})}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	e, err := NewEnvoy(EnvoyOptions{Target: l.Addr().String(), FlushInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	e.Log(0, entry("sent"))
	e.Flush()
	e.Log(0, entry("left"))
	blocked := make(chan error)
	go func() { blocked <- e.SendRaw(0, make([]byte, 1<<20)) }() // more than the window of a server that does not read
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Close(done); err == nil {
		t.Error("no error")
	}
	<-blocked
	if st := e.Stats(); st.Lost != 1 || st.Entries != 1 {
		t.Errorf("%+v", st)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestEnvoySendRaw(t *testing.T) {
	s, l := &alsServer{}, listen(t, "127.0.0.1:0")
	s.serve(t, l)
	message, err := proto.Marshal(&als.StreamAccessLogsMessage{LogEntries: &als.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &als.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: []*alsdata.HTTPAccessLogEntry{entry("raw")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, anonymous := range []bool{false, true} {
		e, err := NewEnvoy(EnvoyOptions{Target: l.Addr().String(), Anonymous: anonymous})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := e.SendRaw(0, message); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, r := range s.drained() {
			if len(r.message.GetHttpLogs().GetLogEntry()) != 1 || (r.message.Identifier != nil) != (i == 0 && !anonymous) {
				t.Errorf("anonymous %v, message %d: %v", anonymous, i, r.message)
			}
		}
		if st := e.Stats(); st.Messages != 2 || st.Entries != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// TestEnvoyFlushInterval: over an in-memory network, a batch leaves exactly when Envoy's timer fires.
func TestEnvoyFlushInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := bufconn.Listen(1 << 20)
		s := &alsServer{got: make(chan received, 10)}
		stop := s.serve(t, l)
		defer stop()
		e, err := NewEnvoy(EnvoyOptions{Target: "passthrough:///agent", Dial: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		}})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		time.Sleep(300 * time.Millisecond)
		e.Log(0, entry("one"))
		r := <-s.got
		if took := time.Since(begin); took != time.Second || r.message.Identifier == nil {
			t.Errorf("after %v: %v", took, r.message)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
