// Package ledger takes what happens to entries, spans, log records and requests with other signals, each counted at its own
// hand-over, and gives the sums that must hold: nothing that came in or was made may be missing.
//
//	entries_received   = used + taught + duplicate + dropped by reason + waiting
//	spans_in + made    = exported + spooled + in flight + queued + open + waiting + dropped by reason
//	logs_made          = exported + in flight + queued + open + dropped by reason
//	other_received     = exported + queued + in flight + dropped by reason, for each signal
//
// They hold exactly when the agent is idle, and at any other moment within what moved while they were read.
package ledger

import "sync/atomic"

// EntryDrop says why an access-log entry made no span.
type EntryDrop uint8

const (
	EntryMalformed        EntryDrop = iota // its bytes cannot be decoded
	EntryNoStart                           // no usable start time
	EntryTCP                               // TCP or UDP, and spans.tcp is off
	EntryListener                          // a listener's own record: there is no request in it
	EntryIntermediate                      // of a stream that goes on, or without a duration
	EntryPeriodic                          // DownstreamPeriodic, TcpPeriodic, UdpPeriodic
	EntryTunnel                            // DownstreamTunnelSuccessfullyEstablished, UdpTunnelUpstreamConnected
	EntryConnected                         // TcpConnectionStart, TcpUpstreamConnected
	EntryUpstreamReady                     // UpstreamPoolReady
	EntryUpstreamPeriodic                  // UpstreamPeriodic
	EntryUnknown                           // a type that is newer than this agent
	EntryShedUnsampled                     // the batching core was nearly full, and the trace is not sampled
	EntryShedHealthy                       // the batching core was fuller still, and the request had not failed
	EntryUnsampled                         // the tracer did not sample its request, and sample.unsampled says to follow it
	EntrySampledOut                        // its trace is not one of those that are kept
	EntryUnpaired                          // its span went elsewhere, and correlate.unpaired says drop
	NumEntryDrops
)

var entryDrops = [NumEntryDrops]string{"malformed", "no_start_time", "tcp", "listener", "intermediate", "periodic", "tunnel",
	"connected", "upstream_pool_ready", "upstream_periodic", "unknown_type",
	"shed_unsampled", "shed_healthy", "unsampled", "sampled_out", "unpaired"}

func (d EntryDrop) String() string { return entryDrops[d] }

// SpanDrop says why a span was not exported.
type SpanDrop uint8

const (
	SpanFull           SpanDrop = iota // the batching core had no room left
	SpanOversize                       // it outgrew the room that was reserved for it
	SpanRejected                       // the upstream refused the request for good
	SpanPartial                        // the upstream took the request but not this span
	SpanRetryExhausted                 // the upstream could not be reached for export.retry.give_up
	SpanShutdown                       // the agent stopped before the upstream took it
	SpanMalformed                      // it came, and its bytes cannot be decoded
	SpanInvalidID                      // it came, and an id is zero or too short or too long
	SpanAlreadyMade                    // it came when its entry had left as a span with the same id
	SpanDuplicate                      // a span of Envoy that came twice
	SpanHeads                          // it came in a request whose many scopes would each have sent a large resource
	SpanFiltered                       // a filter's condition matched it, or another span of the same request
	SpanTraceFiltered                  // a condition matched that drops traces: it, or another span of the trace shortly before
	SpanFilterFailed                   // a condition failed on it, and error_mode is propagate
	SpanSampledOut                     // the sampler did not keep it, or its request
	NumSpanDrops
)

var spanDrops = [NumSpanDrops]string{"core_full", "oversize", "rejected", "partial_success", "retry_exhausted", "shutdown", "malformed", "invalid_id", "already_made", "duplicate", "resource_too_large",
	"filtered", "trace_filtered", "filter_failed", "sampled_out"}

func (d SpanDrop) String() string { return spanDrops[d] }

// MessageRefusal says why a message, or the rest of one, could not be read.
type MessageRefusal uint8

const (
	MessageTooLarge   MessageRefusal = iota // longer than receive.limits.message: the stream was ended
	MessageTruncated                        // broken before its end: what stood before was used
	MessageIdentifier                       // its identifier is malformed: what it has was used for whoever the stream named before
	NumMessageRefusals
)

var messageRefusals = [NumMessageRefusals]string{"too_large", "truncated", "identifier"}

func (r MessageRefusal) String() string { return messageRefusals[r] }

// Entries is the ledger of access-log entries.
type Entries struct {
	Received, Used, Taught, Duplicate atomic.Int64
	Waiting                           atomic.Int64
	Dropped                           [NumEntryDrops]atomic.Int64
}

// Balance gives received minus all buckets: 0 when nothing moves.
func (e *Entries) Balance() int64 {
	n := e.Received.Load() - e.Used.Load() - e.Taught.Load() - e.Duplicate.Load() - e.Waiting.Load()
	for i := range e.Dropped {
		n -= e.Dropped[i].Load()
	}
	return n
}

// Spans is the ledger of spans. The batching core counts those that are open, queued and in flight.
type Spans struct {
	In, Made, Exported, Spooled, Waiting atomic.Int64
	Dropped                              [NumSpanDrops]atomic.Int64
}

// Core is the part of the ledger that the batching core keeps.
type Core interface {
	Open() int64
	Queued() int64
	InFlight() int64
}

// Balance gives what came in and was made minus all buckets: 0 when nothing moves.
func (s *Spans) Balance(core Core) int64 {
	n := s.In.Load() + s.Made.Load() - s.Exported.Load() - s.Spooled.Load() - s.Waiting.Load()
	n -= core.Open() + core.Queued() + core.InFlight()
	for i := range s.Dropped {
		n -= s.Dropped[i].Load()
	}
	return n
}

// NumLogDrops are the reasons for which a log record is not exported: the first ones of spans, from SpanFull to SpanShutdown.
const NumLogDrops = SpanShutdown + 1

// LogRecords is the ledger of log records.
type LogRecords struct {
	Made, Exported atomic.Int64
	Dropped        [NumLogDrops]atomic.Int64
}

// Balance gives what was made minus all buckets: 0 when nothing moves. core is the one of the log records.
func (l *LogRecords) Balance(core Core) int64 {
	n := l.Made.Load() - l.Exported.Load() - core.Open() - core.Queued() - core.InFlight()
	for i := range l.Dropped {
		n -= l.Dropped[i].Load()
	}
	return n
}
