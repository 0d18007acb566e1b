package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// tap stands between a tracer and the agent: the sink notes what passes, and the tracer gets the agent's own answer.
type tap struct {
	address string
	copies  bool // each target gets everything, and the last one answers; else they take turns
	doors   atomic.Pointer[[]*httputil.ReverseProxy]
}

func startTap(t *testing.T, s *sink, targets ...string) *tap {
	t.Helper()
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	l := listen(t)
	tap := &tap{address: l.Addr().String()}
	tap.to(targets...)
	server := &http.Server{Protocols: both, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		doors := *tap.doors.Load()
		if turn := s.note(r, body) % len(doors); !tap.copies {
			doors = doors[turn : turn+1]
		}
		for i, door := range doors {
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			answer := w
			if i < len(doors)-1 {
				answer = unread{http.Header{}}
			}
			door.ServeHTTP(answer, again)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return tap
}

// to makes other agents the targets.
func (t *tap) to(targets ...string) {
	plain, calls := new(http.Protocols), new(http.Protocols)
	plain.SetHTTP1(true)
	calls.SetUnencryptedHTTP2(true)
	var doors []*httputil.ReverseProxy
	for _, target := range targets {
		to := &url.URL{Scheme: "http", Host: target}
		doors = append(doors, &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
			Transport: byVersion{1: {Protocols: plain}, 2: {Protocols: calls}},
		})
	}
	t.doors.Store(&doors)
}

// byVersion sends a request on as it came: HTTP/1.1, or HTTP/2 without TLS.
type byVersion map[int]*http.Transport

func (b byVersion) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.ProtoMajor].RoundTrip(r)
}

// unread is an answer that nobody reads.
type unread struct{ header http.Header }

func (u unread) Header() http.Header         { return u.header }
func (u unread) Write(b []byte) (int, error) { return len(b), nil }
func (u unread) WriteHeader(int)             {}
func (u unread) Flush()                      {}

// note keeps the spans of one request of a tracer and tells how many came before it.
func (s *sink) note(r *http.Request, body []byte) (turn int) {
	var spans []ownSpan
	var err error
	n := 1
	switch kind := r.Header.Get("Content-Type"); {
	case r.URL.Path == exportMethod && len(body) >= 5 && int(binary.BigEndian.Uint32(body[1:])) == len(body)-5:
		spans, n, err = readOTLP(body[5:])
	case r.URL.Path == "/v1/traces" && kind == "application/x-protobuf":
		spans, n, err = readOTLP(body)
	case r.URL.Path == "/api/v2/spans" && kind == "application/json":
		spans, n, err = readZipkin(body)
	case r.URL.Path == "/api/v2/spans" && kind == "application/x-protobuf":
		spans, n, err = readZipkinProto(body)
	default:
		err = fmt.Errorf("cannot understand %s %s of type %s with %d bytes", r.Method, r.URL.Path, kind, len(body))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = append(s.failed, err)
	}
	turn = s.requests
	s.requests++
	s.received += n
	s.spans = append(s.spans, spans...)
	return turn
}

// readOTLP gives the spans of a request and their number. One that is not valid, as Envoy sends them, counts as one span:
// see bootstrap.render.
func readOTLP(body []byte) (spans []ownSpan, n int, err error) {
	request := new(trace.TracesData)
	if proto.Unmarshal(body, request) != nil {
		return nil, 1, nil
	}
	for _, s := range flatten(request) {
		own := ownSpan{Hop: s.Service, Trace: s.trace(), ID: s.id(), Parent: s.parent(), Kind: kindName(s.Kind), Name: s.Name,
			Request: nameOfURL(s.text("http.url")), Start: int64(s.StartTimeUnixNano), End: int64(s.EndTimeUnixNano),
			Events: map[string]int64{}, raw: s.Span}
		own.Code, _ = strconv.ParseInt(s.text("http.status_code"), 10, 64)
		for _, e := range s.Events {
			own.Events[e.Name] = int64(e.TimeUnixNano)
		}
		spans = append(spans, own)
	}
	return spans, len(spans), nil
}

