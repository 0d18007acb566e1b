package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/fake"
	"github.com/alspan/alspan/internal/rawgrpc"
	"github.com/alspan/alspan/traces"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// spansRequest makes an encoded request with n spans.
func spansRequest(n int) []byte {
	spans := make([]*tracepb.Span, n)
	for i := range spans {
		spans[i] = &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: fmt.Appendf(nil, "%08d", i), Name: "s"}
	}
	b, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}})
	if err != nil {
		panic(err)
	}
	return b
}

// exportTo sends spans to an address over gRPC, on a connection of its own.
func exportTo(t *testing.T, address string, own *tls.Config, n int) error {
	t.Helper()
	creds := insecure.NewCredentials()
	if own != nil {
		creds = credentials.NewTLS(own)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawgrpc.Codec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return conn.Invoke(ctx, exportMethod, rawgrpc.Encoded(spansRequest(n)), new(rawgrpc.Message))
}

// client makes an HTTP client that speaks one version.
func client(t *testing.T, version int, own *tls.Config) *http.Client {
	tr := &http.Transport{TLSClientConfig: own.Clone(), Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(version == 1)
	tr.Protocols.SetHTTP2(version == 2 && own != nil)
	tr.Protocols.SetUnencryptedHTTP2(version == 2 && own == nil)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// posted sends a request and gives its status, and checks that it went over that version of HTTP.
func posted(t *testing.T, c *http.Client, version int, url, contentType string, body io.Reader) int {
	t.Helper()
	r, err := c.Post(url, contentType, body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	io.Copy(io.Discard, r.Body)
	if r.ProtoMajor != version {
		t.Errorf("%s went over HTTP/%d, want %d", url, r.ProtoMajor, version)
	}
	return r.StatusCode
}

// Every port but Zipkin's takes access logs, OTLP over gRPC and OTLP over HTTP, with TLS or without.
func TestEveryPortTakesEverything(t *testing.T) {
	ca, cert, key := testPKI(t)
	known, err := clientTLS(&config.ClientTLS{CAFile: ca, CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	known.ServerName = "127.0.0.1"
	for scheme, own := range map[string]*tls.Config{"http": nil, "https": known} {
		a := startAgent(t, startBackend(t), func(c *config.Config) {
			if c.Receive.ALS.Address = "127.0.0.1:0"; own != nil {
				c.Receive.TLS = config.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: ca}
			}
		})
		in := a.receiver.spans
		for i, door := range []string{"grpc", "als", "http"} {
			address := a.receiver.address(door)
			var o []grpc.DialOption
			if own != nil {
				o = append(o, grpc.WithTransportCredentials(credentials.NewTLS(own)))
			}
			e, err := fake.NewEnvoy(fake.EnvoyOptions{Target: address, FlushInterval: time.Millisecond, Node: fake.Node("e", "edge"), Dial: o})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Log(0, entry("/")); err != nil {
				t.Fatal(err)
			}
			if err := exportTo(t, address, own, 3); err != nil {
				t.Errorf("%s %s: %v", scheme, door, err)
			}
			for version := 1; version <= 2; version++ {
				c := client(t, version, own)
				for range 2 {
					if got := posted(t, c, version, scheme+"://"+address+"/v1/traces", "application/x-protobuf", bytes.NewReader(spansRequest(2))); got != http.StatusOK {
						t.Errorf("%s %s HTTP/%d: %d", scheme, door, version, got)
					}
				}
			}
			await(t, "the entry", func() bool { return a.pipeline.Entries.Received.Load() == int64(i+1) })
			e.Close(t.Context())
			if g, h := in.Requests[traces.GRPC].Load(), in.Requests[traces.HTTPProtobuf].Load(); g != int64(i+1) || h != int64(4*(i+1)) {
				t.Errorf("%s %s: %d requests over gRPC, %d over HTTP", scheme, door, g, h)
			}
		}
		zipkin := scheme + "://" + a.receiver.address("zipkin")
		for version := 1; version <= 2; version++ {
			if r, err := client(t, version, own).Get(zipkin + "/health"); err != nil || r.StatusCode != http.StatusOK {
				t.Errorf("%s: %v, %v", zipkin, r, err)
			}
		}
		if got := posted(t, client(t, 1, own), 1, zipkin+"/api/v1/spans", "application/json", strings.NewReader("[]")); got != http.StatusBadRequest {
			t.Errorf("Zipkin v1: %d", got)
		}
		page := get(t, a, "/metrics", http.StatusOK)
		for _, line := range []string{`alspan_requests_received_total{transport="http_protobuf"} 12`, `alspan_requests_refused_total{reason="unsupported"} 1`,
			`alspan_requests_received_total{transport="grpc"} 3`, `alspan_other_received_total{signal="logs"} 0`} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("the metrics have no line %q", line)
			}
		}
		a.Stop()
		checkLedgers(t, a)
	}
}

// One connection cannot have both. gRPC, by which access logs come, wins on the next one.
func TestBothOnOneConnection(t *testing.T) {
	a := startAgent(t, startBackend(t), nil)
	defer a.Stop()
	c := client(t, 2, nil)
	call := func(contentType, path string, body []byte) *http.Response {
		t.Helper()
		r, err := c.Post("http://"+a.Address()+path, contentType, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		return r
	}
	framed := append([]byte{0, 0, 0, 0, 0}, spansRequest(2)...)
	framed[3], framed[4] = byte((len(framed)-5)>>8), byte(len(framed)-5)
	if r := call("application/x-protobuf", "/v1/traces", spansRequest(1)); r.StatusCode != http.StatusOK {
		t.Fatal(r.Status)
	}
	if r := call("application/grpc", exportMethod, framed); r.Header.Get("Grpc-Status") != "14" || !strings.Contains(r.Header.Get("Grpc-Message"), "two clusters") {
		t.Errorf("%v", r.Header)
	}
	if r := call("application/grpc", exportMethod, framed); r.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%v %v", r.Header, r.Trailer)
	}
	if n := a.pipeline.Spans.In.Load(); n != 3 {
		t.Errorf("%d spans", n)
	}
}

// A client without a certificate is refused whatever it speaks, and one that negotiates nothing is served.
func TestClientCertificates(t *testing.T) {
	ca, cert, key := testPKI(t)
	a := startAgent(t, startBackend(t), func(c *config.Config) {
		c.Receive.TLS = config.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: ca}
	})
	defer a.Stop()
	pool, err := readCAs(ca)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	for _, door := range []string{"grpc", "http", "zipkin"} {
		address := a.receiver.address(door)
		if err := exportTo(t, address, stranger, 1); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", door, err)
		}
		for version := 1; version <= 2; version++ {
			if r, err := client(t, version, stranger).Get("https://" + address + "/health"); err == nil {
				t.Errorf("%s HTTP/%d: %v", door, version, r.Status)
			}
		}
		if r, err := client(t, 1, nil).Get("http://" + address + "/health"); err == nil && r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s in plaintext: %v", door, r.Status)
		}
	}
	known, err := clientTLS(&config.ClientTLS{CAFile: ca, CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	known.ServerName = "127.0.0.1"
	c := tls.Client(dialRaw(t, a.Address()), known)
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !bytes.Contains(b, []byte("404 Not Found")) {
		t.Errorf("%q, %v", b, err)
	}
}

// A MiB of headers is refused, over all transports.
func TestHeadersAreBounded(t *testing.T) {
	a := startAgent(t, startBackend(t), nil)
	defer a.Stop()
	for _, door := range []string{"grpc", "http", "zipkin"} {
		for version := 1; version <= 2; version++ {
			q, err := http.NewRequest(http.MethodPost, "http://"+a.receiver.address(door)+"/v1/traces", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("X-Large", strings.Repeat("x", 1<<20))
			r, err := client(t, version, nil).Do(q)
			if err == nil && r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s HTTP/%d: %v", door, version, r.Status)
			}
			if version == 1 && err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("%s: %v", door, err)
			}
		}
	}
	if n := a.receiver.spans.Requests[traces.HTTPJSON].Load(); n != 0 {
		t.Errorf("%d requests were taken", n)
	}
}

// A stop lets a request that has begun end, closes connections that are idle, and says goodbye to new ones.
func TestStopLetsRequestsEnd(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Export.Drain = 10 * time.Second })
	address := a.receiver.address("http")
	idle := client(t, 1, nil)
	posted(t, idle, 1, "http://"+address+"/v1/traces", "application/json", strings.NewReader("{}"))
	all := spansRequest(100)
	busy := dialRaw(t, address)
	fmt.Fprintf(busy, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(all))
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	if got := make([]byte, len(goOn)); readFull(busy, got) != goOn { // the body is being read
		t.Fatalf("%q", got)
	}
	busy.Write(all[:500])
	stopped := make(chan struct{})
	began := time.Now()
	go func() { a.Stop(); close(stopped) }()
	await(t, "a closed door", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	busy.Write(all[500:])
	if got, err := io.ReadAll(busy); err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 200 OK\r\n")) || a.pipeline.Spans.In.Load() != 100 {
		t.Errorf("%q, %v, %d spans", got, err, a.pipeline.Spans.In.Load())
	}
	<-stopped
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the stop took %v", took)
	}
	checkLedgers(t, a)
}

