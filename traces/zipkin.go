package traces

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/rawgrpc"
)

// zipkinDecode makes an encoded ExportTraceServiceRequest of a body of Zipkin v2, and one mark for each of its spans. What it
// gives may be parts of the body.
type zipkinDecode func(body []byte, contentType string, received time.Time) (request []byte, marks []Mark, err error)

// decodeZipkin stands in for the decoder.
var decodeZipkin zipkinDecode = func([]byte, string, time.Time) ([]byte, []Mark, error) {
	return nil, nil, errors.New("cannot decode Zipkin yet")
}

// Zipkin serves Zipkin v2 over HTTP, at every path: senders do not agree on one.
func (s *Server) Zipkin() http.Handler { return http.HandlerFunc(s.serveZipkin) }

func (s *Server) serveZipkin(w http.ResponseWriter, r *http.Request) {
	if f := s.zipkinRequest(w, r); f != nil {
		s.count(w, f)
		write(w, f.status, "text/plain; charset=utf-8", []byte(f.text+"\n"))
	}
}

func (s *Server) zipkinRequest(w http.ResponseWriter, r *http.Request) *failure {
	const v1 = "Zipkin v1 is not supported: set the sender to v2, JSON or protobuf, usually at /api/v2/spans"
	contentType, transport := mediaType(r.Header), ZipkinJSON
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/health":
		write(w, http.StatusOK, jsonType, []byte(`{"status":"UP"}`+"\n"))
		return nil
	case strings.HasPrefix(r.URL.Path, "/api/v1/") || r.URL.Path == "/api/v1":
		return &failure{http.StatusBadRequest, Unsupported, v1}
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return &failure{http.StatusMethodNotAllowed, Unsupported, "only POST is served here: spans are received, not shown"}
	case strings.Contains(contentType, "thrift"):
		return &failure{http.StatusBadRequest, Unsupported, "Thrift is not supported. " + v1}
	case contentType == protobufType || contentType == "application/protobuf":
		contentType, transport = protobufType, ZipkinProtobuf
	default:
		contentType = jsonType
	}
	var body rawgrpc.Message
	defer body.Free()
	if f := s.read(w, r, &body); f != nil {
		return f
	}
	s.received(transport, len(body.Bytes()))
	request, marks, err := s.zipkin(body.Bytes(), contentType, time.Now())
	if err != nil {
		return &failure{http.StatusBadRequest, Malformed, fmt.Sprintf("cannot read the spans: %v", err)}
	}
	x := s.sessions.Get().(*session)
	v := s.take(x, request, marks, sender(r))
	s.sessions.Put(x) // not after a panic
	if _, f := s.judged(v); f != nil {
		return f
	}
	w.WriteHeader(http.StatusAccepted) // Envoy counts nothing else as success
	return nil
}
