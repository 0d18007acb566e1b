package worlds

import (
	"maps"

	"github.com/alspan/alspan/internal/correlation"
)

// Microseconds and more, in ns.
const (
	us = 1000
	ms = 1000 * us
	s  = 1000 * ms
)

// A fate is what becomes of one pass of a request.
type fate struct {
	local    bool // Envoy answers itself
	redirect bool // an internal redirect: another pass follows
	attempts int
	hedged   bool // the attempts overlap
	long     bool // a websocket
	code     int
}

func (g *generator) fate(second bool) fate {
	f := fate{attempts: 1, code: 200}
	switch r := g.rnd.IntN(100); {
	case r < 8:
		f.local, f.code = true, []int{404, 403, 200, 426}[g.rnd.IntN(4)]
	case r < 16 && !second:
		f.redirect, f.code = true, 302
	case r < 24:
		f.attempts = 2 + g.rnd.IntN(2)
	case r < 28:
		f.attempts, f.hedged = 2, true
	case r < 30 && !second:
		f.long, f.code = true, 101
	case r < 36:
		f.code = []int{500, 503, 404, 0}[g.rnd.IntN(4)]
	}
	return f
}

// serve is one request at one Envoy: its passes. It gives when it ended and the answer's code.
func (g *generator) serve(n *envoy, depth int, rid, path string, h map[string]string, start int64) (int64, int) {
	if n.noIDs {
		rid = ""
	} else if rid == "" {
		rid = g.requestID(n)
	}
	worker := g.rnd.IntN(2)
	h = maps.Clone(h)
	start -= start % us
	began := start
	for pass := 0; ; pass++ {
		f := g.fate(pass > 0)
		end := g.pass(n, worker, depth, rid, path, h, start, began, f, pass > 0)
		if !f.redirect || pass > 0 {
			return end, f.code
		}
		began = end + 20*us
	}
}

// pass is one pass of a request: it has the request's start, and began later if it is the second.
func (g *generator) pass(n *envoy, worker, depth int, rid, path string, h map[string]string, start, began int64, f fate, second bool) int64 {
	p := &correlation.Pass{Node: n.id, Tracer: n.tracer, Spawn: n.spawn, Known: true}
	caller, _ := correlation.Choose(n.logged(h), "")
	p.Caller, p.Ambiguous = caller.ID, len(correlation.Contexts(h)) > 1
	a := g.trace(n, h, rid, second)
	if a != nil {
		p.Trace, p.Own, p.Parent, p.Shared, p.Caller = a.trace, a.id, a.parent, a.shared, a.caller
	} else if n.tracer != "" {
		p.Known = false // an invalid context
	}
	if n.starts {
		g.log(n, worker, correlation.Entry{Type: correlation.TypeStart, Interim: true, Start: start, RequestID: rid, Path: path}, h, p)
	}
	end := began + g.between(50*us, 2*ms)
	if f.long {
		end = began + g.between(10*s, 40*s)
	}
	if !f.local {
		end = max(end, g.upstream(n, worker, depth, rid, path, h, began, end, f, a, p))
	}
	e := correlation.Entry{Type: correlation.TypeEnd, Start: start, Dur: end - start, RequestID: rid, Path: path, Code: f.code, Up: !f.local}
	if e.Up {
		e.Cluster, e.Attempts = n.cluster, f.attempts
	}
	if n.tags {
		e.Tags = map[string]string{"sid": "-", "tid": "-"}
		if a != nil {
			e.Tags = map[string]string{"sid": a.id, "tid": a.trace}
		}
	}
	g.log(n, worker, e, h, p)
	if a == nil || !a.sampled {
		return end
	}
	x := n.span(a, a.id, a.parent, start, end+g.between(us, 200*us), f.code)
	if n.tracer == correlation.B3 && second { // as Envoy does
		x.End = start + (end - began)
	}
	x.End -= x.End % us
	x.Kind, x.Name, x.Shared, x.RequestID, x.Node, x.Proxy = correlation.Server, "ingress", a.shared, rid, n.id, true
	if n.outbound && !n.spawn {
		x.Kind, x.Name = correlation.Client, "egress"
	}
	x.Tags["node_id"], x.Tags["http.url"] = n.id, "http://shop.example.com"+path
	if rid != "" {
		if x.Tags["guid:x-request-id"] = rid; n.tracer == correlation.B3 { // JSON has no other bytes
			x.Tags["guid:x-request-id"] = asLogged(rid)
		}
	}
	p.Exported = true
	g.truth.Spans[x.Key()] = p
	g.spans = append(g.spans, spanItem{end + 250*us, sender{n.id, worker}, x})
	return end
}

