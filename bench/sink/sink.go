// Package sink takes OTLP over gRPC, or plain bytes over TCP, and gives counts: which of the load's items came, which were
// lost, which came twice, and how late they were. It reads of a span only what that needs.
package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/alspan/alspan/bench/buffers"
	"github.com/alspan/alspan/internal/rawgrpc"
)

// Sink is a running sink. Its addresses are chosen by the system.
type Sink struct {
	Tally *Tally
	// OTLP, Raw and Control are the addresses, host:port.
	OTLP, Raw, Control string

	byRequest bool
	records   atomic.Uint64 // log records
	bytes     atomic.Uint64 // of plain TCP
	requests  atomic.Uint64
	bad       atomic.Uint64
	scratch   sync.Pool
	server    *grpc.Server
	control   *http.Server
	raw       net.Listener
	running   sync.WaitGroup
}

const (
	window     = 4 << 20
	readBuffer = 256 << 10
	maxMessage = 64 << 20
)

// Start listens. With byRequest the number of an item is in the attribute envoy.request_id instead of in the trace id:
// for entries that log no trace context.
func Start(byRequest bool) (*Sink, error) {
	s := &Sink{Tally: NewTally(), byRequest: byRequest}
	s.scratch.New = func() any { return new(parsed) }
	var listeners [3]net.Listener
	for i, address := range []*string{&s.OTLP, &s.Raw, &s.Control} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
		listeners[i], *address = l, l.Addr().String()
	}
	s.server = grpc.NewServer(grpc.ForceServerCodecV2(rawgrpc.Codec{Pool: new(buffers.Pool)}), grpc.MaxRecvMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window), grpc.ReadBufferSize(readBuffer))
	for service, export := range map[string]func([]byte) error{
		"opentelemetry.proto.collector.trace.v1.TraceService": s.traces,
		"opentelemetry.proto.collector.logs.v1.LogsService":   s.logs,
	} {
		s.server.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: handler(export)}}}, s)
	}
	s.control = &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	s.raw = listeners[1]
	s.running.Go(func() { _ = s.server.Serve(listeners[0]) }) // until Close
	s.running.Go(s.discard)
	s.running.Go(func() { _ = s.control.Serve(listeners[2]) }) // until Close
	return s, nil
}

func handler(export func([]byte) error) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var m rawgrpc.Message
		defer m.Free()
		if err := decode(&m); err != nil {
			return nil, err
		}
		if err := export(m.Bytes()); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		return rawgrpc.Empty{}, nil
	}
}

func (s *Sink) traces(b []byte) error {
	now := time.Now()
	p := s.scratch.Get().(*parsed)
	defer s.scratch.Put(p)
	s.requests.Add(1)
	if err := p.read(b, s.byRequest); err != nil {
		s.bad.Add(1)
		return err
	}
	s.Tally.note(p.spans, p.foreign, now)
	return nil
}

func (s *Sink) logs(b []byte) error {
	n, err := countRecords(b)
	s.requests.Add(1)
	if err != nil {
		s.bad.Add(1)
	}
	s.records.Add(uint64(n))
	return err
}

// discard reads plain TCP as fast as it comes.
func (s *Sink) discard() {
	for {
		c, err := s.raw.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, readBuffer)
			for {
				n, err := c.Read(buf)
				s.bytes.Add(uint64(n))
				if err != nil {
					return
				}
			}
		}()
	}
}

// Progress is what came so far.
type Progress struct {
	Spans     uint64 `json:"spans"`     // of the run that was asked for
	Different uint64 `json:"different"` // of these, the first of each trace
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"`
	Requests  uint64 `json:"requests"`
	Bad       uint64 `json:"bad_requests"`
}

// Progress gives what came so far.
func (s *Sink) Progress(run uint32) Progress {
	return Progress{s.Tally.Count(run), s.Tally.Different(run), s.records.Load(), s.bytes.Load(), s.requests.Load(), s.bad.Load()}
}

// routes: GET /progress?run=N gives a Progress; POST /judge?run=N with a JSON list of the items sent on each stream gives
// a Verdict.
func (s *Sink) routes() http.Handler {
	m := http.NewServeMux()
	number := func(r *http.Request) uint32 {
		n, _ := strconv.ParseUint(r.URL.Query().Get("run"), 10, 32) // run 0 does not exist
		return uint32(n)
	}
	m.HandleFunc("GET /progress", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(s.Progress(number(r))) // the peer is gone
	})
	m.HandleFunc("POST /judge", func(w http.ResponseWriter, r *http.Request) {
		var sent []uint64
		body, err := io.ReadAll(r.Body)
		if err = errors.Join(err, json.Unmarshal(body, &sent)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(s.Tally.Judge(number(r), sent)) // the peer is gone
	})
	return m
}

// Close stops everything at once.
func (s *Sink) Close() {
	s.server.Stop()
	s.raw.Close()
	s.control.Close()
	s.running.Wait()
}
