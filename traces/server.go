package traces

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/mem"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/zipkin"
)

// Open makes a Consumer. It is used for many requests, one at a time, and dropped without a word.
type Open func() Consumer

// Options say what a Server takes.
type Options struct {
	Limit int            // bytes of one request after decompression
	Pool  mem.BufferPool // where received bytes are kept
	Log   *slog.Logger
	Other Other // takes what is not spans
	// Ignored: such requests are dropped anyway, and Other gets them as they came, be they what they may.
	Ignored [ledger.NumSignals]bool
}

// Server is the receiver of spans, and of what senders have beside them: over gRPC (Register), over HTTP as OTLP (OTLP) and as Zipkin (Zipkin).
type Server struct {
	opts     Options
	sessions sync.Pool // of *session

	stopping sync.RWMutex // held for reading while a consumer is busy
	stopped  bool

	// Requests counts what was received with spans and Bytes its size after decompression, Truncated requests of which only a
	// part could be read, Refused requests of all signals of which nothing was used.
	Requests  [NumTransports]atomic.Int64
	Bytes     [NumTransports]atomic.Int64
	Truncated atomic.Int64
	Refused   [NumRefusals]atomic.Int64
	Invalid   [zipkin.NumReasons]atomic.Int64 // Zipkin spans that are no spans
	Repaired  atomic.Int64                    // strings of Zipkin spans that were not UTF-8

	misplacedOnce sync.Once
	decoding      sync.Mutex // of JSON with other signals
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
