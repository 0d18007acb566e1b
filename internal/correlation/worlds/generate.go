package worlds

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/alspan/alspan/internal/correlation"
)

// epoch is when all worlds begin, by the Envoys' clocks.
const epoch = 1_795_000_000 * int64(s)

// generator makes one world.
type generator struct {
	rnd     *rand.Rand
	nodes   []*envoy
	apps    bool // applications send spans, too
	sharing bool // Zipkin: the two sides of a call share an id
	logs    []logItem
	spans   []spanItem
	truth   correlation.Truth
}

// Generate gives world n: some Envoys, what callers asked of them, and what becomes of the messages on their way.
func Generate(n uint64) *correlation.World {
	g := &generator{rnd: rand.New(rand.NewPCG(n, 0x616c7370616e)), truth: correlation.Truth{
		Entries: map[correlation.EntryKey]*correlation.Pass{}, Spans: map[correlation.SpanKey]*correlation.Pass{},
	}}
	g.apps, g.sharing = g.one(3), g.one(2)
	for i := range 1 + g.rnd.IntN(3) {
		g.nodes = append(g.nodes, g.envoy(i))
	}
	requests, gap := 3+g.rnd.IntN(30), g.between(ms, 300*ms)
	if g.one(4) {
		requests, gap = 50+g.rnd.IntN(150), g.between(100*us, 60*ms)
	}
	at := epoch
	for range requests {
		at += g.rnd.Int64N(2*gap) + 200*us
		node := g.nodes[g.rnd.IntN(len(g.nodes))]
		g.serve(node, 0, g.callersID(), "/"+g.hex(3), g.caller(), at)
	}
	w := &correlation.World{Name: fmt.Sprintf("world %d", n), Epoch: epoch, Truth: g.truth}
	w.Events = g.disturb(g.flush())
	return w
}

func (g *generator) one(of int) bool { return g.rnd.IntN(of) == 0 }

func (g *generator) between(from, to int64) int64 { return from + g.rnd.Int64N(to-from) }

func (g *generator) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rnd.Uint32())
	}
	b[0] |= 1 // zero is no id
	return hex.EncodeToString(b)
}

// envoy draws an Envoy.
func (g *generator) envoy(i int) *envoy {
	n := &envoy{minor: 36 + g.rnd.IntN(5), address: fmt.Sprintf("10.0.0.%d", i+1), cluster: "app", sampling: []int{100, 100, 100, 50, 0}[g.rnd.IntN(5)]}
	n.id = fmt.Sprintf("router~%s~gateway-%d.shop~shop.svc.cluster.local", n.address, i)
	n.service = fmt.Sprintf("gateway-%d", i)
	if g.one(4) {
		n.service = "lab-cluster" // one name for all
	}
	switch g.rnd.IntN(7) {
	case 0:
	case 1, 2:
		n.tracer, n.shared = correlation.B3, g.sharing
	default:
		n.tracer = correlation.TraceContext
	}
	n.spawn = g.one(2)
	n.starts, n.ups, n.tags = g.one(3), g.one(4), n.tracer == correlation.TraceContext && n.minor >= 38 && g.one(4)
	if g.one(6) {
		n.outbound, n.cluster = true, "outbound|80||app.svc"
		n.id = strings.Replace(n.id, "router", "sidecar", 1)
	}
	n.noIDs = g.one(15)
	name := fmt.Sprintf("log-%d", i)
	if g.one(3) {
		name = "http"
	}
	n.loggers = []logger{{name, !g.one(8)}}
	if g.one(4) {
		n.loggers = append(n.loggers, logger{name + "-second", g.one(2)})
	}
	if g.one(8) {
		n.hides = [][]string{{"trace"}, {"x-b3", "b3"}, {"tracestate"}}[g.rnd.IntN(3)]
		if n.tags && n.hides[0] == "tracestate" { // whether such an Envoy injects is not proven for a while
			n.hides = nil
		}
	}
	return n
}

// requestID gives the id that an Envoy makes: its character 14 says why the request is traced, or that it is not.
func (g *generator) requestID(n *envoy) string {
	reason := "4"
	if n.tracer != "" && g.rnd.IntN(100) < n.sampling {
		reason = "9"
	}
	h := g.hex(16)
	return h[:8] + "-" + h[8:12] + "-" + reason + h[13:16] + "-" + h[16:20] + "-" + h[20:]
}

// callersID gives the request id that a caller sends, "" for none.
func (g *generator) callersID() string {
	switch r := g.rnd.IntN(20); {
	case r == 0:
		return "caf\xe9-\xff\xfe-" + g.hex(2)
	case r == 1:
		return "café-" + g.hex(4)
	case r < 4:
		return "order " + g.hex(4)
	case r < 7:
		return g.requestID(&envoy{tracer: "any", sampling: 80})
	}
	return ""
}

// caller gives the headers that a caller sends.
func (g *generator) caller() map[string]string {
	h := map[string]string{}
	trace, id, flag := g.hex(16), g.hex(8), "1"
	if g.one(8) {
		flag = "0"
	}
	w3c := func() { h["traceparent"] = "00-" + trace + "-" + id + "-0" + flag }
	b3 := func() {
		h["x-b3-traceid"], h["x-b3-spanid"] = trace, id
		if !g.one(5) {
			h["x-b3-sampled"] = flag
		}
		if g.one(4) {
			h["x-b3-parentspanid"] = g.hex(8)
		}
	}
	switch r := g.rnd.IntN(20); {
	case r < 8:
		w3c()
		if g.one(4) {
			h["tracestate"] = "vendor=a1"
		}
	case r < 12:
		b3()
		if g.one(6) {
			h["x-b3-traceid"] = trace[16:]
		}
	case r < 14:
		h["b3"] = trace + "-" + id + "-" + flag
	case r < 16:
		w3c()
		if g.one(2) {
			trace, id = g.hex(16), g.hex(8)
		}
		b3()
	case r == 16:
		h["traceparent"] = "00-" + strings.Repeat("0", 32) + "-" + id + "-01"
	case r == 17:
		b3()
		h["x-b3-spanid"] = "none"
	}
	return h
}
