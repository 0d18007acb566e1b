package traces

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/zipkin"
)

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// post sends a request and gives its answer; fields are pairs of name and value.
func post(t *testing.T, url string, body io.Reader, fields ...string) reply {
	t.Helper()
	return send(t, http.MethodPost, url, body, fields...)
}

func send(t *testing.T, method, url string, body io.Reader, fields ...string) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Add(fields[i], fields[i+1])
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{r.StatusCode, r.Header, b}
}

func serveHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

// wantStatus checks that an error has a google.rpc.Status in the encoding of its request.
func wantStatus(t *testing.T, r reply, contentType string, code codes.Code, text string) {
	t.Helper()
	var s spb.Status
	var err error
	if contentType == protobufType {
		err = proto.Unmarshal(r.body, &s)
	} else {
		err = protojson.Unmarshal(r.body, &s)
	}
	if err != nil || r.header.Get("Content-Type") != contentType || codes.Code(s.Code) != code || !strings.Contains(s.Message, text) {
		t.Errorf("%d %s: %v, %v, want %v with %q", r.status, r.header.Get("Content-Type"), &s, err, code, text)
	}
}

func TestHTTP(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	url := serveHTTP(t, s.OTLP()) + tracesPath
	for _, packing := range []struct {
		name string
		pack func([]byte) []byte
	}{{"", bytes.Clone}, {"identity", bytes.Clone}, {"gzip", gzipped}, {"zstd", zstded}, {"GZIP", gzipped}, {"x-gzip", gzipped}} {
		for _, contentType := range []string{protobufType, jsonType, "application/json; charset=utf-8", "Application/X-Protobuf ;a=b"} {
			body, plain := request("a", "bad"), protobufType
			if strings.HasPrefix(contentType, jsonType) {
				body, plain = []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7","name":"a"},{}]}]}]}`), jsonType
			}
			got := post(t, url, bytes.NewReader(packing.pack(body)), "Content-Type", contentType, "Content-Encoding", packing.name)
			if got.status != http.StatusOK || got.header.Get("Content-Type") != plain {
				t.Errorf("%s %s: %+v", packing.name, contentType, got)
			}
			if plain == protobufType {
				if p := readResponse(got.body); !p.set || p.rejected != 1 || p.text != rejectedText {
					t.Errorf("%x", got.body)
				}
			} else if want := `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"` + rejectedText + `"}}`; string(got.body) != want {
				t.Errorf("%s", got.body)
			}
			r.want(t, "a")
		}
	}
	if r.from.String() != "127.0.0.1" {
		t.Errorf("the sender is %v", r.from)
	}
	// Full success says nothing, and so do empty requests.
	for _, body := range [][]byte{nil, request("x")} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			sent := body
			if body != nil && encoding != "" {
				sent = map[string]func([]byte) []byte{"gzip": gzipped, "zstd": zstded}[encoding](body)
			}
			if got := post(t, url, bytes.NewReader(sent), "Content-Type", protobufType, "Content-Encoding", encoding); got.status != http.StatusOK || len(got.body) != 0 {
				t.Errorf("%s: %+v", encoding, got)
			}
		}
	}
	r.want(t, "x", "x", "x")
	for _, body := range []string{"", "{}", " "} {
		if got := post(t, url, strings.NewReader(body), "Content-Type", jsonType); got.status != http.StatusOK || string(got.body) != "{}" {
			t.Errorf("%q: %+v", body, got)
		}
	}
	if got := post(t, url, bytes.NewReader(cut("c")), "Content-Type", protobufType); got.status != http.StatusOK || readResponse(got.body).text != truncatedText {
		t.Errorf("%+v", got)
	}
	r.want(t, "c")
	for i, n := range []int64{0, 19, 15} {
		if got := s.Requests[i].Load(); got != n || (s.Bytes[i].Load() > 0) != (n > 0) {
			t.Errorf("%d requests over %v, want %d", got, Transport(i), n)
		}
	}
	if n := dropped(s); n != 0 {
		t.Errorf("%d refused", n)
	}
}

func dropped(s *Server) (n int64) {
	for i := range s.Refused {
		n += s.Refused[i].Load()
	}
	return n
}

