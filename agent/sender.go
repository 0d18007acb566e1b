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

// sentFrom takes the sender of a message.
func (s *inlet) sentFrom(from netip.Addr) {
	if from = from.Unmap(); s.sender.From != from {
		s.sender = s.senders.Sender(from)
	}
}

// sentBy finds the pod that has sent i.
func (s *inlet) sentBy(i *spanbuilder.Item, o *spanbuilder.Origin) {
	pod, by := s.sender.OfSpan(i, o, &s.look)
	i.Pod, i.By = pod, by
	s.tally.senders[by]++
}
