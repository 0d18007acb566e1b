package sampler

import (
	"bytes"
	"strconv"
	"time"

	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

// Subject is a span that is to be judged, as far as its bytes do not say it.
type Subject struct {
	Trace propagation.TraceID
	// Contextless: it is of a request without any trace context. All: every such request is known here, so that nothing was sampled
	// before. Unsampled: the tracer did not sample it, but it has failed. Debug: B3 says that it has to be kept.
	Contextless, All, Unsampled, Debug bool
	Priority                           int8 // of the attribute sampling.priority: above 0 keeps, below 0 drops
}

// Verdict is what becomes of a span.
type Verdict struct {
	Keep   bool
	Reason Reason

	th    sampling.Threshold
	known bool // the probability of being kept is that of th
	had   bool // it came with a th: was
	was   sampling.Threshold
	bad   bool // its tracestate has something that cannot be read
}

// Judge is how one goroutine asks a Sampler.
type Judge struct {
	s       *Sampler
	chooser *filter.Chooser
	facts   facts
	key     []byte
	room    []byte
	counts  [][2]int64 // by reason: dropped, kept
}

// Judge makes one; nil for a nil Sampler.
func (s *Sampler) Judge() *Judge {
	if s == nil {
		return nil
	}
	return &Judge{s: s, chooser: s.selector.Chooser(), counts: make([][2]int64, len(s.reasons))}
}

// Early tells whether a span of the subject is dropped whatever else it says: its trace is, and no rule may keep it. traceState is
// that of the span, unchecked.
func (j *Judge) Early(sub *Subject, traceState []byte) (why Reason, dropped bool) {
	if len(j.s.rules) > 0 || sub.Debug || sub.Priority != 0 || sub.Unsampled {
		return 0, false
	}
	t, why := j.usual(sub)
	if t == sampling.Always {
		return 0, false
	}
	state, _ := sampling.ReadState(traceState)
	if j.sample(sub, &state, t).Keep {
		return 0, false
	}
	j.counts[why][0]++
	return why, true
}

var otMember = []byte("ot=")

// HasHints tells whether a tracestate may say more about sampling than the trace id.
func HasHints(traceState []byte) bool { return bytes.Contains(traceState, otMember) }

// usual gives the threshold where no rule decides.
func (j *Judge) usual(sub *Subject) (sampling.Threshold, Reason) {
	if sub.Contextless {
		return j.s.bare, ByNoContext
	}
	return j.s.base, ByProbability
}

func (j *Judge) sample(sub *Subject, state *sampling.State, t sampling.Threshold) sampling.Outcome {
	upstream, known := j.s.upstream, j.s.known
	if sub.All { // but for those that come with a th
		upstream, known = sampling.Always, true
	}
	return j.s.o.Mode.Sample(state, state.Of((*[16]byte)(&sub.Trace)), t, upstream, known)
}

// Judge says what becomes of an encoded Span; the arguments are as those of filter's Evaluator.Look.
func (j *Judge) Judge(sub *Subject, span, head, scope []byte, made bool) (v Verdict) {
	j.facts.read(span)
	state, bad := sampling.ReadState(j.facts.traceState)
	r := state.Of((*[16]byte)(&sub.Trace))
	v.Keep, v.had, v.was, v.bad = true, state.HasThreshold, state.Threshold, bad
	t, forced := sampling.Always, true
	switch {
	case sub.Debug:
		v.Reason = ByDebug
	case sub.Priority > 0:
		v.Reason = ByPriority
	case sub.Priority < 0:
		v.Keep, v.Reason = false, ByPriority
	default:
		t, forced, v.Reason = j.rule(sub, span, head, scope, made)
		v.Keep = t != sampling.Never
	}
	if v.Keep && v.Reason != ByDebug && v.Reason != ByPriority { // who forces a span may have forced it before, so th says nothing
		o := j.sample(sub, &state, t)
		v.Keep, v.th, v.known = o.Keep, o.Threshold, o.Known && !sub.Unsampled // what sampled before has not kept it
		if !forced {
			j.relieve(&v, r)
		}
	}
	if v.Keep && j.s.budget != nil {
		if limit := j.s.budget.take(r, len(span), forced); r < uint64(limit) {
			v.Keep, v.Reason = false, ByBudget
		} else {
			v.th = max(v.th, limit)
		}
	}
	j.count(v)
	return v
}

// Foresee is Judge for a span of which Follow or Dropped will be told later: it is counted then.
func (j *Judge) Foresee(sub *Subject, span, head, scope []byte, made bool) Verdict {
	v := j.Judge(sub, span, head, scope, made)
	if v.Keep {
		j.counts[v.Reason][1]--
	} else {
		j.counts[v.Reason][0]--
	}
	return v
}

// relieve drops what there is no memory for; what failed goes last.
func (j *Judge) relieve(v *Verdict, r uint64) {
	if j.s.stress == nil || !v.Keep || j.facts.status == statusError {
		return
	}
	limit := j.s.stress.Threshold()
	if v.th = max(v.th, limit); r < uint64(limit) {
		v.Keep, v.Reason = false, ByStress
	}
}

// rule gives what the first rule that matches says, or what holds without one; forced is what is kept whatever its trace id is.
func (j *Judge) rule(sub *Subject, span, head, scope []byte, made bool) (t sampling.Threshold, forced bool, why Reason) {
	seen := false
	for i := range j.s.rules {
		r := &j.s.rules[i]
		if r.Error && j.facts.status != statusError || r.SlowerThan > 0 && j.facts.duration() <= r.SlowerThan {
			continue
		}
		if !seen && (r.list >= 0 || len(r.keys) > 0) { // most spans are looked at no further
			j.chooser.See(span, head, scope, made)
			seen = true
		}
		if r.list >= 0 && !j.chooser.Holds(r.list) {
			continue
		}
		why = j.s.first + Reason(i)
		switch r.Action {
		case Keep:
			return sampling.Always, true, why
		case Drop:
			return sampling.Never, false, why
		case Dynamic:
			return j.s.threshold(1 / j.rate(r)), false, why
		}
		return r.threshold, false, why
	}
	if sub.Unsampled {
		return sampling.Always, true, ByErrorsAlways
	}
	t, why = j.usual(sub)
	return t, false, why
}

// rate gives of how many spans like this one is kept.
func (j *Judge) rate(r *rule) float64 {
	j.key = j.appendKey(j.key[:0], r)
	return r.dynamic.rate(j.key, time.Now())
}

// appendKey appends the values by which a rule tells spans apart, each with its length: they may have any bytes in them.
func (j *Judge) appendKey(dst []byte, r *rule) []byte {
	for _, k := range r.keys {
		before := len(dst)
		dst = append(j.chooser.AppendKey(dst, k), 0)
		dst = append(strconv.AppendInt(dst, int64(len(dst)-before), 10), 0)
	}
	return dst
}

func (j *Judge) count(v Verdict) {
	i, _ := j.s.index(v.Reason)
	if v.Keep {
		j.counts[i][1]++
	} else {
		j.counts[i][0]++
	}
}

// Flush makes visible what was counted.
func (j *Judge) Flush() {
	if j == nil {
		return
	}
	for r := range j.counts {
		if n := &j.counts[r]; n[0]|n[1] != 0 {
			j.s.reasons[r].dropped.Add(n[0])
			j.s.reasons[r].kept.Add(n[1])
			*n = [2]int64{}
		}
	}
}

// Note appends to a Span that is kept what was decided: fields of which the last one counts.
func (j *Judge) Note(span []byte, v Verdict) []byte {
	if write, stays := j.s.o.WriteTH && v.known && v.th != sampling.Always, v.had && v.known && v.th == v.was; !stays && (write || v.had) || v.bad {
		j.facts.read(span)
		j.room = sampling.AppendTraceState(j.room[:0], j.facts.traceState, v.th, write)
		span = wire.AppendBytes(span, spanTraceState, j.room)
	}
	if j.s.o.WriteReason {
		i, _ := j.s.index(v.Reason)
		span = append(span, j.s.attribute[i]...)
	}
	return span
}
