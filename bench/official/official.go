// Package official takes Envoy's access logs (ALS) and gives OTLP spans the way one writes it with the generated
// structs: the protobuf runtime decodes, spans are built as structs, go through a channel to a batcher, and the runtime
// encodes them. It is what alspan would cost without its own codec, and serves as a yardstick only.
package official

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	als "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The batches are those of alspan: about 768 KiB, or 200 ms.
const (
	batchSpans = 750
	batchAge   = 200 * time.Millisecond
	queue      = 4096
	senders    = 2
	timeout    = 10 * time.Second
)

// Agent is a running agent.
type Agent struct {
	als.UnimplementedAccessLogServiceServer
	// Address is where it receives; Failed is how many spans could not be made or sent.
	Address string
	Failed  atomic.Int64

	events  bool
	spans   chan item
	server  *grpc.Server
	conn    *grpc.ClientConn
	running sync.WaitGroup
}

type item struct {
	from *resource.Resource
	span *tracepb.Span
}

// Start listens on a port of the system's choice and sends to the address to.
func Start(to string, events bool) (*Agent, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	conn, err := grpc.NewClient("passthrough:///"+to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot make a client: %w", err)
	}
	a := &Agent{Address: l.Addr().String(), events: events, spans: make(chan item, queue), server: grpc.NewServer(), conn: conn}
	als.RegisterAccessLogServiceServer(a.server, a)
	go a.server.Serve(l) // until Close
	for range senders {
		a.running.Go(a.batch)
	}
	return a, nil
}

// StreamAccessLogs makes a span of each entry.
func (a *Agent) StreamAccessLogs(stream als.AccessLogService_StreamAccessLogsServer) error {
	var from *resource.Resource
	name := ""
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Identifier != nil {
			from, name = resourceOf(m.Identifier), m.Identifier.GetLogName()
		}
		for _, e := range m.GetHttpLogs().GetLogEntry() {
			s, err := Span(e, name, a.events)
			if err != nil {
				a.Failed.Add(1)
				continue
			}
			a.spans <- item{from, s}
		}
	}
}

// batch gathers spans and sends them.
func (a *Agent) batch() {
	client := collector.NewTraceServiceClient(a.conn)
	var list []item
	timer := time.NewTimer(batchAge)
	send := func() {
		if len(list) > 0 {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			if _, err := client.Export(ctx, request(list)); err != nil {
				a.Failed.Add(int64(len(list)))
			}
			cancel()
			clear(list)
			list = list[:0]
		}
		timer.Reset(batchAge)
	}
	for {
		select {
		case i, ok := <-a.spans:
			if !ok {
				send()
				return
			}
			if list = append(list, i); len(list) >= batchSpans {
				send()
			}
		case <-timer.C:
			send()
		}
	}
}

// request groups spans by their resource.
func request(list []item) *collector.ExportTraceServiceRequest {
	r := &collector.ExportTraceServiceRequest{}
	groups := map[*resource.Resource]*tracepb.ScopeSpans{}
	for _, i := range list {
		g := groups[i.from]
		if g == nil {
			g = &tracepb.ScopeSpans{}
			groups[i.from] = g
			r.ResourceSpans = append(r.ResourceSpans, &tracepb.ResourceSpans{Resource: i.from, ScopeSpans: []*tracepb.ScopeSpans{g}})
		}
		g.Spans = append(g.Spans, i.span)
	}
	return r
}

// Close ends all streams and sends what is there.
func (a *Agent) Close() {
	a.server.Stop() // waits for the handlers
	close(a.spans)
	a.running.Wait()
	a.conn.Close()
}
