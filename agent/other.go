package agent

import (
	"log/slog"
	"net/netip"

	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/traces"
)

// othersAbove is how much of the core's memory may be in use, in percent, when a request with metrics or logs is taken: an upstream
// that has no time for spans gets nothing else.
const othersAbove = 75

// other takes a request with metrics or logs, the body of which is borrowed. It goes on to the upstream byte for byte, but for what
// the pods add that its Resources are of.
func (p *Pipeline) other(signal ledger.Signal, body []byte, from netip.Addr) traces.Outcome {
	r := p.relay
	if r.drops() {
		r.drop(signal, len(body), slog.String("from", from.String()))
		return traces.Outcome{}
	}
	room := len(body) + wholeOverhead
	switch {
	case room > r.largest():
		return traces.Outcome{TooLarge: true}
	case p.core.Percent() > othersAbove || !r.hold(signal, room):
		return r.refuse(signal)
	}
	sender := p.settings.Load().senders.Sender(from)
	request, own := sender.Describe(body)
	w := whole{body: request, received: len(body)}
	if !own || w.held() > r.largest() {
		w.body = append(make([]byte, 0, len(body)), body...) // no larger than what is set aside
	}
	if !r.hold(signal, w.held()-room) {
		r.release(signal, room)
		return r.refuse(signal)
	}
	r.put(signal, w)
	return traces.Outcome{}
}
