package fake

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
)

// ShopRequest is one request of a customer, as the two Envoys on its way log it.
type ShopRequest struct {
	Name      string                        // the shape, such as "checkout-failed"
	Trace     string                        // trace id, hex
	Start     time.Time                     // at edge
	Duration  time.Duration                 // at edge
	Edge, Mid []*alsdata.HTTPAccessLogEntry // DownstreamStart and DownstreamEnd; Mid is empty if edge did not ask it
	Spans     int                           // that the entries prove: a SERVER per End, a CLIENT per End that went upstream
}

// Traffic makes up requests. The same seed gives the same requests, but for the time. Not for several goroutines at once.
type Traffic struct {
	rng    *rand.Rand
	shapes []shape
	total  int // of the weights
}

// NewTraffic gives the traffic of a seed.
func NewTraffic(seed uint64) *Traffic {
	t := &Traffic{rng: rand.New(rand.NewPCG(seed, 0x5eed)), shapes: shapes()}
	for _, s := range t.shapes {
		t.total += s.weight
	}
	return t
}

// Next gives a request that ended at the given time.
func (t *Traffic) Next(end time.Time) ShopRequest {
	s := t.pick()
	call := &call{
		shape:  s,
		path:   s.path,
		id:     t.requestID(),
		trace:  t.id(16),
		client: fmt.Sprintf("203.0.113.%d", 1+t.rng.IntN(250)),
		port:   uint32(32768 + t.rng.IntN(28000)),
		agent:  t.agent(s),
		size:   t.responseSize(s),
		pod:    pod(s.service),
	}
	if strings.Contains(s.path, "%d") {
		call.path = fmt.Sprintf(s.path, 1+t.rng.IntN(400))
	}
	edge, mid := t.hops(call)
	edge.start = end.Add(-edge.duration).Truncate(time.Microsecond) // Envoy's clock has microseconds
	if t.rng.IntN(3) == 0 {
		edge.parent = t.id(8) // of the customer's own tracing
	}
	r := ShopRequest{Name: s.name, Trace: call.trace, Start: edge.start, Duration: edge.duration, Edge: edge.entries(call), Spans: 1}
	if edge.client != "" {
		r.Spans++
	}
	if mid != nil {
		mid.start = edge.start.Add(mid.lag)
		mid.parent = edge.client
		r.Mid = mid.entries(call)
		r.Spans++
		if mid.client != "" {
			r.Spans++
		}
	}
	return r
}

// hops makes up both Envoys' part of a call, from the inside out so that the inner lies within the outer. Mid is nil if
// edge did not ask it.
func (t *Traffic) hops(c *call) (edge, mid *hop) {
	edge = &hop{place: edgePlace(), id: t.id(8), code: c.code, details: "via_upstream", route: "shop"}
	t.receive(edge, c)
	switch c.ending {
	case noRoute:
		edge.route, edge.details, edge.flags = "", "route_not_found", &alsdata.ResponseFlags{NoRouteFound: true}
		t.answerLocally(edge, 0)
		return edge, nil
	case atAssets:
		edge.upstream(t.id(8), c.service, c.pod, 1)
		t.answer(edge, t.around(c.median), t.span(20, 200))
		return edge, nil
	}

	mid = &hop{place: midPlace(), id: t.id(8), code: c.code, details: "via_upstream", route: c.service}
	t.receive(mid, c)
	edge.upstream(t.id(8), "mid", mid.place.address, 1)
	mid.lag = (edge.firstUpTx + t.span(60, 250)).Truncate(time.Microsecond) + time.Microsecond
	switch c.ending {
	case edgeTimeout:
		mid.upstream(t.id(8), c.service, c.pod, 1)
		mid.code, mid.details = 0, "downstream_remote_disconnect"
		mid.flags = &alsdata.ResponseFlags{DownstreamConnectionTermination: true}
		edge.details, edge.flags = "response_timeout", &alsdata.ResponseFlags{UpstreamRequestTimeout: true}
		t.answerLocally(edge, edge.firstUpTx+routeTimeout)
		mid.duration = edge.duration - mid.lag - t.span(5, 20) // edge's reset ends it
		return edge, mid
	case noHost:
		mid.details, mid.flags, mid.attempts = "no_healthy_upstream", &alsdata.ResponseFlags{NoHealthyUpstream: true}, 1
		t.answerLocally(mid, 0)
	default:
		for range c.retries { // all before the attempt that the entry tells about
			wait := t.span(900, 2500) + t.span(5000, 20000)
			mid.firstUpTx += wait
			mid.lastUpTx += wait
		}
		mid.upstream(t.id(8), c.service, c.pod, 1+uint32(c.retries))
		t.answer(mid, t.around(c.median), t.span(10, 150))
	}
	// What edge receives is what mid sends, a network's way later.
	way := t.span(60, 250)
	t.answer(edge, mid.lag+mid.firstDownTx+way-edge.lastUpTx, mid.duration-mid.firstDownTx)
	return edge, mid
}

