package spanbuilder

import (
	"testing"

	"github.com/alspan/alspan/internal/wire"
)

// What it costs to find out what an entry proves: one with a traceparent, one without any context, one with all that there could be.
func BenchmarkClaim(b *testing.B) {
	headers := []string{":method: GET", "content-type: application/json", "user-agent: okhttp/4.12.0", "x-forwarded-for: 10.0.0.1", "accept-encoding: gzip", "host"}
	every := append([]string{tp(traceA, idA)}, headers...)
	for _, lines := range others {
		every = append(every, lines...)
	}
	for name, lines := range map[string][]string{"traceparent": append([]string{tp(traceA, idA), "tracestate: "}, headers...), "nothing": headers, "every-format": every} {
		b.Run(name, func(b *testing.B) {
			i, l, e := New(allFormats()).Identity(), testLogger(0), testEntry(wire.DownstreamEnd, lines...)
			var c Claim
			b.ReportAllocs()
			for b.Loop() {
				i.Claim(e, l, &c)
			}
		})
	}
}
