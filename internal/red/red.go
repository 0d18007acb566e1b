// Package red takes finished requests and gives metrics of their rate, errors and duration, and those of the service graph,
// to a Prometheus registry.
//
// # Label sets
//
// Requests with the same kind, service, peer, method, route and class of status are one label set, with counters that all
// goroutines share. A set is found by a hash in a table that is read without a lock; only a new set takes a mutex. At most
// Options.Sets are kept. From then on a request of an unknown set is counted under its kind, service and class, with the
// rest "other"; when there is a tenth of Options.Sets of these, too, under its kind alone. So each request is counted exactly
// once, and the sum over all sets is the number of requests.
//
// A set that nothing was counted in for Options.Idle is given up at a scrape, and begins from zero should it come back. Whoever
// still has a pointer to it learns that from the operation by which it begins to count, and takes a new one, see series.
//
// # Histograms
//
// Durations are counted in 218 buckets, eight in each power of two: those of a native histogram of schema 3 from 2^-17 seconds
// (7.6 µs) to 2^10 seconds. What is shorter is in the native zero bucket, what is longer in the bucket after the last. The
// classic buckets, powers of two from 2^-9 to 2^4 seconds, are sums of them. A histogram has no count of its own: at a scrape
// it is the sum of the buckets, and so is alspan_requests_total. A sum of durations begins from zero after 584 years.
//
// # The service graph
//
// It has the names and labels of Grafana Tempo's metrics generator. For the latency of an edge Grafana divides the seconds that
// the server has seen by the requests. So the server's side should count an edge where there is one (EdgeCount), and the
// client's side only add what it has seen (EdgeLatency). Where the other side is not instrumented (EdgeVirtual), the one
// duration that is known stands for both: otherwise calls to a database would take no time in Grafana.
//
// Its histograms are classic only: a Prometheus that reads native ones leaves out their classic half, and with it the sum that
// Grafana asks for. An empty connection_type is the same to Prometheus as none.
//
// # Memory
//
// A set of requests takes 2.1 KB with its slot in the table, and another 0.8 KB when all of its classic buckets have exemplars.
// An edge takes 0.5 KB. A scrape of 2,000 sets takes 9 MB for a moment, and 6 MB for its text.
package red

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say what is kept.
type Options struct {
	Sets     int           // most label sets of requests, and most edges of the service graph
	Idle     time.Duration // a label set that nothing was counted in for so long is given up at a scrape; 0: none is
	Requests bool          // keep metrics of requests
	Graph    bool          // keep the service graph
}

// Kind is the side that saw a request.
type Kind uint8

// The sides of a request.
const (
	Server Kind = iota
	Client
)

// Edge says how the service graph counts a request. A request whose client or server has no name is not part of it.
type Edge uint8

// What the service graph counts.
const (
	EdgeNone    Edge = iota // nothing
	EdgeCount               // the request and its duration
	EdgeLatency             // its duration: the agent of the other side counts the request
	EdgeVirtual             // the request and its duration for both sides: the other one is not instrumented. A client without a name is "user"
)

// Request is one finished request as one side saw it.
type Request struct {
	Kind     Kind
	Service  string // whose metrics these are
	Peer     string // the other side, "" if it is not known
	Method   string // of few values
	Route    []byte // borrowed; "" if there is none; its first 128 bytes count
	Class    uint8  // of the status: 1 to 5; any other: there was no response
	Failed   bool
	Duration time.Duration // a negative one is taken for 0
	Edge     Edge
}

// Metrics are the metrics of all requests. It is a prometheus.Collector.
type Metrics struct {
	requests *family // nil: not kept
	graph    *family
	idle     time.Duration
	start    time.Time
	looked   atomic.Int64 // when idle sets were last looked for, since start
}

var _ prometheus.Collector = (*Metrics)(nil)

// New makes metrics without any label set.
func New(o Options) *Metrics {
	m := &Metrics{idle: o.Idle, start: time.Now()}
	sets := int64(max(o.Sets, 1))
	if o.Requests {
		m.requests = newFamily(sets, max(sets/10, 1))
	}
	if o.Graph {
		m.graph = newFamily(sets)
	}
	return m
}

// Meter gives a meter to a goroutine.
func (m *Metrics) Meter() *Meter { return &Meter{m: m, scratch: make([]byte, mostRoute)} }

// Meter counts requests for one goroutine.
type Meter struct {
	m       *Metrics
	scratch []byte
}

// Count counts a request. It keeps the strings of r, but not its route.
func (m *Meter) Count(r *Request) {
	d, b := uint64(max(r.Duration, 0)), bucket(r.Duration)
	var edge *atomic.Pointer[series] // of its label set
	if f := m.m.requests; f != nil {
		k := requestKey(r)
		s, wide := f.begin(&k, m.scratch)
		if r.Failed {
			s.failed.Add(1)
		}
		s.end(0, b, d)
		if !wide {
			edge = &s.edges[edgeClass(r)]
		}
	}
	if m.m.graph != nil && r.Edge != EdgeNone {
		m.countEdge(r, classic(b), d, edge)
	}
}

// countEdge counts the edge of a request; known has its series if it was counted before, unless known is nil.
func (m *Meter) countEdge(r *Request, b int, d uint64, known *atomic.Pointer[series]) {
	var s *series
	if known != nil {
		s = known.Load()
	}
	if s == nil || !s.begin() {
		k, ok := edgeKey(r)
		if !ok {
			return
		}
		var wide bool
		if s, wide = m.m.graph.begin(&k, m.scratch); known != nil && !wide {
			known.Store(s)
		}
	}
	if r.Edge != EdgeLatency {
		s.counted.Add(1)
		if r.Failed {
			s.failed.Add(1)
		}
	}
	side := r.Kind
	if r.Edge == EdgeVirtual {
		side = 0
	}
	s.end(side, b, d)
}

// Exemplar notes that the trace of a request like r was kept: its metrics point at it until another one takes its place.
func (m *Meter) Exemplar(r *Request, trace [16]byte, span [8]byte, at time.Time) {
	f := m.m.requests
	if f == nil {
		return
	}
	k := requestKey(r)
	if s, _ := f.find(&k, m.scratch, false); s != nil {
		s.note(r.Duration, trace, span, at)
	}
}
