package traces

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/mem"

	"github.com/alspan/alspan/internal/zipkin"
)

// Open makes a Consumer. It is used for many requests, one at a time, and dropped without a word.
type Open func() Consumer

// Options say what a Server takes.
type Options struct {
	Limit int            // bytes of one request after decompression
	Pool  mem.BufferPool // where received bytes are kept
	Log   *slog.Logger
}

// Server is the receiver of spans: over gRPC (Register), over HTTP as OTLP (OTLP) and as Zipkin (Zipkin).
type Server struct {
	opts     Options
	sessions sync.Pool // of *session

	stopping sync.RWMutex // held for reading while a consumer is busy
	stopped  bool

	// Requests counts what was received and Bytes its size after decompression, Truncated requests of which only a part
	// could be read, Refused requests of which nothing was used.
	Requests  [NumTransports]atomic.Int64
	Bytes     [NumTransports]atomic.Int64
	Truncated atomic.Int64
	Refused   [NumRefusals]atomic.Int64
	Invalid   [zipkin.NumReasons]atomic.Int64 // Zipkin spans that are no spans
	Repaired  atomic.Int64                    // strings of Zipkin spans that were not UTF-8
	// Unwanted counts requests with other signals than spans, which are taken and dropped, and UnwantedBytes their size.
	Unwanted      [NumSignals]atomic.Int64
	UnwantedBytes [NumSignals]atomic.Int64
	unwantedOnce  [NumSignals]sync.Once
	misplacedOnce sync.Once
}

// session is what a request needs and the next one can use again.
type session struct {
	consume Consumer
	message Message
	json    transcoder
	zipkin  zipkin.Decoder
}

// NewServer makes a receiver that gives messages to consumers that open makes.
func NewServer(open Open, o Options) *Server {
	s := &Server{opts: o}
	s.sessions.New = func() any { return &session{consume: open()} }
	return s
}

// Stop waits until the message that each consumer may be in has been consumed. Requests that come later are refused, and
// their senders asked to try again, elsewhere.
func (s *Server) Stop() {
	s.stopping.Lock()
	s.stopped = true
	s.stopping.Unlock()
}

// A verdict is what became of a request.
type verdict struct {
	Rejected  int  // spans
	Truncated bool // the rest could not be read
	Refused   bool // nothing was used, because of Why
	Why       Refusal
}

// take gives the consumer one request, which must be OTLP in protobuf.
func (s *Server) take(x *session, body []byte, marks []Mark, from netip.Addr) verdict {
	s.stopping.RLock()
	defer s.stopping.RUnlock()
	if s.stopped {
		return s.refuse(Stopping)
	}
	m := &x.message
	m.begin(body, marks, from)
	outcome := x.consume(m)
	truncated, scopes := m.broken, m.scopes
	m.begin(nil, nil, netip.Addr{}) // the pool must not hold the body
	switch {
	case outcome.Full:
		return s.refuse(Full)
	case truncated && scopes == 0:
		return s.refuse(Malformed)
	case truncated:
		s.Truncated.Add(1)
	}
	return verdict{Rejected: outcome.Rejected, Truncated: truncated}
}

func (s *Server) refuse(why Refusal) verdict {
	s.Refused[why].Add(1)
	return verdict{Refused: true, Why: why}
}

// received counts a request.
func (s *Server) received(t Transport, size int) {
	s.Requests[t].Add(1)
	s.Bytes[t].Add(int64(size))
}

// unwanted counts a request with metrics or logs. They are no reason to fail: senders often have one address for all three.
func (s *Server) unwanted(signal Signal, size int, from netip.Addr) {
	s.Unwanted[signal].Add(1)
	s.UnwantedBytes[signal].Add(int64(size))
	s.unwantedOnce[signal].Do(func() {
		s.opts.Log.Warn("Received "+signal.String()+", which alspan drops: it takes only spans. Give the senders another address for "+
			signal.String()+", or set OTEL_"+signal.variable()+"_EXPORTER=none. This is said once; metrics count on.", "from", from.String())
	})
}
