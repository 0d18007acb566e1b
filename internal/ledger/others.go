package ledger

import "sync/atomic"

// Signal is what is received besides access logs and spans.
type Signal uint8

const (
	Metrics Signal = iota
	Logs
	NumSignals
)

var signals = [NumSignals]string{"metrics", "logs"}

func (s Signal) String() string { return signals[s] }

// OtherDrop says why a request with another signal was not exported.
type OtherDrop uint8

const (
	OtherUnwanted       OtherDrop = iota // nothing but spans is sent on
	OtherRejected                        // the upstream refused it for good
	OtherUnimplemented                   // the upstream does not take this signal
	OtherRetryExhausted                  // the upstream could not be reached for export.retry.give_up
	OtherShutdown                        // the agent stopped before the upstream took it
	NumOtherDrops
)

var otherDrops = [NumOtherDrops]string{"unwanted", "rejected", "unimplemented", "retry_exhausted", "shutdown"}

func (d OtherDrop) String() string { return otherDrops[d] }

// Volume counts requests, and their bytes as they were received.
type Volume struct{ Requests, Bytes atomic.Int64 }

// Add counts one request of so many bytes.
func (v *Volume) Add(bytes int) {
	v.Requests.Add(1)
	v.Bytes.Add(int64(bytes))
}

// Remove takes one request back.
func (v *Volume) Remove(bytes int) {
	v.Requests.Add(-1)
	v.Bytes.Add(-int64(bytes))
}

// Others is the ledger of requests with one other signal, which are sent on whole:
//
//	received = exported + queued + in flight + dropped by reason
//
// It holds in requests and in bytes. A request that was refused was not received: its sender was asked to try again.
type Others struct {
	Received, Exported, Queued, InFlight Volume
	Dropped                              [NumOtherDrops]Volume

	Refused atomic.Int64 // requests for which there was no room
	Partial atomic.Int64 // data points or log records that the upstream rejected of requests that it took
}

// Balance gives what was received minus all buckets, in requests and in bytes: 0 when nothing moves.
func (o *Others) Balance() (requests, bytes int64) {
	requests, bytes = o.Received.Requests.Load(), o.Received.Bytes.Load()
	take := func(v *Volume) {
		requests -= v.Requests.Load()
		bytes -= v.Bytes.Load()
	}
	for _, v := range []*Volume{&o.Exported, &o.Queued, &o.InFlight} {
		take(v)
	}
	for i := range o.Dropped {
		take(&o.Dropped[i])
	}
	return requests, bytes
}
