package sampler

import "github.com/alspan/alspan/internal/sampling"

// Follow gives the verdict of a span whose request was kept for that reason.
func (j *Judge) Follow(sub *Subject, why Reason, span []byte) (v Verdict) {
	j.facts.read(span)
	state, bad := sampling.ReadState(j.facts.traceState)
	r := state.Of((*[16]byte)(&sub.Trace))
	v = Verdict{Keep: true, Reason: why, had: state.HasThreshold, was: state.Threshold, bad: bad}
	t, forced, known := sampling.Always, false, !sub.Unsampled
	switch i, ok := j.s.index(why); {
	case !ok: // of a sampler before
		v.Reason, known = ByProbability, false
	case i >= firstRule:
		switch rule := &j.s.rules[i-firstRule]; rule.Action {
		case Keep:
			forced = true
		case Probability:
			t = rule.threshold
		default: // the rate is not known any more
			known = false
		}
	case why == ByProbability:
		t = j.s.base
	case why == ByNoContext:
		t = j.s.bare
	default:
		forced, known = true, false
	}
	if known {
		o := j.sample(sub, &state, t)
		v.th, v.known = o.Threshold, o.Known && o.Keep
	}
	if j.s.stress != nil && !forced && j.facts.status != statusError {
		v.limit(r, j.s.stress.Threshold())
	}
	if j.s.budget != nil { // it is there; whether there was room was decided before
		v.limit(r, j.s.budget.take(r, len(span), forced))
	}
	j.add(v, 1)
	return v
}

// limit takes a threshold into account by which the request was let through, unless it was another one then.
func (v *Verdict) limit(r uint64, t sampling.Threshold) {
	v.th = max(v.th, t)
	v.known = v.known && r >= uint64(t)
}

// Dropped counts a span whose request was dropped.
func (j *Judge) Dropped(why Reason) {
	if i, ok := j.s.index(why); ok {
		j.counts[i][0]++
	}
}
