package correlation

import (
	"maps"
	"slices"
)

// entry takes an access-log record (rule 1: which make spans).
func (m *model) entry(e *Entry) {
	m.waits++
	x := &item{entry: e, node: e.Node, rid: Masked(e.RequestID), start: e.Start, end: e.End(), code: e.Code, at: m.now, headers: e.Headers}
	x.logger = m.logger(e.Node, e.Log)
	switch {
	case e.TCP:
		m.count(x, "tcp")
	case e.Type == TypeStart:
		m.learn(x)
	case !e.Makes():
		m.count(x, "other type")
	case m.repeat(x):
	case e.Type == TypeUp:
		m.attempt(x)
	default:
		m.node(x.node).entries = true
		m.begin(x)
		m.head(x)
		m.meet(x)
	}
}

func (x *item) startKey() startKey { return startKey{x.node, x.entry.Log, x.rid, x.start} }

// learn keeps what a start entry says, in order: the start of a redirect's second pass never overwrites that of the first.
func (m *model) learn(x *item) {
	k, c := x.startKey(), Contexts(x.headers)
	p := printKey{x.node, TypeStart, x.start, x.rid, 0, x.entry.Log + loggedIDs(x.headers)} // each logger needs its own
	if m.prints[p] != nil || slices.ContainsFunc(m.starts[k], func(h map[string]string) bool { return maps.Equal(Contexts(h), c) }) {
		m.count(x, "duplicate")
		return
	}
	m.prints[p] = &seen{}
	m.starts[k] = append(m.starts[k], x.headers)
	m.count(x, "taught")
}

// begin takes the start entry of an End.
func (m *model) begin(x *item) {
	k := x.startKey()
	q := m.starts[k]
	if len(q) == 0 || m.broken == "start entries" {
		return
	}
	x.begin, x.began = q[0], true
	if m.starts[k] = q[1:]; len(q) == 1 {
		delete(m.starts, k)
	}
}

// repeat tells whether the record was seen before (rule 2). A copy with trace context takes the place of a waiting one
// without; then its logger is known as the richer, and entries of the poorer one wait for their twins.
func (m *model) repeat(x *item) bool {
	e := x.entry
	k := printKey{x.node, e.Type, x.start, x.rid, e.Dur, ""}
	if e.Type == TypeUp {
		k.ids = loggedIDs(x.headers)
	}
	has := len(Contexts(x.headers)) > 0
	old := m.prints[k]
	if old == nil || m.broken == "duplicates" {
		m.prints[k] = &seen{e.Log, has, x, map[string]bool{e.Log: true}}
		return false
	}
	fresh := !old.logs[e.Log] // it has a start entry of its own
	old.logs[e.Log] = true
	if old.log != e.Log && old.context != has {
		poor := e.Log
		if has {
			poor = old.log
		}
		m.poorer[loggerKey{x.node, poor}] = true
	}
	if first := old.item; has && !old.context && !first.left {
		m.replace(first, x)
		old.log, old.context = e.Log, true
	} else if fresh {
		m.begin(x)
	}
	m.count(x, "duplicate")
	return true
}

// replace gives a waiting entry what its better copy knows: the copy is the one that goes on.
func (m *model) replace(first, x *item) {
	first.entry, first.headers, first.contexts, first.logger = x.entry, x.headers, nil, x.logger
	first.begin, first.began = nil, false // a logger without headers has start entries without headers: they prove nothing
	m.begin(first)
	if !first.poor {
		return
	}
	// It waited for this only.
	first.poor = false
	b := first.bucket()
	if i := slices.Index(m.waiting[b], first); i >= 0 {
		m.waiting[b] = slices.Delete(m.waiting[b], i, i+1)
		m.settle(first)
	}
}
