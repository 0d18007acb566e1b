package worlds

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alspan/alspan/internal/correlation"
)

// envoy is one Envoy, as far as this matters: what its tracer and its loggers do, as recordings of real ones showed.
type envoy struct {
	id, service, address, cluster string
	minor                         int
	tracer                        string
	spawn                         bool // spawn_upstream_span
	shared                        bool // shared_span_context
	outbound                      bool // a sidecar's outbound listener: without spawn its span is a CLIENT
	starts, ups, tags             bool // DownstreamStart entries, upstream logs, id tags
	noIDs                         bool // no request ids
	sampling                      int  // percent
	loggers                       []logger
	hides                         []string // headers that are not logged
}

type logger struct {
	name    string
	headers bool
}

// active is Envoy's own span of one pass.
type active struct {
	trace, id, parent string
	caller            string
	sampled, shared   bool
}

// trace begins Envoy's span; nil: it makes none, and injects nothing.
func (g *generator) trace(n *envoy, h map[string]string, rid string, second bool) *active {
	decided := rid == "" || n.minor <= 38
	if correlation.IsUUID(rid) {
		decided = strings.ContainsRune("9ab", rune(rid[14]))
	}
	if second && n.minor >= 39 && n.tracer == correlation.TraceContext {
		decided = false
	}
	all := correlation.Contexts(h)
	switch n.tracer {
	case correlation.TraceContext:
		c, ok := all[correlation.TraceContext]
		switch {
		case !ok && h["traceparent"] != "":
			return nil // it is not replaced
		case !ok:
			return &active{trace: g.hex(16), id: g.hex(8), sampled: decided}
		}
		return &active{trace: c.Trace, id: g.hex(8), parent: c.ID, caller: c.ID, sampled: c.Sampled == 1 && (decided || n.minor <= 38)}
	case correlation.B3:
		c, ok := all[correlation.B3] // what it does with both forms is not recorded
		if !ok {
			c, ok = all["b3s"]
		}
		switch {
		case !ok && (h["x-b3-traceid"] != "" || h["x-b3-spanid"] != ""):
			return nil
		case !ok:
			id := g.hex(8)
			return &active{trace: g.hex(8) + id, id: id, sampled: decided && h["x-b3-sampled"] != "0", shared: n.shared}
		}
		a := &active{trace: c.Trace, id: g.hex(8), parent: c.ID, caller: c.ID, sampled: c.Sampled == 1 || c.Sampled < 0 && decided}
		if n.shared && (!n.outbound || n.spawn) {
			a.id, a.parent, a.shared = c.ID, c.Parent, true
		}
		return a
	}
	return nil
}

// inject writes the context that goes upstream: that of the span id, whose parent is parent.
func (n *envoy) inject(h map[string]string, a *active, id, parent string) {
	flag := "0"
	if a.sampled {
		flag = "1"
	}
	switch {
	case n.tracer == correlation.TraceContext:
		h["traceparent"] = fmt.Sprintf("00-%s-%s-0%s", a.trace, id, flag)
		if _, ok := h["tracestate"]; !ok {
			h["tracestate"] = ""
		}
	case n.minor >= 40 && h["b3"] != "":
		h["b3"] = a.trace + "-" + id + "-" + flag
		if parent != "" {
			h["b3"] += "-" + parent
		}
	default:
		h["x-b3-traceid"], h["x-b3-spanid"], h["x-b3-sampled"] = a.trace, id, flag
		if delete(h, "x-b3-parentspanid"); parent != "" {
			h["x-b3-parentspanid"] = parent
		}
	}
}

// span makes one of Envoy's spans.
func (n *envoy) span(a *active, id, parent string, start, end int64, code int) *correlation.Span {
	return &correlation.Span{
		Trace: a.trace, ID: id, Parent: parent, Start: start, End: end, Code: code, Service: n.service, Format: n.tracer, Error: code >= 500 || code == 0,
		Tags: map[string]string{"component": "proxy", "upstream_cluster": n.cluster, "http.status_code": itoa(code), "response_flags": "-"},
	}
}

// log writes one record to all loggers.
func (g *generator) log(n *envoy, worker int, e correlation.Entry, h map[string]string, p *correlation.Pass) {
	e.Node, e.Minor, e.Direct = n.id, n.minor, "192.0.2.7"
	if n.outbound {
		e.Direct = n.address
	}
	e.RequestID = asLogged(e.RequestID)
	loggers := n.loggers
	if e.Type == correlation.TypeUp {
		loggers = []logger{{n.loggers[0].name + "-upstream", true}}
	}
	for _, l := range loggers {
		c := e
		c.Log, c.Headers = l.name, map[string]string{}
		if l.headers {
			c.Headers = n.logged(h)
		}
		at := c.End()
		g.logs = append(g.logs, logItem{at, stream{n.id, l.name, worker}, &c})
		if c.Makes() {
			g.truth.Entries[c.Key()] = p
		}
	}
}

// logged gives the headers that a logger writes.
func (n *envoy) logged(h map[string]string) map[string]string {
	c := maps.Clone(h)
	maps.DeleteFunc(c, func(k, _ string) bool {
		return slices.ContainsFunc(n.hides, func(prefix string) bool { return strings.HasPrefix(k, prefix) })
	})
	return c
}

// asLogged gives a request id as ALS has it: bytes that are not UTF-8 are "!".
func asLogged(id string) string {
	b := []byte(correlation.Hidden(id))
	var out strings.Builder
	for _, r := range string(b) {
		if r >= 0xF700 && r <= 0xF7ff {
			r = '!'
		}
		out.WriteRune(r)
	}
	return out.String()
}