func readFull(r io.Reader, b []byte) string {
	n, _ := io.ReadFull(r, b)
	return string(b[:n])
}

// A request that never ends does not hold up a stop for longer than it may take.
func TestStopEndsSlowRequests(t *testing.T) {
	a := startAgent(t, startBackend(t), func(c *config.Config) { c.Export.Drain = 400 * time.Millisecond })
	for _, door := range []string{"http", "zipkin"} {
		c := dialRaw(t, a.receiver.address(door))
		io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	}
	conn, err := grpc.NewClient("passthrough:///"+a.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, exportMethod, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a.Stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the stop took %v, and may take 400ms", took)
	}
}

// Slow peers have their time, and no more: it is net/http that takes it.
func TestTimesOfHTTP(t *testing.T) {
	a := startAgent(t, startBackend(t), nil)
	defer a.Stop()
	for _, s := range []*http.Server{a.receiver.otlp, a.receiver.zipkin} {
		if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != maxHeaders {
			t.Errorf("%+v", s)
		}
	}
	a.receiver.otlp.ReadTimeout, a.receiver.zipkin.ReadTimeout = 300*time.Millisecond, 300*time.Millisecond
	for _, door := range []string{"http", "zipkin"} {
		c := dialRaw(t, a.receiver.address(door))
		io.WriteString(c, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		if b, err := io.ReadAll(c); err != nil || !bytes.Contains(b, []byte(" 400 ")) {
			t.Errorf("%q, %v", b, err)
		}
	}
}
