// Package sampling takes the id of a trace, the tracestate of a span and a configured threshold, and gives the decision of
// OpenTelemetry's consistent probability sampling: whether the span is kept, and the tracestate with which it goes on.
//
// All who know the id of a trace, and its rv if it has one, come to the same randomness; so whoever keeps fewer traces keeps
// some of those that the others keep. Sources: OpenTelemetry's TraceState handling and probability sampling, W3C Trace Context.
package sampling

import (
	"math"
	"math/bits"
)

// Threshold is T of consistent probability sampling: a trace whose randomness is not below it is kept. It has 56 bits.
type Threshold uint64

// Always keeps everything. Never keeps nothing; it has no encoding.
const (
	Always Threshold = 0
	Never  Threshold = 1 << 56
)

const (
	digits    = 14 // hexadecimal ones of a threshold
	precision = 4  // so many of them say something by default

	hexDigits = "0123456789abcdef"
)

// FromProbability gives the threshold of p, rounded as a collector does by default: to four digits behind those that are all f
// or all 0. From 1 on p is Always; below 2^-56, which is the least that can be said, it is Never.
func FromProbability(p float64) Threshold { return Exactly(p).rounded() }

func (t Threshold) rounded() Threshold {
	if t == Always || t == Never {
		return t
	}
	behind := min(bits.Len64(uint64(t)), bits.Len64(uint64(Never-t))) // so many bits are, and say something
	if cut := 4 * (digits - precision - (4*digits-behind)/4); cut > 0 {
		t = (t + 1<<(cut-1)) >> cut << cut
	}
	return t
}

// Exactly is FromProbability with all 56 bits. Proportional wants its threshold so, because what it multiplies is rounded afterwards.
func Exactly(p float64) Threshold {
	switch {
	case p >= 1:
		return Always
	case p >= 1.0/(1<<56):
		return Never - Threshold(math.Round(p*(1<<56)))
	}
	return Never // nor is NaN a probability
}

// Probability gives the share of traces that t keeps.
func (t Threshold) Probability() float64 { return float64(Never-t) / (1 << 56) }

// times gives the threshold of what is left of traces that were kept by t if p keeps of these. It is never below t.
func (t Threshold) times(p Threshold) Threshold {
	switch Always {
	case p:
		return t
	case t:
		return p.rounded()
	}
	return max(t, FromProbability(t.Probability()*p.Probability()))
}

// AppendText appends the value of th: lower hex digits without trailing zeros, "0" for Always, nothing for Never.
func (t Threshold) AppendText(dst []byte) []byte {
	if t == Always {
		return append(dst, '0')
	}
	for rest := uint64(t) << 8; rest != 0; rest <<= 4 {
		dst = append(dst, hexDigits[rest>>60])
	}
	return dst
}
