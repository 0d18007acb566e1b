package traces

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/alspan/alspan/internal/wire"
)

// Other takes one request with another signal, on the goroutine of that request: the whole encoded Export*ServiceRequest, which is
// valid during the call.
type Other func(signal Signal, body []byte, from netip.Addr) Outcome

// takeOther gives such a request to who takes it. What is in it is not looked at.
func (s *Server) takeOther(signal Signal, body []byte, from netip.Addr) verdict {
	if !s.opts.Ignored[signal] && !wellFormed(body) {
		return s.refuse(Malformed)
	}
	s.stopping.RLock()
	defer s.stopping.RUnlock()
	if s.stopped {
		return s.refuse(Stopping)
	}
	switch o := s.opts.Other(signal, body, from); {
	case o.Full:
		return s.refuse(Full)
	case o.TooLarge:
		return s.refuse(TooLarge)
	}
	return verdict{}
}

// wellFormed tells whether body is a message, whatever the messages in it are.
func wellFormed(body []byte) bool { return wire.Sub(body, func(wire.Reader) {}) }

// takeOtherHTTP is takeOther for what came over HTTP.
func (s *Server) takeOtherHTTP(signal Signal, body []byte, isJSON bool, from netip.Addr) (verdict, *failure) {
	if isJSON && !s.opts.Ignored[signal] {
		var f *failure
		if body, f = s.fromJSON(signal, body); f != nil {
			return verdict{}, f
		}
	}
	return s.judged(s.takeOther(signal, body, from))
}

// fromJSON gives a request that is JSON in protobuf. Strings that are not UTF-8 are repaired, since they could not be sent on.
//
// To read it makes objects, which are many times as large as their JSON can be. So there is a limit to them, and one request at a
// time has them.
func (s *Server) fromJSON(signal Signal, body []byte) ([]byte, *failure) {
	if weight(body) > s.opts.Limit {
		return nil, &failure{http.StatusRequestEntityTooLarge, TooLarge, "the request has too many values for JSON: send protobuf, or smaller requests"}
	}
	if !json.Valid(body) {
		return nil, &failure{http.StatusBadRequest, Malformed, "the body is not JSON"}
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	var request interface {
		UnmarshalJSON([]byte) error
		MarshalProto() ([]byte, error)
	} = pmetricotlp.NewExportRequest()
	if signal == Logs {
		request = plogotlp.NewExportRequest()
	}
	s.decoding.Lock()
	defer s.decoding.Unlock()
	err := request.UnmarshalJSON(body)
	if err == nil {
		body, err = request.MarshalProto()
	}
	if err != nil {
		return nil, &failure{http.StatusBadRequest, Malformed, fmt.Sprintf("cannot read the body as %s in the JSON of OTLP: %v", signal, err)}
	}
	return body, nil
}

// What an object, and one more value of a list, take in memory while JSON is read: about as much as the largest of them.
const (
	objectWeight = 256
	valueWeight  = 8
)

// weight gives the bytes that the objects and lists of a JSON document take in memory.
func weight(body []byte) (n int) {
	inString := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			n += objectWeight
		case c == ',':
			n += valueWeight
		}
	}
	return n
}
