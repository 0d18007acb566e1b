package check

import (
	"slices"
	"strings"
	"time"

	"github.com/alspan/alspan/internal/correlation"
)

// claims: what a made span says of its place is what the entry proves.
func (j *judge) claims() {
	for _, o := range j.out {
		if o.how != correlation.OfEntry || o.below {
			continue
		}
		if p := j.pass(o); p != nil {
			j.claim(o, p)
		}
	}
}

func (j *judge) claim(o *out, p *correlation.Pass) {
	e := o.entry
	starts := j.starts[keyOfStart(e)]
	tag := e.Tags["sid"]
	c, logged := correlation.InFormat(e.Headers, p.Tracer)
	if len(correlation.Contexts(e.Headers)) == 0 {
		starts = nil // a logger without headers: it proves nothing
	}
	// An id that a span of Envoy's has taken before makes this one's parent.
	if taken := j.get(o.trace, o.parent); p.Own != "" && o.parent == p.Own && taken != nil && (tag == p.Own || p.Shared || taken.in != nil) && o.id != p.Own {
		return
	}
	if tag != "" && tag == p.Own && o.id != tag {
		j.fail(Parent, "the tag says %s: %v", tag, o)
	}
	proven := false
	switch {
	case !p.Known, p.Ambiguous && p.Tracer == correlation.B3: // which of two B3 contexts counts is not known
	case p.Tracer == "":
		proven = true // nobody injects, the logged id is the caller's
	case o.trace != p.Trace:
	case len(starts) > 0 && logged, logged && tag != "" && o.parent != "", logged && !e.Up:
		proven = true
	}
	if proven && o.parent != p.Caller && o.parent != p.Parent {
		j.fail(Parent, "the caller is %q: %v", p.Caller, o)
	}
	if !logged || !e.Up || p.Tracer == "" {
		return
	}
	other := func(x *correlation.Entry) bool {
		s, _ := correlation.InFormat(x.Headers, p.Tracer)
		return s.ID != c.ID
	}
	injected := len(starts) > 0 && !slices.ContainsFunc(starts, func(x *correlation.Entry) bool { return !other(x) })
	injected = injected || tag != "" && c.Trace == e.Tags["tid"]
	if j.ups[e.Node] && !j.hasAttempt(e, c.ID) { // the End leaves it to the attempt, which was lost
		return
	}
	if injected && j.get(c.Trace, c.ID) == nil {
		j.fail(Upstream, "%s is not there: %v", c.ID, o)
	}
}

// hasAttempt tells whether an attempt with that id was fed.
func (j *judge) hasAttempt(e *correlation.Entry, id string) bool {
	return slices.ContainsFunc(j.entries, func(a *correlation.Entry) bool {
		return a.Type == correlation.TypeUp && a.Node == e.Node && correlation.Masked(a.RequestID) == correlation.Masked(e.RequestID) && strings.Contains(a.Key().Logged, id)
	})
}

// lost: a logger that has joined has no SERVER made of a sampled entry: Envoy's span of it is lost, or went elsewhere.
func (j *judge) lost() {
	type logger struct{ node, log string }
	joined := map[logger]time.Duration{}
	for _, o := range j.out {
		if o.how != correlation.Joined || !o.in.Proxy || o.entry == nil {
			continue
		}
		k := logger{o.entry.Node, o.entry.Log}
		if at, ok := joined[k]; !ok || o.at < at {
			joined[k] = o.at
		}
	}
	for _, o := range j.out {
		if o.how != correlation.OfEntry || o.below {
			continue
		}
		e, p := o.entry, j.pass(o)
		at, ever := joined[logger{e.Node, e.Log}]
		if !ever || p == nil || !p.Exported || !correlation.IsUUID(e.RequestID) || !strings.Contains("9ab", e.RequestID[14:15]) {
			continue
		}
		c, ok := correlation.InFormat(e.Headers, p.Tracer)
		if o.at-at > j.slack && ok && c.Sampled != 0 {
			j.fail(Made, "%v", o)
		}
	}
}

// attempts: the CLIENT of an attempt is below the span of its request, where there is one.
func (j *judge) attempts() {
	sides := map[*correlation.Pass][]*out{}
	for _, o := range j.out {
		if p := j.pass(o); p != nil && o.side() {
			sides[p] = append(sides[p], o)
		}
	}
	for _, o := range j.out {
		if o.how != correlation.Attempt || o.parent == "" {
			continue
		}
		p := j.pass(o)
		inTrace := slices.DeleteFunc(slices.Clone(sides[p]), func(s *out) bool { return s.trace != o.trace })
		// Of a request that its caller sent twice with one id, both may be meant.
		above := j.get(o.trace, o.parent)
		fits := above != nil && above.side() && above.entry != nil && above.entry.Node == o.entry.Node && above.entry.Start <= o.entry.Start && o.entry.End() <= above.entry.End()
		if p != nil && len(inTrace) > 0 && !fits && !slices.ContainsFunc(inTrace, func(s *out) bool { return s.id == o.parent }) {
			j.fail(Attempts, "%v, its request is %v", o, inTrace)
		}
	}
}
