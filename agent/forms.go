package agent

import (
	"net/netip"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/recent"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// source makes the path of access logs that come in that form, from that address if that is known.
func (p *Pipeline) source(from netip.Addr, form spanbuilder.Form) *source {
	s := &source{writer: p.writer(), form: form}
	s.sender, s.identity = s.senders.Sender(from), s.builder.Identity()
	// A sender that never says who it is still has its requests.
	s.logger = p.loggers.Of(spanbuilder.Who{Node: &wire.Node{}, From: from, Form: form})
	return s
}

// heard learns who has logged the message m.
func (s *source) heard(m *accesslog.Message) {
	if id, ok := m.Identifier(); ok {
		s.logger = s.p.loggers.Of(spanbuilder.Who{Node: &id.Node, LogName: id.LogName, From: s.sender.From, Form: s.form, Namespace: id.Namespace, Pod: id.Pod})
	}
}

// toldElsewhere is repeated for reports of the same request in other forms: a log file, OTLP log records, ALS.
func (s *source) toldElsewhere(i *item, context bool) (replaces, repeated bool) {
	l := s.logger
	if i.keys.Twin == 0 {
		return false, false
	}
	if l.Before(&i.entry, s.p.began.UnixNano()) {
		return false, true // and not remembered: the one that tells it may come yet
	}
	other, had := s.p.prints.Twin(i.keys.Twin, s.p.loggers, l, context, recent.Ticks(s.now))
	switch {
	case other == nil:
		return false, false
	case spanbuilder.Better(l, context, other, had):
		other.Lesser()
		return true, true
	}
	l.Lesser()
	return false, true
}
