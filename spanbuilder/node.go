package spanbuilder

import (
	"sync/atomic"

	"github.com/alspan/alspan/internal/propagation"
)

// Node is what has been learned about one Envoy. It is shared by all who handle its entries and spans.
type Node struct {
	hash     uint64       // of its id
	tracer   atomic.Int32 // format of its tracer plus one, by what it exported
	proven   atomic.Int32 // the same, by what its entries have proven
	spans    atomic.Bool  // it has exported a span of a downstream request
	attempts atomic.Bool  // it logs each attempt
	alone    atomic.Int32 // spans in a row that met no entry
	forms

	service atomic.Pointer[string] // the name under which its tracer exports
	cluster atomic.Pointer[string] // what it says of itself in its access logs
}

// names learns under which name the node exports. One that OpenTelemetry puts where there is none is none.
func (n *Node) names(o *Origin) {
	if o.unknown {
		return
	}
	if old := n.service.Load(); old == nil || *old != o.name {
		name := o.name // a node may be remembered for longer than the origin, which may be large
		n.service.Store(&name)
	}
}

// Unnamed gives the node that the span i is of if that exports under no name of its own, nil for all others. With l the span was
// joined with what l has logged: that of an attempt does not say of which node it is.
func (s *Nodes) Unnamed(i *Item, l *Logger) *Node {
	switch {
	case !i.Origin.unknown:
		return nil
	case l != nil:
		return l.node
	case i.Node == 0:
		return nil
	}
	return s.find(i.Node)
}

// exported learns from a span of the node, which came from a tracer of that format.
func (n *Node) exported(f propagation.Format) {
	if !n.spans.Load() {
		n.spans.Store(true)
	}
	if n.tracer.Load() != int32(f)+1 {
		n.tracer.Store(int32(f) + 1)
	}
}

// met learns that an entry and a span of the node have met.
func (n *Node) met() {
	if n.alone.Load() != 0 {
		n.alone.Store(0)
	}
}

// mostAlone is how many spans of a node may wait in a row without meeting an entry: then its entries go elsewhere.
const mostAlone = 64

// Nodes are the Envoys, by the hash of their id.
type Nodes struct{ known cache[uint64, *Node] }

// maxNodes bounds the Envoys that are remembered.
const maxNodes = 8192

// NewNodes makes an empty set.
func NewNodes() *Nodes { return &Nodes{newCache[uint64, *Node](maxNodes)} }

// Of gives the node that the span i is of, and learns that it exports spans. It gives nil if i does not say.
func (s *Nodes) Of(i *Item) *Node {
	if i.Node == 0 {
		return nil
	}
	n := s.find(i.Node)
	n.exported(i.Tracer)
	n.names(i.Origin)
	return n
}

// find gives the node with that hash.
func (s *Nodes) find(hash uint64) *Node {
	return s.known.find(hash, func() *Node { return &Node{hash: hash} })
}