// receive makes up the times until the request is sent on, if it is.
func (t *Traffic) receive(h *hop, c *call) {
	h.lastRx = t.span(8, 40)
	if c.body > 0 {
		h.lastRx += t.span(20, 200)
	}
	h.firstUpTx = h.lastRx + t.span(40, 400)
	h.lastUpTx = h.firstUpTx + t.span(1, 20)
}

// answer makes up the times of an upstream's answer whose first byte comes after wait and whose last length later.
func (t *Traffic) answer(h *hop, wait, length time.Duration) {
	h.firstUpRx = h.lastUpTx + wait
	h.firstDownTx = h.firstUpRx + t.span(10, 60)
	h.lastUpRx = max(h.firstUpRx+length, h.firstDownTx+t.span(1, 9))
	h.lastDownTx = h.lastUpRx + t.span(3, 30)
	h.duration = h.lastDownTx + t.span(1, 8)
}

// answerLocally makes up the times of an answer that Envoy itself gives, not before at.
func (t *Traffic) answerLocally(h *hop, at time.Duration) {
	h.firstDownTx = max(at, h.lastRx) + t.span(10, 50)
	h.lastDownTx = h.firstDownTx + t.span(1, 4)
	h.duration = h.lastDownTx + t.span(1, 4)
}

// pod gives the address of a service's only pod.
func pod(service string) string {
	services := []string{"catalog", "assets", "cart", "payment", "inventory", "recommend", "reviews", "search"}
	return fmt.Sprintf("10.244.3.%d", 10+slices.Index(services, service))
}

func (t *Traffic) pick() shape {
	n := t.rng.IntN(t.total)
	for _, s := range t.shapes {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("unreachable: n is less than the weights' sum")
}

// span gives a time between two numbers of microseconds, with nanoseconds.
func (t *Traffic) span(from, to int) time.Duration {
	return time.Duration(from*1000 + t.rng.IntN((to-from)*1000))
}

// around gives a time with that median, log-normal as services' times are.
func (t *Traffic) around(median time.Duration) time.Duration {
	return time.Duration(float64(median) * math.Exp(t.rng.NormFloat64()*0.4))
}

// id gives size random bytes in hex, never all zero.
func (t *Traffic) id(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(t.rng.Uint32())
	}
	b[0] |= 1
	return hex.EncodeToString(b)
}

// requestID gives a UUID as Envoy makes them for a request that it samples: the character at 14 says so.
func (t *Traffic) requestID() string {
	h := t.id(16)
	return fmt.Sprintf("%s-%s-9%s-%x%s-%s", h[:8], h[8:12], h[13:16], 8+t.rng.IntN(4), h[17:20], h[20:])
}

func (t *Traffic) agent(s shape) string {
	if s.grpc != "" {
		return "grpc-go/1.85.0"
	}
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 Version/26.1 Mobile Safari/604.1",
		"shop-app/7.3.1 (Android 16)",
		"curl/8.17.0",
	}
	return agents[t.rng.IntN(len(agents))]
}

func (t *Traffic) responseSize(s shape) uint64 {
	switch {
	case s.code == 204 || s.ending == noRoute:
		return 0
	case s.code >= 400:
		return 24
	}
	return uint64(80 + t.rng.IntN(16000))
}
