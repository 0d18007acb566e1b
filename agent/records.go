package agent

import (
	"net/netip"

	"github.com/alspan/alspan/accesslog"
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/spanbuilder"
	"github.com/alspan/alspan/traces"
)

// recordInlet is one request that brings log records, and the storage that is reused from request to request.
type recordInlet struct {
	*source
	records *accesslog.Records
}

// records begins the path of OTLP log records: those that are an access log are entries like all others.
func (p *Pipeline) records(f *accesslog.Fields) {
	p.recordInlets.New = func() any {
		return &recordInlet{p.source(netip.Addr{}, spanbuilder.FromRecords), accesslog.NewRecords(f)}
	}
}

// logs takes a request with log records, the body of which is borrowed. What is no access log goes on to the upstream, and what is becomes
// spans; if the first cannot be, the second does not, since the sender sends both again.
func (p *Pipeline) logs(body []byte, from netip.Addr) traces.Outcome {
	in := p.recordInlets.Get().(*recordInlet)
	defer p.recordInlets.Put(in)
	rest := in.records.Split(body)
	if len(rest) == len(body) {
		return p.other(ledger.Logs, body, from)
	}
	if p.full() {
		return traces.Outcome{Full: true}
	}
	if len(rest) > 0 {
		if o := p.other(ledger.Logs, rest, from); o != (traces.Outcome{}) {
			return o
		}
	}
	in.sentFrom(&in.sender, from)
	in.records.Entries(in.accept)
	return traces.Outcome{}
}

// others takes requests with other signals than spans.
func (p *Pipeline) others(signal ledger.Signal, body []byte, from netip.Addr) traces.Outcome {
	if signal == ledger.Logs && p.recordInlets.New != nil {
		return p.logs(body, from)
	}
	return p.other(signal, body, from)
}

// ignored tells which signals are not looked at.
func (p *Pipeline) ignored() (of [ledger.NumSignals]bool) {
	of[ledger.Metrics] = p.relay.drops()
	of[ledger.Logs] = p.relay.drops() && p.recordInlets.New == nil
	return of
}
