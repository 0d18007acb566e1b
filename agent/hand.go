package agent

import (
	"slices"

	"github.com/alspan/alspan/spanbuilder"
	"github.com/alspan/alspan/traces"
)

// hand is how one goroutine gives items to the join: all of a message at once.
type hand struct {
	now    int64 // when the message came, by the join's clock
	parcel *parcel
}

// keep copies an item's bytes for the join, false when there is no room for them.
func (h *hand) keep(p *Pipeline, i *spanbuilder.Item, bytes []byte) bool {
	cell, ref, ok := p.cells.Alloc(len(bytes))
	if !ok {
		p.noRoom.Add(1)
		return false
	}
	copy(cell, bytes)
	i.Bytes, i.Cell = cell, ref
	if h.parcel == nil {
		h.parcel = p.inbox.open()
	}
	h.parcel.items = append(h.parcel.items, *i)
	return true
}

// leave tells the join of a span that goes at once, for want of room.
func (h *hand) leave(p *Pipeline, i *spanbuilder.Item) {
	if h.parcel == nil {
		h.parcel = p.inbox.open()
	}
	h.parcel.left = append(h.parcel.left, *i)
}

// give hands the parcel over.
func (h *hand) give(p *Pipeline) {
	if h.parcel != nil {
		p.inbox.put(h.parcel)
		h.parcel = nil
	}
}

// end hands over what was written, what waits, and what was counted.
func (s *source) end() {
	s.give(s.p)
	s.flush()
}

// nodeOf gives the Envoy that i is of, nil if it does not say.
func (s *inlet) nodeOf(i *spanbuilder.Item) *spanbuilder.Node {
	if s.node == nil || i.Node != s.nodeHash {
		s.node, s.nodeHash = s.p.nodes.Of(i), i.Node
	}
	i.Of(s.node)
	return s.node
}

// shares learns whether there is anybody who shares span ids: the join tells such spans apart.
func (p *Pipeline) shares(marks []traces.Mark) {
	if !p.sharing.Load() && slices.ContainsFunc(marks, func(m traces.Mark) bool { return m&traces.Shared != 0 }) {
		p.sharing.Store(true)
	}
}
