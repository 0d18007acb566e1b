package traces

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const bombSize = 64 << 20 // of zeros

// bomb gives a few bytes that become many.
func bomb(t *testing.T, encoding string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	if encoding == "gzip" {
		w, err = gzip.NewWriterLevel(&out, gzip.BestSpeed)
	} else {
		w, err = zstd.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range bombSize >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close(); out.Len() > limit/2 {
		t.Fatalf("the bomb has %d bytes", out.Len())
	}
	return out.Bytes()
}

// allocated gives how many bytes f allocates, over all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A bomb costs no more than the largest request that may be, over both transports.
func TestBombs(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	url, target := serveHTTP(t, s.OTLP())+tracesPath, dial(t, s).Target()[len("passthrough:///"):]
	zipkinURL := serveHTTP(t, s.Zipkin())
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	h2 := &http.Client{Transport: &http.Transport{Protocols: &p}, Timeout: time.Minute}
	defer h2.CloseIdleConnections()
	for _, encoding := range []string{"gzip", "zstd"} {
		b := bomb(t, encoding)
		call := append(binary.BigEndian.AppendUint32([]byte{1}, uint32(len(b))), b...)
		for name, throw := range map[string]func(){
			"HTTP": func() {
				if got := post(t, url, bytes.NewReader(b), "Content-Type", protobufType, "Content-Encoding", encoding); got.status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: %+v", encoding, got)
				}
			},
			"JSON": func() {
				if got := post(t, url, bytes.NewReader(b), "Content-Type", jsonType, "Content-Encoding", encoding); got.status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: %+v", encoding, got)
				}
			},
			"Zipkin": func() {
				if got := post(t, zipkinURL, bytes.NewReader(b), "Content-Encoding", encoding); got.status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: %+v", encoding, got)
				}
			},
			"gRPC": func() {
				q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+target+tracesMethod, bytes.NewReader(call))
				if err != nil {
					t.Fatal(err)
				}
				q.Header.Set("Content-Type", "application/grpc")
				q.Header.Set("Grpc-Encoding", encoding)
				reply, err := h2.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, reply.Body)
				if reply.Body.Close(); reply.Trailer.Get("Grpc-Status") != "8" && reply.Header.Get("Grpc-Status") != "8" {
					t.Errorf("%s: %v %v", encoding, reply.Header, reply.Trailer)
				}
			},
		} {
			before := s.Refused[TooLarge].Load()
			throw() // makes what pools keep
			s.await(t, TooLarge, before+1)
			before++
			bound := uint64(2 * limit)
			if encoding == "zstd" {
				bound += zstdWindow // a decoder, when the pool has none
			}
			if n := allocated(throw); n > bound {
				t.Errorf("a bomb of %s over %s costs %d KiB, the limit is %d KiB", encoding, name, n>>10, limit>>10)
			}
			s.await(t, TooLarge, before+1)
		}
	}
	r.want(t)
}

// Many large requests at a time do not need the memory of all of them at once: they take turns.
func TestLargeOnesTakeTurns(t *testing.T) {
	var active, most atomic.Int64
	reached, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	const readers = 10
	for range readers {
		all.Go(func() {
			r := &inflating{from: zeros{}, after: smallInflated}
			defer r.Close()
			io.CopyN(io.Discard, r, smallInflated+1)
			n := active.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			reached <- struct{}{}
			<-release
			active.Add(-1)
		})
	}
	for range turns {
		<-reached
	}
	for range 1000 {
		runtime.Gosched() // one that does not wait for its turn comes this far now
	}
	for range readers - turns {
		release <- struct{}{}
		<-reached
	}
	for range turns {
		release <- struct{}{}
	}
	all.Wait()
	if n := most.Load(); n != turns || len(turn) != 0 {
		t.Errorf("%d at a time, %d turns are left over", n, len(turn))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A window that is larger than a decoder must take is refused before it is made.
func TestLargeWindowOfZstd(t *testing.T) {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(2*zstdWindow))
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		w.Write(make([]byte, 1<<20))
	}
	w.Close()
	url := serveHTTP(t, newServer(new(recorder)).OTLP()) + tracesPath
	n := allocated(func() {
		if got := post(t, url, &out, "Content-Type", protobufType, "Content-Encoding", "zstd"); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "window") {
			t.Errorf("%d %q", got.status, got.body)
		}
	})
	if n > limit {
		t.Errorf("it cost %d KiB", n>>10)
	}
}

// Small requests do not wait for those that take turns, and compressed ones of any size come through side by side.
func TestTurnsComeRound(t *testing.T) {
	r := new(recorder)
	conn := dial(t, newServer(r))
	var all sync.WaitGroup
	long := strings.Repeat("n", smallInflated+smallInflated/2) // under the race detector zstd is slow
	for range 4 {
		for _, encoding := range []string{"gzip", "zstd"} {
			all.Go(func() {
				if _, err := export(t, conn, request(long), grpc.UseCompressor(encoding)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	for range turns {
		turn <- struct{}{}
	}
	if _, err := export(t, conn, request("small"), grpc.UseCompressor("gzip")); status.Code(err) != codes.OK {
		t.Error(err)
	}
	for range turns {
		<-turn
	}
	if got := r.take(); len(got) != 9 || got[8] != "small" {
		t.Errorf("%d spans", len(got))
	}
}

// 4 MB of empty spans are read in little more memory than they are.
func TestEmptySpans(t *testing.T) {
	s := newServer(new(recorder))
	x := s.sessions.Get().(*session)
	in := []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[` + strings.Repeat("{},", limit/3-30) + `{}]}]}]}`)
	n := allocated(func() {
		if v, err := s.takeWith(x, in, true, netip.Addr{}); err != nil || v.Rejected != limit/3-29 {
			t.Errorf("%+v, %v", v, err)
		}
	})
	if n > 6*limit { // a buffer that grows
		t.Errorf("%d KiB for %d KiB", n>>10, len(in)>>10)
	}
}
