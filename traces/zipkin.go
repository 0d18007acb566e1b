package traces

import (
	"net/http"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/rawgrpc"
)

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
		transport = ZipkinProtobuf
	}
	var body rawgrpc.Message
	defer body.Free()
	if f := s.read(w, r, &body); f != nil {
		return f
	}
	s.received(transport, len(body.Bytes()))
	x := s.sessions.Get().(*session)
	x.zipkin.FirstHand = r.UserAgent() == "" // as Envoy; HTTP clients of programming languages name themselves
	decode := x.zipkin.JSON
	if transport == ZipkinProtobuf {
		decode = x.zipkin.Proto
	}
	spans, err := decode(body.Bytes(), time.Now())
	if err != nil {
		s.sessions.Put(x)
		return &failure{http.StatusBadRequest, Malformed, err.Error()}
	}
	for why, n := range spans.Invalid {
		s.Invalid[why].Add(int64(n))
	}
	s.Repaired.Add(int64(spans.Repaired))
	if spans.Truncated {
		s.Truncated.Add(1)
	}
	v := s.take(x, spans.Request, spans.Marks, sender(r))
	s.sessions.Put(x) // not after a panic
	if _, f := s.judged(v); f != nil {
		return f
	}
	w.WriteHeader(http.StatusAccepted) // Envoy counts nothing else as success
	return nil
}
