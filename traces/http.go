package traces

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/alspan/alspan/internal/rawgrpc"
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

const (
	tracesPath  = "/v1/traces"
	metricsPath = "/v1/metrics"
	logsPath    = "/v1/logs"
)

// OTLP serves OTLP over HTTP.
func (s *Server) OTLP() http.Handler { return http.HandlerFunc(s.serveOTLP) }

func (s *Server) serveOTLP(w http.ResponseWriter, r *http.Request) {
	asked := mediaType(r.Header)
	if r.ProtoMajor == 2 && strings.HasPrefix(asked, grpcType) {
		s.misplaced(w, r)
		return
	}
	switch path := r.URL.Path; {
	case path != tracesPath && path != metricsPath && path != logsPath:
		s.fail(w, r, &failure{http.StatusNotFound, Unsupported,
			"nothing is served at this path: OTLP over HTTP is POST " + tracesPath + ", and Zipkin has an address of its own, usually port 9411"})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		s.fail(w, r, &failure{http.StatusMethodNotAllowed, Unsupported, "only POST is served here"})
		return
	case asked != protobufType && asked != jsonType:
		s.fail(w, r, &failure{http.StatusUnsupportedMediaType, Unsupported, "Content-Type is not supported: use " + protobufType + " or " + jsonType})
		return
	}
	var body rawgrpc.Message
	defer body.Free()
	if f := s.read(w, r, &body); f != nil {
		s.fail(w, r, f)
		return
	}
	v, f := s.takeHTTP(r.URL.Path, body.Bytes(), asked == jsonType, sender(r))
	if f != nil {
		s.fail(w, r, f)
		return
	}
	if asked == jsonType {
		write(w, http.StatusOK, jsonType, v.json())
		return
	}
	write(w, http.StatusOK, protobufType, v.protobuf())
}

const grpcType = "application/grpc"

// misplaced answers a gRPC call on a connection that began with OTLP over HTTP, as that of a proxy may that has both on one.
// The connection is ended: access logs come by gRPC and begin again at once, and so the next one is taken for gRPC.
func (s *Server) misplaced(w http.ResponseWriter, r *http.Request) {
	const text = "this connection is used for OTLP over HTTP: gRPC needs one of its own, so give Envoy two clusters"
	s.Refused[Unsupported].Add(1)
	s.misplacedOnce.Do(func() {
		s.opts.Log.Warn("Received gRPC and OTLP over HTTP on one connection, which can have only one of them: give the sender two clusters, or let it export by gRPC. "+
			"This is said once.", "from", sender(r).String())
	})
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Content-Type", grpcType)
	h.Set("Grpc-Status", strconv.Itoa(int(codes.Unavailable)))
	h.Set("Grpc-Message", text)
}

// takeHTTP gives one request to whoever takes what comes at that path.
func (s *Server) takeHTTP(path string, body []byte, isJSON bool, from netip.Addr) (verdict, *failure) {
	switch path {
	case metricsPath:
		return s.takeOtherHTTP(Metrics, body, isJSON, from)
	case logsPath:
		return s.takeOtherHTTP(Logs, body, isJSON, from)
	}
	x := s.sessions.Get().(*session)
	v, err := s.takeWith(x, body, isJSON, from)
	x.json.rest()
	s.sessions.Put(x) // not after a panic
	if err != nil {
		return v, &failure{http.StatusBadRequest, Malformed, err.Error()}
	}
	return s.judged(v)
}

func (s *Server) takeWith(x *session, body []byte, isJSON bool, from netip.Addr) (verdict, error) {
	if !isJSON {
		s.received(HTTPProtobuf, len(body))
		return s.take(x, body, nil, from), nil
	}
	s.received(HTTPJSON, len(body))
	request, err := x.json.transcode(body)
	if err != nil {
		return verdict{}, err
	}
	return s.take(x, request, nil, from), nil
}

// judged gives the failure of a request that was refused. It is counted already, so it has no reason of its own.
func (s *Server) judged(v verdict) (verdict, *failure) {
	switch {
	case !v.Refused:
		return v, nil
	case v.Why.code() == codes.Unavailable:
		return v, &failure{http.StatusServiceUnavailable, counted, v.sentence()}
	case v.Why == TooLarge:
		return v, &failure{http.StatusRequestEntityTooLarge, counted, v.sentence()}
	}
	return v, &failure{http.StatusBadRequest, counted, v.sentence()}
}

// counted is the reason of a failure that has been counted.
const counted = NumRefusals

// fail answers with a google.rpc.Status, in the encoding of the request where that is known.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *failure) {
	s.count(w, f)
	code := f.code()
	if mediaType(r.Header) == protobufType {
		write(w, f.status, protobufType, errorProtobuf(code, f.text))
		return
	}
	write(w, f.status, jsonType, errorJSON(code, f.text))
}

// count counts a failure, and asks the sender to try again where that makes sense.
func (s *Server) count(w http.ResponseWriter, f *failure) {
	if f.why != counted {
		s.Refused[f.why].Add(1)
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
}

// code is the code in the body of an error.
func (f *failure) code() codes.Code {
	switch f.status {
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusInternalServerError:
		return codes.Internal
	case http.StatusRequestEntityTooLarge:
		return codes.ResourceExhausted
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return codes.Unimplemented
	}
	return codes.InvalidArgument
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body) // a peer that is gone has no use for it
}

// sender gives the address of the connection's other end, invalid when it is no IP address.
func sender(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
