package e2e

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// upstream is the service behind Envoy: it notes which trace context each request had and reports a span of its own
// below it, as an instrumented service would.
type upstream struct {
	address string
	unix    string // a second address, a path
	service string // "app" or "mirror"
	b3      bool   // the propagation of this service is B3
	report  func(service, name, kind string, c traceContext, span string, start, end time.Time)

	mu       sync.Mutex
	arrivals map[string][]traceContext // by request, in order
	waiting  map[string]chan struct{}
	busy     sync.WaitGroup // handlers that have not reported their span
}

// traceContext is what a propagator read from headers; Trace is "" when there is none.
type traceContext struct{ Trace, Span string }

func startUpstream(t *testing.T, service string, b3 bool,
	report func(service, name, kind string, c traceContext, span string, start, end time.Time)) *upstream {
	t.Helper()
	u := &upstream{service: service, b3: b3, report: report, arrivals: map[string][]traceContext{}, waiting: map[string]chan struct{}{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.address = listener.Addr().String()
	u.unix = filepath.Join(t.TempDir(), "http")
	local, err := net.Listen("unix", u.unix)
	if err != nil {
		t.Fatal(err)
	}
	calls := grpc.NewServer(grpc.UnknownServiceHandler(u.serveGRPC))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			calls.ServeHTTP(w, r)
			return
		}
		u.serve(w, r)
	})}
	go server.Serve(listener)
	go server.Serve(local)
	t.Cleanup(func() { server.Close() })
	return u
}

// serve answers by the path: /flaky/NAME fails twice, /slow and /late never answer, /redirect/NAME leads to /ok/NAME,
// /impatient/NAME answers the third time, /ok/NAME/404 has that status and /ok/NAME/reset none. /NAME/cut and /NAME/stall
// break off after some bytes, at once or when nobody waits any more. A websocket is an echo, with /cut of the first word only.
func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	name := nameOf(r.URL.Path)
	attempt, done := u.arrive(name, r.Header)
	defer done()
	segments := append(strings.Split(r.URL.Path, "/"), "")
	switch what := segments[3]; {
	case segments[1] == "flaky" && attempt < 3:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Header.Get("Upgrade") == "websocket":
		echo(w, what == "cut")
	case what == "cut" || what == "stall":
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("hello"))
		w.(http.Flusher).Flush()
		if what == "stall" {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case segments[1] == "impatient" && attempt == 3:
		w.Write([]byte("hello"))
	case segments[1] == "slow" || segments[1] == "impatient" || what == "late":
		<-r.Context().Done()
	case segments[1] == "redirect":
		w.Header().Set("Location", "http://"+r.Host+"/ok/"+name)
		w.WriteHeader(http.StatusFound)
	case what == "reset":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	default:
		if code, err := strconv.Atoi(what); err == nil {
			w.WriteHeader(code)
		}
		w.Write([]byte("hello"))
	}
}

// echo sends back what comes through an upgraded connection: the first word, or all until the other side ends.
func echo(w http.ResponseWriter, cut bool) {
	conn, received, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	io.CopyN(conn, received, int64(len("hello")))
	if !cut {
		io.Copy(conn, received)
	}
}

// serveGRPC answers every method with the status that the request asks for.
func (u *upstream) serveGRPC(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	header := http.Header{}
	for key, values := range incoming {
		header[http.CanonicalHeaderKey(key)] = values
	}
	_, done := u.arrive(nameOf(method), header)
	defer done()
	if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	if code, _ := strconv.Atoi(header.Get("e2e-status")); code != 0 {
		return status.Error(codes.Code(code), "as asked for")
	}
	return stream.SendMsg(new(emptypb.Empty))
}

// arrive notes a request; it gives its number and what is to be called at its end.
func (u *upstream) arrive(name string, h http.Header) (attempt int, done func()) {
	began := time.Now()
	c := readContext(h, u.b3)
	u.busy.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.arrivals[name] = append(u.arrivals[name], c)
	attempt = len(u.arrivals[name])
	if attempt == 1 {
		close(u.arrived(name))
	}
	return attempt, func() {
		defer u.busy.Done()
		if c.Trace != "" {
			span := digest(8, u.service, c.Trace, c.Span, name, strconv.Itoa(attempt))
			u.report(u.service, name, "SERVER", c, span, began, time.Now())
		}
	}
}

func (u *upstream) arrived(name string) chan struct{} {
	if u.waiting[name] == nil {
		u.waiting[name] = make(chan struct{})
	}
	return u.waiting[name]
}

// whenArrived gives a channel that is closed when a request of that name is here.
func (u *upstream) whenArrived(name string) <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.arrived(name)
}

// seen gives the contexts of all arrivals of a request.
func (u *upstream) seen(name string) []traceContext {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]traceContext(nil), u.arrivals[name]...)
}

// readContext reads well-formed headers only: it is the far side of the test, not what is tested.
func readContext(h http.Header, b3First bool) traceContext {
	var w3c, b3 traceContext
	if p := strings.Split(h.Get("traceparent"), "-"); len(p) == 4 {
		w3c = traceContext{p[1], p[2]}
	}
	if h.Get("x-b3-traceid") != "" {
		b3 = traceContext{h.Get("x-b3-traceid"), h.Get("x-b3-spanid")}
	} else if p := strings.Split(h.Get("b3"), "-"); len(p) >= 2 {
		b3 = traceContext{p[0], p[1]}
	}
	if b3.Trace != "" && (b3First || w3c.Trace == "") {
		return b3
	}
	return w3c
}