func TestHTTPErrors(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	url := serveHTTP(t, s.OTLP())
	for _, contentType := range []string{protobufType, jsonType} {
		check := func(got reply, status int, code codes.Code, why Refusal, text string) {
			t.Helper()
			if got.status != status || s.Refused[why].Load() != 1 || dropped(s) != 1 {
				t.Errorf("status %d, want %d; %d refused", got.status, status, dropped(s))
			}
			s.Refused[why].Store(0)
			wantStatus(t, got, contentType, code, text)
			r.want(t)
		}
		one := func() io.Reader { return bytes.NewReader(request("a")) }
		for _, path := range []string{"/", "/v1/trace", "/v1/traces/", "/api/v2/spans", tracesMethod} {
			check(post(t, url+path, one(), "Content-Type", contentType), http.StatusNotFound, codes.NotFound, Unsupported, "/v1/traces")
		}
		for _, method := range []string{"GET", "PUT", "OPTIONS", "DELETE"} {
			got := send(t, method, url+tracesPath, nil, "Content-Type", contentType)
			check(got, http.StatusMethodNotAllowed, codes.Unimplemented, Unsupported, "POST")
			if got.header.Get("Allow") != "POST" {
				t.Errorf("%v", got.header)
			}
		}
		for _, encoding := range []string{"deflate", "br", "gzip, zstd", "snappy"} {
			check(post(t, url+tracesPath, one(), "Content-Type", contentType, "Content-Encoding", encoding), http.StatusUnsupportedMediaType, codes.Unimplemented, Unsupported, "gzip, zstd")
		}
		for _, encoding := range []string{"gzip", "zstd"} {
			check(post(t, url+tracesPath, one(), "Content-Type", contentType, "Content-Encoding", encoding), http.StatusBadRequest, codes.InvalidArgument, Malformed, encoding)
			torn := gzipped(request(strings.Repeat("n", 5000)))
			if encoding == "zstd" {
				torn = zstded(request(strings.Repeat("n", 5000)))
			}
			check(post(t, url+tracesPath, bytes.NewReader(torn[:len(torn)-5]), "Content-Type", contentType, "Content-Encoding", encoding), http.StatusBadRequest, codes.InvalidArgument, Malformed, encoding)
		}
		check(post(t, url+tracesPath, strings.NewReader("\xffnothing"), "Content-Type", contentType), http.StatusBadRequest, codes.InvalidArgument, Malformed, "")
		// Too large: by its header, and by what comes.
		large := make([]byte, limit+1)
		check(post(t, url+tracesPath, bytes.NewReader(large), "Content-Type", contentType), http.StatusRequestEntityTooLarge, codes.ResourceExhausted, TooLarge, "receive.limits.request")
		check(post(t, url+tracesPath, io.MultiReader(bytes.NewReader(large)), "Content-Type", contentType), http.StatusRequestEntityTooLarge, codes.ResourceExhausted, TooLarge, "receive.limits.request")
		r.full = true
		body := one()
		if contentType == jsonType {
			body = strings.NewReader("{}")
		}
		got := post(t, url+tracesPath, body, "Content-Type", contentType)
		check(got, http.StatusServiceUnavailable, codes.Unavailable, Full, "no room")
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("%v", got.header)
		}
		r.full = false
	}
	for _, contentType := range []string{"", "text/plain", "application/grpc", "application/protobuf+x", "application/x-thrift"} {
		got := post(t, url+tracesPath, bytes.NewReader(request("a")), "Content-Type", contentType)
		if got.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %+v", contentType, got)
		}
		wantStatus(t, got, jsonType, codes.Unimplemented, "application/x-protobuf or application/json")
	}
	s.Stop()
	if got := post(t, url+tracesPath, nil, "Content-Type", protobufType); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
		t.Errorf("%+v", got)
	}
	r.want(t)
}

// The largest request that may be is taken, in all its forms.
func TestHTTPAtTheLimit(t *testing.T) {
	r := new(recorder)
	url := serveHTTP(t, newServer(r).OTLP()) + tracesPath
	body := request(strings.Repeat("n", limit-100))
	name := strings.Repeat("n", limit-100+limit-len(body))
	if body = request(name); len(body) != limit {
		t.Fatalf("%d bytes", len(body))
	}
	for encoding, sent := range map[string][]byte{"": body, "gzip": gzipped(body), "zstd": zstded(body)} {
		if got := post(t, url, io.MultiReader(bytes.NewReader(sent)), "Content-Type", protobufType, "Content-Encoding", encoding); got.status != http.StatusOK {
			t.Errorf("%s: %+v", encoding, got)
		}
		r.want(t, name)
	}
}

// One connection serves many requests, errors among them.
func TestHTTPKeepsConnections(t *testing.T) {
	r := new(recorder)
	server := httptest.NewUnstartedServer(newServer(r).OTLP())
	opened := 0
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened++
		}
	}
	server.Start()
	for range 10 {
		post(t, server.URL+tracesPath, bytes.NewReader(request("a")), "Content-Type", protobufType)
		post(t, server.URL+tracesPath, strings.NewReader("{"), "Content-Type", jsonType)
		post(t, server.URL+"/nothing", strings.NewReader("{}"), "Content-Type", jsonType)
	}
	http.DefaultClient.CloseIdleConnections()
	server.Close()
	if opened != 1 {
		t.Errorf("%d connections", opened)
	}
	if r.opens > 2 && !raceEnabled { // the race detector makes a pool forget
		t.Errorf("%d consumers for requests one after the other", r.opens)
	}
}

