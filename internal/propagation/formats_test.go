package propagation

import "testing"

// A formatTest is what headers, given as key, value, key, value, say in a format. The ids are in hex; an empty span is none.
type formatTest struct {
	name                string
	headers             []string
	reason              Reason
	trace, span, parent string
	decision            Decision
}

func runFormat(t *testing.T, f Format, tests []formatTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, want := newSet(tt.headers...), Context{}
			if tt.reason == Valid {
				want = Context{Trace: traceID(t, tt.trace), Span: spanID(t, tt.span), Parent: spanID(t, tt.parent), Decision: tt.decision}
				if tt.decision >= Sampled {
					want.Flags = FlagSampled
				}
			}
			check(t, s, f, tt.reason, want)
			checkDecision(t, s, f, tt.reason, tt.decision)
			s.Finish() // once more changes nothing
			check(t, s, f, tt.reason, want)
			if tt.reason.Invalid() && !f.Gives(tt.reason) {
				t.Errorf("%s does not list the fault %s", f, tt.reason)
			}
		})
	}
}

// ids are those of the propagators of opentelemetry-go-contrib.
const (
	contribTrace = "a1ce929d0e0e4736a3ce929d0e0e4736"
	contribShort = "a3ce929d0e0e4736"
	contribSpan  = "00f067aa0ba902b7"
)
