package spanbuilder

import (
	"testing"

	"github.com/alspan/alspan/internal/wire"
)

// What an entry's headers prove, for an entry with a traceparent and one without any context.
func BenchmarkClaim(b *testing.B) {
	headers := []string{":method: GET", "content-type: application/json", "user-agent: okhttp/4.12.0", "x-forwarded-for: 10.0.0.1", "accept-encoding: gzip", "host"}
	for name, lines := range map[string][]string{"traceparent": append([]string{tp(traceA, idA), "tracestate: "}, headers...), "nothing": headers} {
		b.Run(name, func(b *testing.B) {
			i, l, e := New(options()).Identity(), testLogger(0), testEntry(wire.DownstreamEnd, lines...)
			var c Claim
			b.ReportAllocs()
			for b.Loop() {
				i.Claim(e, l, &c)
			}
		})
	}
}