func TestZipkin(t *testing.T) {
	r := new(recorder)
	s := newServer(r)
	url := serveHTTP(t, s.Zipkin())
	accepted := func(path, body string, fields ...string) {
		t.Helper()
		if got := post(t, url+path, strings.NewReader(body), fields...); got.status != http.StatusAccepted || len(got.body) != 0 {
			t.Errorf("%s %v: %+v", path, fields, got)
		}
	}
	list := func(name string) string {
		return `[{"traceId":"0000000000000001","id":"0000000000000002","name":"` + name + `","shared":true},{"traceId":"0000000000000001","id":"0000000000000003","name":"` + name + `"}]`
	}
	accepted("/api/v2/spans", list("a"))
	r.want(t, "a", "a")
	if len(r.marks) != 2 || r.marks[0] != Zipkin|Shared || r.marks[1] != Zipkin {
		t.Errorf("%v", r.marks)
	}
	accepted("/", list("b"), "Content-Type", "text/plain")
	r.want(t, "b", "b")
	accepted("/zipkin/anything", list("c"), "Content-Type", "application/json;charset=UTF-8")
	r.want(t, "c", "c")
	// ListOfSpans { repeated Span spans = 1; }, Span { bytes trace_id = 1; bytes id = 3; string name = 5; }
	span := "\x0a\x08\x00\x00\x00\x00\x00\x00\x00\x01" + "\x1a\x08\x00\x00\x00\x00\x00\x00\x00\x02" + "\x2a\x01d"
	accepted("/api/v2/spans", "\x0a"+string(rune(len(span)))+span, "Content-Type", "application/x-protobuf")
	r.want(t, "d")
	accepted("/api/v2/spans", string(gzipped([]byte(list("e")))), "Content-Encoding", "gzip")
	r.want(t, "e", "e")
	accepted("/api/v2/spans", string(zstded([]byte(list("f")))), "Content-Encoding", "zstd")
	r.want(t, "f", "f")
	accepted("/api/v2/spans", "[]")
	r.want(t)
	accepted("/api/v2/spans", `[{"traceId":"x"}]`)
	r.want(t)
	if n := s.Invalid[zipkin.BadTraceID].Load(); n != 1 {
		t.Errorf("%d invalid", n)
	}
	refused := func(got reply, status int, text string) {
		t.Helper()
		if got.status != status || !strings.Contains(string(got.body), text) {
			t.Errorf("%d %s, want %d with %q", got.status, got.body, status, text)
		}
		r.want(t)
	}
	refused(post(t, url+"/api/v1/spans", strings.NewReader("[x]")), http.StatusBadRequest, "/api/v2/spans")
	refused(post(t, url+"/api/v2/spans", strings.NewReader("[x]"), "Content-Type", "application/x-thrift"), http.StatusBadRequest, "Thrift")
	refused(post(t, url+"/api/v2/spans", strings.NewReader("[x]"), "Content-Type", "application/vnd.apache.thrift.binary"), http.StatusBadRequest, "v2")
	refused(post(t, url+"/api/v2/spans", strings.NewReader("[x]"), "Content-Encoding", "deflate"), http.StatusUnsupportedMediaType, "gzip")
	refused(post(t, url+"/api/v2/spans", strings.NewReader("{")), http.StatusBadRequest, "cannot decode Zipkin spans")
	refused(post(t, url+"/api/v2/spans", bytes.NewReader(make([]byte, limit+1))), http.StatusRequestEntityTooLarge, "receive.limits.request")
	refused(send(t, http.MethodGet, url+"/api/v2/services", nil), http.StatusMethodNotAllowed, "POST")
	r.full = true
	got := post(t, url+"/api/v2/spans", strings.NewReader(list("x")))
	if refused(got, http.StatusServiceUnavailable, "no room"); got.header.Get("Retry-After") != "1" {
		t.Errorf("%v", got.header)
	}
	if got := send(t, http.MethodGet, url+"/health", nil); got.status != http.StatusOK {
		t.Errorf("%+v", got)
	}
	if j, p := s.Requests[ZipkinJSON].Load(), s.Requests[ZipkinProtobuf].Load(); j != 9 || p != 1 || dropped(s) != 8 {
		t.Errorf("%d JSON, %d protobuf, %d refused", j, p, dropped(s))
	}
}
