package zipkin

import (
	"bytes"
	"encoding/binary"

	"github.com/alspan/alspan/internal/wire"
)

// groups holds encoded spans by their Resource and, within that, by their scope. The members of each are linked by indexes,
// none means the end, so that a body of as many services as spans costs no more than one of a single service.
type groups struct {
	writer    // its dst has the encoded spans, Resources and scopes
	resources []resource
	scopes    []scope
	spans     []encoded

	index     map[string]int32 // of resources by their bytes, and of scopes by their resource and bytes
	key       []byte
	last      int32 // the resource of the span before, and its scope
	lastScope int32
}

const none = -1

// part is a part of groups.bytes.
type part struct{ from, to int }

type resource struct {
	head        part
	size        int // of the ResourceSpans
	first, last int32
}

type scope struct {
	head        part
	size        int // of the ScopeSpans
	first, last int32
	next        int32
}

type encoded struct {
	at   part
	next int32
	mark Mark
}

func (g *groups) reset() {
	g.dst, g.repaired = g.dst[:0], 0
	g.resources, g.scopes, g.spans = g.resources[:0], g.scopes[:0], g.spans[:0]
	g.last, g.lastScope = none, none
	if g.index == nil {
		g.index = map[string]int32{}
	}
	clear(g.index)
}

// forget lets the body go, and what a large one needed.
func (g *groups) forget() {
	m := &g.meaning
	clear(m.resource[:cap(m.resource)])
	*m = meaning{state: m.state, resource: m.resource}
	if cap(g.dst) > keepRoom || cap(g.spans) > keepRoom/32 {
		*g = groups{}
	}
}

// add encodes s, which is settled, and puts it to its like.
func (g *groups) add(s *span) {
	m := &g.meaning
	m.read(s)
	from := len(g.dst)
	for _, t := range m.resource {
		g.tag(resourceAttributes, t, !m.isEnvoy)
	}
	r := g.resourceOf(part{from, len(g.dst)})
	from = len(g.dst)
	if len(m.scope) > 0 {
		g.string(scopeNameField, m.scope)
	}
	if len(m.version) > 0 {
		g.string(scopeVersionField, m.version)
	}
	group := &g.scopes[g.scopeOf(r, part{from, len(g.dst)})]
	from = len(g.dst)
	g.span(s, m)
	i := int32(len(g.spans))
	g.spans = append(g.spans, encoded{at: part{from, len(g.dst)}, next: none, mark: s.mark()})
	if group.first == none {
		group.first = i
	} else {
		g.spans[group.last].next = i
	}
	group.last = i
}

func (g *groups) of(p part) []byte { return g.dst[p.from:p.to] }

// resourceOf gives the resource whose bytes are the last ones, at head. They stay there if it is a new one.
func (g *groups) resourceOf(head part) int32 {
	if g.last != none && bytes.Equal(g.of(g.resources[g.last].head), g.of(head)) {
		g.dst = g.dst[:head.from]
		return g.last
	}
	g.key = append(append(g.key[:0], 'r'), g.of(head)...)
	i, known := g.index[string(g.key)]
	if known {
		g.dst = g.dst[:head.from]
	} else {
		i = int32(len(g.resources))
		g.resources = append(g.resources, resource{head: head, first: none})
		g.index[string(g.key)] = i
	}
	g.last, g.lastScope = i, none
	return i
}

// scopeOf is the same for the scopes of the resource r.
func (g *groups) scopeOf(r int32, head part) int32 {
	if g.lastScope != none && bytes.Equal(g.of(g.scopes[g.lastScope].head), g.of(head)) {
		g.dst = g.dst[:head.from]
		return g.lastScope
	}
	g.key = binary.LittleEndian.AppendUint32(append(g.key[:0], 's'), uint32(r))
	g.key = append(g.key, g.of(head)...)
	i, known := g.index[string(g.key)]
	if known {
		g.dst = g.dst[:head.from]
	} else {
		i = int32(len(g.scopes))
		g.scopes = append(g.scopes, scope{head: head, first: none, next: none})
		g.index[string(g.key)] = i
		if owner := &g.resources[r]; owner.first == none {
			owner.first, owner.last = i, i
		} else {
			g.scopes[owner.last].next = i
			owner.last = i
		}
	}
	g.lastScope = i
	return i
}

// appendRequest appends the whole request to dst, and the marks of its spans to marks.
func (g *groups) appendRequest(dst []byte, marks []Mark) ([]byte, []Mark) {
	size := 0
	for i := range g.resources {
		r := &g.resources[i]
		r.size = sizeOf(r.head.to - r.head.from)
		for c := r.first; c != none; c = g.scopes[c].next {
			r.size += sizeOf(g.measure(&g.scopes[c]))
		}
		size += sizeOf(r.size)
	}
	if cap(dst) < size {
		dst = make([]byte, 0, size)
	}
	w := writer{dst: dst}
	for i := range g.resources {
		r := &g.resources[i]
		w.begin(requestResourceSpans, r.size)
		w.dst = wire.AppendBytes(w.dst, resourceResource, g.of(r.head))
		for c := r.first; c != none; c = g.scopes[c].next {
			s := &g.scopes[c]
			w.begin(resourceScopeSpans, s.size)
			if s.head.to > s.head.from {
				w.dst = wire.AppendBytes(w.dst, scopeScope, g.of(s.head))
			}
			for e := s.first; e != none; e = g.spans[e].next {
				w.dst = wire.AppendBytes(w.dst, scopeSpans, g.of(g.spans[e].at))
				marks = append(marks, g.spans[e].mark)
			}
		}
	}
	return w.dst, marks
}

// measure finds the size of the ScopeSpans.
func (g *groups) measure(s *scope) int {
	if s.size = 0; s.head.to > s.head.from {
		s.size = sizeOf(s.head.to - s.head.from)
	}
	for e := s.first; e != none; e = g.spans[e].next {
		at := g.spans[e].at
		s.size += sizeOf(at.to - at.from)
	}
	return s.size
}
