package agent

import (
	"github.com/alspan/alspan/internal/ledger"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/traces"
)

// spans begins the path of spans that come in. It only counts them, as long as there is nothing behind it.
func (p *Pipeline) spans() traces.Consumer {
	var s wire.Span
	return func(m *traces.Message) (o traces.Outcome) {
		for m.NextScope() {
			for read := m.NextSpan(&s); read != traces.End; read = m.NextSpan(&s) {
				p.Spans.In.Add(1)
				p.Spans.Dropped[ledger.SpanFull].Add(1)
				if read == traces.Broken {
					o.Rejected++
				}
			}
		}
		return o
	}
}
