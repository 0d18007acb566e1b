package agent

import (
	"net/netip"

	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// sentBy finds the pod that has logged e.
func (s *source) sentBy(e *wire.Entry) {
	pod, by := s.sender.OfEntry(e, s.logger)
	s.identity.Pod = pod
	s.tally.senders[by]++
}

// sentFrom makes s the sender of a message that came from that address.
func (w *writer) sentFrom(s *spanbuilder.Sender, from netip.Addr) {
	if from = from.Unmap(); s.From != from {
		*s = w.senders.Sender(from)
	}
}

// sentBy finds the pod that has sent i.
func (s *inlet) sentBy(i *spanbuilder.Item, o *spanbuilder.Origin) {
	pod, by := s.sender.OfSpan(i, o, &s.look)
	i.Pod, i.By = pod, by
	s.tally.senders[by]++
}
