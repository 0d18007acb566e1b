package agent

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/alspan/alspan/internal/config"
)

// sniff runs a sniffer on an address of its own.
func sniff(t *testing.T, own *tls.Config, wait time.Duration) (*sniffer, string) {
	t.Helper()
	s := newSniffer(own)
	s.wait = wait
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.serve(l) }()
	t.Cleanup(func() {
		l.Close()
		s.close()
		s.grpc.Close()
		s.http.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func dialRaw(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// headers makes the frames with which a client's first request begins.
func headers(t *testing.T, p http2.HeadersFrameParam, fields ...string) []byte {
	t.Helper()
	var b, block bytes.Buffer
	f, e := http2.NewFramer(&b, nil), hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	p.StreamID, p.BlockFragment = 1, block.Bytes()
	for _, err := range []error{f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}), f.WriteWindowUpdate(0, 1<<20), f.WriteHeaders(p)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

var post = []string{":method", "POST", ":scheme", "http", ":path", "/v1/traces", ":authority", "x"}

func TestWhatAConnectionSpeaks(t *testing.T) {
	s, address := sniff(t, nil, 20*time.Second)
	whole := http2.HeadersFrameParam{EndHeaders: true}
	with := func(p http2.HeadersFrameParam, fields ...string) string {
		return http2.ClientPreface + string(headers(t, p, append(append([]string{}, post...), fields...)...))
	}
	for said, isGRPC := range map[string]bool{
		"G":                            false, // one byte is enough
		"POST /v1/traces HTTP/1.1\r\n": false,
		"PRI * HTTP/1.1\r\n":           false,
		"\x16\x03\x01":                 false, // TLS where there is none: HTTP says so
		http2.ClientPreface:            true,  // says no more: waits for our settings
		http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00":                             true,
		with(whole, "content-type", "application/grpc"):                                          true,
		with(whole, "content-type", "application/grpc+proto"):                                    true,
		with(whole, "content-type", "application/grpc;x=y"):                                      true,
		with(whole, "content-type", "application/grpc-web"):                                      false,
		with(whole, "content-type", "application/x-protobuf"):                                    false,
		with(whole, "user-agent", strings.Repeat("u", 1000), "content-type", "application/json"): false,
		with(whole): false,
		with(http2.HeadersFrameParam{EndHeaders: true, PadLength: 200, Priority: http2.PriorityParam{StreamDep: 3}}, "content-type", "application/json"): false,
		with(http2.HeadersFrameParam{EndHeaders: true, PadLength: 200}, "content-type", "application/grpc"):                                              true,
		with(http2.HeadersFrameParam{}, "content-type", "application/json"):                                                                              false, // more is to come, but this is known
		with(http2.HeadersFrameParam{}): true, // it takes too long to say
		with(whole, "a", strings.Repeat("\x00", 2*lookAt), "content-type", "application/json"): true, // it takes too much to say
	} {
		c := dialRaw(t, address)
		io.WriteString(c, said)
		var got net.Conn
		select {
		case got = <-s.grpc.conns:
			if !isGRPC {
				t.Errorf("%.80q is gRPC", said)
			}
		case got = <-s.http.conns:
			if isGRPC {
				t.Errorf("%.80q is HTTP", said)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%.80q is nothing", said)
		}
		if _, ok := got.(*net.TCPConn); ok != canPeek {
			t.Errorf("the connection is a %T", got)
		}
		// All is there, and there is no deadline left over.
		all := make([]byte, len(said))
		if _, err := io.ReadFull(got, all); err != nil || string(all) != said {
			t.Errorf("%.80q was read as %.80q: %v", said, all, err)
		}
		got.Close()
	}
}

// A peer may be as slow as it likes within its time, and what it says counts, not how.
func TestByteByByte(t *testing.T) {
	s, address := sniff(t, nil, 20*time.Second)
	c := dialRaw(t, address)
	for _, b := range []byte(http2.ClientPreface) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // a packet of its own
	}
	frames := headers(t, http2.HeadersFrameParam{EndHeaders: true}, append(append([]string{}, post...), "content-type", "application/json")...)
	for part := range bytes.SplitSeq(frames, []byte{0}) {
		c.Write(append(part, 0))
	}
	got := <-s.http.conns
	want := http2.ClientPreface + string(frames)
	all := make([]byte, len(want))
	if _, err := io.ReadFull(got, all); err != nil || string(all) != want {
		t.Errorf("%q: %v", all, err)
	}
	got.Close()
}

// Peers that say nothing, or not enough, are closed, and hold up nobody.
func TestSilentPeers(t *testing.T) {
	s, address := sniff(t, nil, 300*time.Millisecond)
	var silent []net.Conn
	for i := range 60 {
		c := dialRaw(t, address)
		if io.WriteString(c, http2.ClientPreface[:i%3*10]); i%3 == 2 {
			c.(*net.TCPConn).CloseWrite()
		}
		silent = append(silent, c)
	}
	c := dialRaw(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\n")
	began := time.Now()
	(<-s.http.conns).Close()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("waited %v behind silent peers", took)
	}
	for i, c := range silent {
		if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	await(t, "nobody undecided", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.undecided) == 0
	})
}

// Close ends those that are undecided, and lets nobody in.
func TestCloseOfUndecided(t *testing.T) {
	s, address := sniff(t, nil, time.Hour)
	one, two := dialRaw(t, address), dialRaw(t, address)
	io.WriteString(two, http2.ClientPreface[:5])
	await(t, "two undecided", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.undecided) == 2
	})
	s.close()
	three := dialRaw(t, address)
	for _, c := range []net.Conn{one, two, three} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
}

// The frames of a request come in any pieces: what is known of a part of them is never wrong.
func TestPartsOfARequest(t *testing.T) {
	for _, contentType := range []string{"application/grpc", "application/x-protobuf"} {
		frames := headers(t, http2.HeadersFrameParam{EndHeaders: true, PadLength: 3}, append(append([]string{}, post...), "te", "trailers", "content-type", contentType)...)
		want := contentType == "application/grpc"
		for n := range len(frames) + 1 {
			if isGRPC, known := requestIsGRPC(frames[:n]); known && isGRPC != want {
				t.Errorf("%d of %d bytes with %s: gRPC %v", n, len(frames), contentType, isGRPC)
			}
		}
		if _, known := requestIsGRPC(frames); !known {
			t.Errorf("a whole request is not known")
		}
	}
}

func FuzzFirstRequest(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x05\x01\x2c\x00\x00\x00\x01\x00\x00\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, frames []byte) { requestIsGRPC(frames) })
}

// What is looked at of a TLS connection is read again.
func TestReadAgain(t *testing.T) {
	client, server := net.Pipe()
	go func() {
		io.WriteString(client, "hello ")
		io.WriteString(client, "world")
		client.Close()
	}()
	r := &reading{Conn: server}
	if b, err := r.more(); err != nil || string(b) != "hello " {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := io.ReadAll(oneByte{r.conn()}); err != nil || string(b) != "hello world" {
		t.Errorf("%q, %v", b, err)
	}
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// A handshake that never ends does not hold up others, and ends in time.
func TestSilentTLS(t *testing.T) {
	ca, cert, key := testPKI(t)
	own, err := serverTLS(&config.ServerTLS{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	s, address := sniff(t, own, 500*time.Millisecond)
	silent := dialRaw(t, address)
	pool, err := readCAs(ca)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(dialRaw(t, address), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	io.WriteString(c, "GET")
	got := <-s.http.conns
	b := make([]byte, 3)
	if _, err := io.ReadFull(got, b); err != nil || string(b) != "GET" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := silent.Read(b); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