// upstream makes the attempts of a pass, and gives when the last has ended. h is left as the last has written it.
func (g *generator) upstream(n *envoy, worker, depth int, rid, path string, h map[string]string, began, most int64, f fate, a *active, p *correlation.Pass) int64 {
	last := began
	for i := range f.attempts {
		start := max(last, began) + g.between(20*us, 100*us)
		if f.hedged {
			start = began + int64(i+1)*300*us
		}
		start -= start % us
		code, end := f.code, start+g.between(100*us, 3*ms)
		if i < f.attempts-1 {
			code = 503
		}
		if f.long {
			end = most - 20*us
		}
		id, parent := "", ""
		if a != nil {
			if id, parent = a.id, a.parent; n.spawn {
				id, parent = g.hex(8), a.id
			}
			n.inject(h, a, id, parent)
		}
		if next := g.next(n, depth); next != nil && !f.long {
			done, _ := g.serve(next, depth+1, rid, path, h, start+g.between(50*us, 300*us))
			end = max(end, done+50*us)
		} else if a != nil && a.sampled {
			g.app(n, id, parent, a, start+40*us, end-20*us)
		}
		if n.ups {
			g.log(n, worker, correlation.Entry{Type: correlation.TypeUp, Start: start, Dur: end - start, RequestID: rid, Path: path, Code: code, Up: true, Cluster: n.cluster}, h, p)
		}
		if n.spawn && a != nil && a.sampled {
			x := n.span(a, id, a.id, start, end-end%us, code)
			x.Kind, x.Name = correlation.Client, "router app egress"
			g.truth.Spans[x.Key()] = p
			g.spans = append(g.spans, spanItem{end, sender{n.id, worker}, x})
		}
		last = max(last, end)
	}
	return last + g.between(20*us, 200*us)
}

// app is the application behind an Envoy: some send their own spans here.
func (g *generator) app(n *envoy, id, parent string, a *active, start, end int64) {
	if !g.apps || g.rnd.IntN(3) == 0 {
		return
	}
	start, end = start-start%us, end-end%us
	x := &correlation.Span{Trace: a.trace, ID: g.hex(8), Parent: id, Name: "handle", Kind: correlation.Server, Start: start, End: max(end, start), Service: "app", Format: n.tracer, Tags: map[string]string{"component": "app"}}
	if n.tracer == correlation.B3 && g.sharing {
		x.ID, x.Parent, x.Shared = id, parent, true
	}
	below := &correlation.Span{Trace: a.trace, ID: g.hex(8), Parent: x.ID, Name: "query", Kind: correlation.Internal, Start: start, End: x.End, Service: "app", Format: n.tracer, Tags: map[string]string{"component": "app"}}
	g.spans = append(g.spans, spanItem{end, sender{"app " + n.tracer, 0}, below}, spanItem{end, sender{"app " + n.tracer, 0}, x})
}

// next gives the Envoy that a request goes on to, nil for none.
func (g *generator) next(n *envoy, depth int) *envoy {
	if depth > 0 || len(g.nodes) < 2 || g.rnd.IntN(2) == 0 {
		return nil
	}
	for _, m := range g.nodes {
		if m != n {
			return m
		}
	}
	return nil
}
