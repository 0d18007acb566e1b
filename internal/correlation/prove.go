package correlation

import "strings"

// proof is an answer that may be missing.
type proof int

const (
	unsaid proof = iota
	yes
	no
)

func tri(b bool) proof {
	if b {
		return yes
	}
	return no
}

// claim is what an entry alone proves.
type claim struct {
	trace, own, parent string
	up                 string // an id that went upstream
	logged             string
	injected           proof // Envoy overwrote the header before it was logged
	derived            bool  // own is
}

// prove is rule 3: the logged id is the parent unless there is proof of more.
func (m *model) prove(x *item) claim {
	e, l, tracer := x.entry, x.logger, m.node(x.node).tracer
	if x.began && tracer == "" { // the format that changed is the tracer's
		before, after := Contexts(x.begin), Contexts(x.headers)
		for _, f := range []string{TraceContext, B3, b3Single} {
			if c, ok := after[f]; ok && tracer == "" && c != before[f] {
				if tracer = f; f == b3Single {
					tracer = B3
				}
				m.node(x.node).tracer = tracer
			}
		}
	}
	c, ok := Choose(x.headers, tracer)
	p := claim{trace: c.Trace, logged: c.ID}
	tag, tagTrace := e.Tags["sid"], e.Tags["tid"]
	if strings.Trim(tag, "0-") == "" {
		tag = ""
	}
	otherTrace := tag != "" && tagTrace != "" && tagTrace != c.Trace
	learned := l.relations[c.Format]
	p.own = tag
	var caller Context // the start entry's; a Zipkin tracer reads both forms of B3, and writes x-b3-*
	if x.began && ok {
		before := Contexts(x.begin)
		if caller = before[c.Format]; c.Format == B3 && caller.ID == "" {
			caller = before[b3Single]
		}
	}
	switch {
	case !ok || !e.Up:
		p.injected = no
	case x.began:
		p.injected = tri(caller.ID != c.ID)
	case tag == c.ID:
		p.injected = yes
	case otherTrace:
		p.injected = no
	case tag != "":
		p.injected = yes
	case learned == "parent":
		p.injected = no
	case learned != "":
		p.injected = yes
	}
	switch {
	case p.injected == yes:
		m.injected(x, c, &p, tag, caller, learned)
	case !otherTrace:
		p.parent = c.ID
	}
	if tag != "" && tagTrace != "" {
		p.trace = tagTrace
	}
	if p.trace == "" { // rule 4
		p.trace = derive(16, e.Node, e.Start, e.Dur, e.RequestID)
		if IsUUID(e.RequestID) {
			p.trace = derive(16, x.rid)
		}
	}
	if p.own == "" {
		p.own, p.derived = m.derived(x, &p), true
	}
	return p
}

// injected tells own and child apart. Where that cannot be told the id is put on a CLIENT below a SERVER with a derived id,
// which is right either way.
func (m *model) injected(x *item, c Context, p *claim, tag string, caller Context, relation string) {
	switch tag {
	case "":
	case c.ID:
		relation = "own"
	default:
		relation = "child"
	}
	p.up = c.ID
	if relation == "own" {
		p.own = c.ID
	}
	switch {
	case x.began:
		p.parent = caller.ID
	case relation == "own":
		p.parent = c.Parent
	}
	if relation == "child" && p.own == "" {
		p.own = c.Parent // B3 says who sent it
	}
	if p.own != "" && p.own == p.parent { // a shared id: the parent is the caller's
		p.parent = caller.Parent
	}
	if m.broken == "upstream ids" {
		p.up = ""
	}
}

func (m *model) derived(x *item, p *claim) string {
	return derive(8, p.trace, p.logged, x.node, x.start, x.entry.Dur, x.rid, "server")
}
