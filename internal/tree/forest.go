package tree

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"
)

// node is a span in its place.
type node struct {
	span
	arrival  int
	parent   *node
	children []*node
	notes    []string // what is odd about the place
	placed   bool     // reached from a root
}

// forest puts spans below their parents and gives the roots. Every span is in it once, whatever the ids say: a parent
// that is not among the spans makes a root, a cycle is cut at its earliest span, and of several spans with one id the
// first has the children.
func forest(spans []span) []*node {
	nodes := make([]*node, len(spans))
	byID := make(map[string]*node, len(spans))
	for i, s := range spans {
		n := &node{span: s, arrival: i}
		nodes[i] = n
		if byID[string(s.SpanId)] == nil {
			byID[string(s.SpanId)] = n
		} else {
			n.notes = append(n.notes, "same id again")
		}
	}
	var roots []*node
	for _, n := range nodes {
		switch parent := byID[string(n.ParentSpanId)]; {
		case isZero(n.ParentSpanId):
			roots = append(roots, n)
		case parent == nil:
			n.notes = append(n.notes, "parent "+hex.EncodeToString(n.ParentSpanId)+" elsewhere")
			roots = append(roots, n)
		default:
			n.parent = parent
			parent.children = append(parent.children, n)
		}
	}
	for _, r := range roots {
		r.place()
	}
	for _, n := range nodes {
		if n.placed {
			continue
		}
		first := n.cycle()
		first.notes = append(first.notes, "parent "+hex.EncodeToString(first.ParentSpanId)+" in a cycle")
		first.parent.children = slices.DeleteFunc(first.parent.children, func(c *node) bool { return c == first })
		first.parent = nil
		first.place()
		roots = append(roots, first)
	}
	slices.SortFunc(roots, byStart)
	for _, n := range nodes {
		slices.SortFunc(n.children, byStart)
	}
	return roots
}

// place marks all that is reached from n.
func (n *node) place() {
	for todo := []*node{n}; len(todo) > 0; {
		last := todo[len(todo)-1]
		last.placed = true
		todo = append(todo[:len(todo)-1], last.children...)
	}
}

// cycle gives the earliest span of the cycle that lies above n, which is not reached from a root.
func (n *node) cycle() *node {
	above := map[*node]bool{}
	for !above[n] {
		above[n] = true
		n = n.parent
	}
	first := n
	for m := n.parent; m != n; m = m.parent {
		if byStart(m, first) < 0 {
			first = m
		}
	}
	return first
}

// byStart orders by time, those without one last, and then by arrival.
func byStart(a, b *node) int {
	return cmp.Or(cmp.Compare(a.begin(), b.begin()), cmp.Compare(a.arrival, b.arrival))
}

func (n *node) begin() uint64 {
	if n.StartTimeUnixNano == 0 {
		return math.MaxUint64
	}
	return n.StartTimeUnixNano
}

func isZero(id []byte) bool {
	return !slices.ContainsFunc(id, func(b byte) bool { return b != 0 })
}