func readZipkin(body []byte) (spans []ownSpan, n int, err error) {
	var list []struct {
		TraceID, ID, ParentID, Kind, Name string
		Timestamp, Duration               int64
		Shared                            bool
		LocalEndpoint                     struct{ ServiceName string }
		Tags                              map[string]string
		Annotations                       []struct {
			Timestamp int64
			Value     string
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, 1, err
	}
	for _, z := range list {
		own := ownSpan{Hop: z.LocalEndpoint.ServiceName, Trace: z.TraceID, ID: z.ID, Parent: z.ParentID, Kind: z.Kind, Name: z.Name,
			Start: z.Timestamp * 1000, End: (z.Timestamp + z.Duration) * 1000, Tags: z.Tags, Events: map[string]int64{}}
		for _, a := range z.Annotations {
			own.Events[a.Value] = a.Timestamp * 1000
		}
		spans = append(spans, own.asZipkin())
	}
	return spans, len(spans), nil
}

// asZipkin makes an id of 64 bits the one of 128 that everybody else writes, and finds the request.
func (o ownSpan) asZipkin() ownSpan {
	o.Trace = strings.Repeat("0", 32-len(o.Trace)) + o.Trace
	o.Request = nameOfURL(o.Tags["http.url"])
	o.Code, _ = strconv.ParseInt(o.Tags["http.status_code"], 10, 64)
	return o
}

// turned gives a span id as it is on the wire of requests: Envoy's protobuf has it in the byte order of its host.
func turned(id []byte) string {
	if len(id) == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", binary.LittleEndian.Uint64(id))
}

// readZipkinProto reads a ListOfSpans of zipkin.proto.
func readZipkinProto(body []byte) (spans []ownSpan, n int, err error) {
	list, err := readFields(body)
	if err != nil {
		return nil, 1, err
	}
	for _, one := range list {
		span, err := readFields(one.bytes)
		if err != nil {
			return nil, 1, err
		}
		own := ownSpan{Tags: map[string]string{}, Events: map[string]int64{}}
		for _, f := range span {
			parts, _ := readFields(f.bytes)
			switch f.number {
			case 1:
				own.Trace = hex.EncodeToString(f.bytes)
			case 2:
				own.Parent = turned(f.bytes)
			case 3:
				own.ID = turned(f.bytes)
			case 4:
				own.Kind = []string{"", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"}[f.value]
			case 5:
				own.Name = string(f.bytes)
			case 6:
				own.Start = int64(f.value) * 1000
			case 7:
				own.End = int64(f.value) * 1000
			case 8:
				own.Hop = string(find(parts, 1).bytes)
			case 10:
				own.Events[string(find(parts, 2).bytes)] = int64(find(parts, 1).value) * 1000
			case 11:
				own.Tags[string(find(parts, 1).bytes)] = string(find(parts, 2).bytes)
			}
		}
		own.End += own.Start
		spans = append(spans, own.asZipkin())
	}
	return spans, len(spans), nil
}

// field is one field of a protobuf message whose type nothing here knows.
type field struct {
	number protowire.Number
	value  uint64
	bytes  []byte
}

func readFields(b []byte) (all []field, err error) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		f := field{number: number}
		b = b[n:]
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.value, n = protowire.ConsumeFixed64(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		all = append(all, f)
		b = b[n:]
	}
	return all, nil
}

func find(all []field, number protowire.Number) field {
	if i := slices.IndexFunc(all, func(f field) bool { return f.number == number }); i >= 0 {
		return all[i]
	}
	return field{}
}

// answering takes the spans of tracers that do not report to the agent.
func (s *sink) answering(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.note(r, body)
	if r.URL.Path == "/api/v2/spans" {
		w.WriteHeader(http.StatusAccepted) // Envoy takes nothing else for success
	}
}
