package fake

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// BackendOptions say how a Backend listens and what it remembers. The zero value is a backend for a test.
type BackendOptions struct {
	Address    string                       // "": a free port on 127.0.0.1
	Listen     func() (net.Listener, error) // instead of Address, such as an in-memory listener; called by each Start
	MaxReceive int                          // bytes of one request, decompressed; 0: 64 MiB, OTLP's default

	Keep      int  // bytes of requests to remember, the oldest go first; 0: all, negative: none
	CountOnly bool // count the spans and do not decode them, for benchmarks

	Relay     string            // address of another OTLP/gRPC endpoint that gets the same bytes and makes the answer; headers are not passed on
	RelayDial []grpc.DialOption // further options for the connection to it

	// OnRequest is called for each request when it has been decided, before it is counted and answered, by several
	// goroutines at once. It may keep the request but not change it, and it must not call Stop or Close.
	OnRequest func(*Request)
}

// Request is one OTLP export request as it came.
type Request struct {
	At     time.Time // when it was complete
	Signal Signal
	Header metadata.MD         // incoming metadata
	Raw    []byte              // the message, decompressed
	Traces *tracepb.TracesData // decoded by the official runtime, which has the same fields as the request; nil if Err or CountOnly
	Other  proto.Message       // the same of other signals: MetricsData or LogsData
	Err    error               // why it cannot be decoded
	Spans  int                 // how many spans are in it
	Code   codes.Code          // of the answer. OK: its spans count as accepted, all but Rejected
	// Rejected is the partial success that was answered.
	Rejected int64
}

// Span is a span with what it belongs to.
type Span struct {
	*tracepb.Span
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
}

// BackendStats counts requests with spans since NewBackend.
type BackendStats struct {
	Requests uint64 // all
	Refused  uint64 // of them: not answered with OK
	Bytes    uint64 // in all requests, decompressed
	Spans    uint64 // accepted: in requests that were answered with OK, less Rejected
	Rejected uint64 // by partial success
}

// Backend is an OTLP/gRPC endpoint for spans, metrics and logs; what does not name a signal is about spans. It takes whatever
// compression the process has registered with grpc.
type Backend struct {
	opts  BackendOptions
	relay *grpc.ClientConn // nil without Relay

	mu       sync.Mutex // short holds only
	server   *grpc.Server
	conns    *connections
	address  string
	serving  sync.WaitGroup
	script   map[Signal][]Reply
	always   map[Signal]Reply
	requests []*Request
	others   []*Request // with other signals
	kept     int        // bytes of requests
	stats    BackendStats
	err      error         // the first request that could not be decoded
	changed  chan struct{} // closed and replaced at each change

	undecoded int // requests
}

// NewBackend starts a backend.
func NewBackend(o BackendOptions) (*Backend, error) {
	if o.MaxReceive == 0 {
		o.MaxReceive = 64 << 20
	}
	b := &Backend{opts: o, address: o.Address, changed: make(chan struct{}), script: map[Signal][]Reply{}, always: map[Signal]Reply{}}
	if b.address == "" {
		b.address = "127.0.0.1:0"
	}
	if o.Relay != "" {
		var err error
		if b.relay, err = dial(o.Relay, o.RelayDial); err != nil {
			return nil, err
		}
	}
	if err := b.Start(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Address gives host:port. It stays the same after Stop and Start.
func (b *Backend) Address() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.address
}

// Requests gives all remembered requests, in the order in which they were answered. They are not to be changed.
func (b *Backend) Requests() []*Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// Others gives the requests with that other signal that were answered with OK. All are remembered.
func (b *Backend) Others(s Signal) (accepted []*Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.others {
		if r.Signal == s && r.Code == codes.OK {
			accepted = append(accepted, r)
		}
	}
	return accepted
}

// OtherAttempts gives the number of all requests with that other signal.
func (b *Backend) OtherAttempts(s Signal) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.others {
		if r.Signal == s {
			n++
		}
	}
	return n
}

// Spans gives the spans of all remembered requests that were answered with OK, those of a partial success included.
func (b *Backend) Spans() []Span {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spansLocked()
}

func (b *Backend) spansLocked() []Span {
	var spans []Span
	for _, r := range b.requests {
		if r.Code != codes.OK {
			continue
		}
		for _, rs := range r.Traces.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					spans = append(spans, Span{Span: s, Resource: rs.GetResource(), Scope: ss.GetScope()})
				}
			}
		}
	}
	return spans
}

// Stats gives the counts so far.
func (b *Backend) Stats() BackendStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats
}

// Err gives everything that came and could not be decoded. A test looks at it at its end.
func (b *Backend) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		return nil
	}
	return fmt.Errorf("%d requests are not OTLP, the first: %w", b.undecoded, b.err)
}

// Wait waits until enough says yes to the accepted spans (as Spans gives them), which it is asked now and after each
// request. The error is the context's, or that of a request that could not be decoded; the spans come with both.
func (b *Backend) Wait(ctx context.Context, enough func([]Span) bool) ([]Span, error) {
	for {
		b.mu.Lock()
		spans, changed, bad := b.spansLocked(), b.changed, b.err != nil
		b.mu.Unlock()
		if bad {
			return spans, b.Err()
		}
		if enough(spans) {
			return spans, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return spans, fmt.Errorf("cannot wait longer, %d spans so far: %w", len(spans), ctx.Err())
		}
	}
}

// WaitSpans waits until at least n spans have been accepted. Unlike Wait it needs nothing remembered.
func (b *Backend) WaitSpans(ctx context.Context, n uint64) error {
	for {
		b.mu.Lock()
		got, changed := b.stats.Spans, b.changed
		b.mu.Unlock()
		if got >= n {
			return b.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("cannot wait longer, %d of %d spans: %w", got, n, ctx.Err())
		}
	}
}
