package sampling

// Mode is how a stage samples after others.
type Mode uint8

const (
	// Equalizing keeps the traces of the configured probability, whatever part of them is left: all come to have the same.
	Equalizing Mode = iota
	// Proportional keeps the configured share of the traces that are left.
	Proportional
)

// Outcome is what Sample decides.
type Outcome struct {
	Keep      bool
	Known     bool      // the probability of the span is known, and Threshold stands for it
	Threshold Threshold // with which the span goes on
	Erase     bool      // the th that the span came with must go: the trace would have been dropped by it
}

// Sample decides about a span whose tracestate says s and whose trace has the randomness r. t is what is configured: for
// Equalizing the threshold, for Proportional that of the probability by which the incoming one is multiplied (see
// Exactly). upstream is the threshold that stands for spans without th, if known.
//
// A th, or an upstream, by which the trace would have been dropped is not believed: then, as with no th and no upstream, t
// alone decides, and the span's probability is not known.
func (m Mode) Sample(s *State, r uint64, t, upstream Threshold, known bool) (o Outcome) {
	before := upstream
	if s.HasThreshold {
		before, known = s.Threshold, true
	}
	if known && r < uint64(before) {
		known, o.Erase = false, s.HasThreshold
	}
	if o.Known = known; !known {
		before = Always
	}
	if m == Proportional {
		o.Threshold = before.times(t)
	} else {
		o.Threshold = max(before, t)
	}
	o.Keep = r >= uint64(o.Threshold)
	return o
}

// Changes tells whether the tracestate of a span that is kept, and said s, has to be written anew: by AppendTraceState with
// o.Threshold and o.Known. So has one of which ReadState said that it is bad.
func (o *Outcome) Changes(s *State) bool {
	return o.Erase || o.Known && o.Threshold != Always && (!s.HasThreshold || s.Threshold != o.Threshold)
}
