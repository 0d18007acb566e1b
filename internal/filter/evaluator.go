package filter

import (
	"errors"
	"slices"

	"github.com/alspan/alspan/internal/wire"
)

// Evaluator is how one goroutine asks a filter.
type Evaluator struct {
	f     *Filter
	view  View
	known map[resourceKey]*resource
	size  int // bytes of known
	last  resourceKey
	by    *Rule  // the last that has decided
	out   []byte // the span with fewer events
	fewer bool
}

// resourceKey tells resources apart: their bytes never change.
type resourceKey struct{ head, scope *byte }

// So many resources, and bytes of them, are remembered by one goroutine; beyond that it begins anew. A large one is not: it is made
// anew each time it comes, so it would not be found again.
const (
	mostResources = 1024
	mostKnown     = 1 << 20
	largeResource = 32 << 10
)

// Evaluator makes one; nil for a filter that does nothing.
func (f *Filter) Evaluator() *Evaluator {
	if f.Empty() {
		return nil
	}
	return f.evaluator()
}

func (f *Filter) evaluator() *Evaluator {
	e := &Evaluator{f: f, known: map[resourceKey]*resource{}}
	e.view.filter, e.view.program, e.view.values = f, f.program, make([]value, len(f.program.span.names))
	return e
}

// Look says what becomes of an encoded Span. head and scope are the fields of its ResourceSpans and ScopeSpans but for spans, and
// must not change later; made tells that an access-log entry has a part in the span, so that its attributes are known by other
// names, too. It keeps the span until the next call.
func (e *Evaluator) Look(span, head, scope []byte, made bool) Verdict {
	if cap(e.out) > keepRoom {
		e.out = nil
	}
	verdict := e.look(span, head, scope, made)
	e.view.whole = nil // many times as large as the span, and the next one may be long in coming
	return verdict
}

// keepRoom is how large the room for a span may be that is kept from one to the next.
const keepRoom = 64 << 10

func (e *Evaluator) look(span, head, scope []byte, made bool) Verdict {
	v, r := &e.view, e.see(span, head, scope, made)
	e.fewer = false
	if r.verdict != Keep {
		return e.below(span, made)
	}
	v.read(span, &e.f.program.span, made)
	if e.f.traces.Has(v.traceID) {
		return DropAll
	}
	if verdict := e.rules(len(e.f.rules)); verdict != Keep {
		return verdict
	}
	if len(e.f.events) > 0 && hasEvents(span) {
		return e.dropEvents()
	}
	return Keep
}

// see makes the view look at a span.
func (e *Evaluator) see(span, head, scope []byte, made bool) *resource {
	v, r := &e.view, e.resource(head, scope)
	v.span, v.made, v.resource, v.room, v.given = span, made, r, v.room[:0], 0
	return r
}

// rules lets the first n rules say what becomes of the span at which the view looks.
func (e *Evaluator) rules(n int) Verdict {
	for i, rule := range e.f.rules[:n] {
		if g := e.f.gates[i]; g != 0 && uint64(g)&e.view.there == 0 {
			continue
		}
		if rule.quick != nil && rule.quick.eval(&e.view) == no { // as nearly always
			continue
		}
		if verdict := e.ask(rule); verdict != Keep {
			return verdict
		}
	}
	return Keep
}

// below says what becomes of a span whose resource is dropped: it is, and its trace, too, where a rule that drops traces matches.
func (e *Evaluator) below(span []byte, made bool) Verdict {
	v, r := &e.view, e.view.resource
	if e.f.traceRules > 0 || r.verdict == DropAll {
		v.read(span, &e.f.program.span, made)
	}
	if r.verdict == Drop {
		if verdict := e.rules(e.f.traceRules); verdict == DropAll {
			return verdict
		}
	}
	e.by = r.rule
	r.rule.count(r.verdict)
	if r.verdict == DropAll {
		e.f.traces.Add(v.traceID)
	}
	return r.verdict
}

// ask lets one rule say what becomes of the span at which the view looks.
func (e *Evaluator) ask(r *Rule) Verdict {
	is, err := e.matches(r)
	switch {
	case err != nil && e.f.failed(r, err):
		e.by = r
		return Failed
	case err != nil || !is:
		return Keep
	}
	e.by = r
	r.Hits.Add(1)
	if r.DropTrace {
		e.f.traces.Add(e.view.traceID)
		return DropAll
	}
	return Drop
}

// matches works a rule out, in the quickest way that can say.
func (e *Evaluator) matches(r *Rule) (bool, error) {
	v := &e.view
	if r.quick != nil {
		if a := r.quick.eval(v); a != unsure {
			return a == yes, nil
		}
	}
	if r.lazy != nil {
		v.asking = r
		is, err := r.lazy(v)
		if !errors.Is(err, errDecode) {
			return is, err
		}
	}
	return r.all.span(v)
}

func (r *Rule) count(v Verdict) {
	if v == Drop || v == DropAll {
		r.Hits.Add(1)
	}
}

// resource gives what is known of a resource and scope.
func (e *Evaluator) resource(head, scope []byte) *resource {
	var key resourceKey
	if len(head) > 0 {
		key.head = &head[0]
	}
	if len(scope) > 0 {
		key.scope = &scope[0]
	}
	if e.view.resource != nil && e.last == key {
		return e.view.resource
	}
	e.last = key
	if r, ok := e.known[key]; ok {
		return r
	}
	r := &resource{head: head, scope: scope}
	r.read(&e.f.program.resource)
	e.judge(r)
	size := len(head) + len(scope)
	if size > largeResource {
		return r
	}
	if len(e.known) >= mostResources || e.size+size > mostKnown {
		clear(e.known)
		e.size = 0
	}
	e.known[key] = r
	e.size += size
	return r
}

// judge asks the rules of resources and scopes, once.
func (e *Evaluator) judge(r *resource) {
	if len(e.f.above) == 0 {
		return
	}
	whole := decode(r.head, r.scope, nil)
	for _, rule := range e.f.above {
		is, err := rule.all.above(whole)
		if e.f.selects {
			if err != nil {
				e.f.failed(rule, err)
			}
			r.holds = append(r.holds, is && err == nil)
			continue
		}
		switch {
		case err != nil && e.f.failed(rule, err):
			r.verdict, r.rule = Failed, rule
			return
		case err == nil && is:
			if r.verdict, r.rule = Drop, rule; rule.DropTrace {
				r.verdict = DropAll
			}
			return
		}
	}
}

// Events gives the span at which Look has looked last without those of its events that conditions drop, false if all stay. What
// it gives is valid until the next Look.
func (e *Evaluator) Events() ([]byte, bool) { return e.out, e.fewer }

const spanEvents = 11<<3 | wire.Bytes

func hasEvents(span []byte) (has bool) {
	for r := wire.Read(span); r.Next(); {
		has = has || r.Key == spanEvents
	}
	return has
}

// dropEvents takes the events away that conditions drop.
func (e *Evaluator) dropEvents() Verdict {
	gone, verdict := e.goneEvents()
	if verdict != Keep || !slices.Contains(gone, true) {
		return verdict
	}
	e.out, e.fewer = e.out[:0], true
	n := 0
	wire.EachField(e.view.span, func(key uint32, _, field []byte) {
		if key == spanEvents {
			n++
			if gone[n-1] {
				return
			}
		}
		e.out = append(e.out, field...)
	})
	return Keep
}

// goneEvents tells of each event whether it is dropped.
func (e *Evaluator) goneEvents() (gone []bool, verdict Verdict) {
	whole := e.view.decoded()
	if whole.err != nil {
		for _, rule := range e.f.events {
			if e.f.failed(rule, whole.err) {
				e.by = rule
				return nil, Failed
			}
		}
		return nil, Keep
	}
	for i := range whole.span.Events().Len() {
		gone = append(gone, false)
		for _, rule := range e.f.events {
			is, err := rule.all.event(whole, whole.span.Events().At(i))
			switch {
			case err != nil && e.f.failed(rule, err):
				e.by = rule
				return nil, Failed
			case err == nil && is:
				rule.Hits.Add(1)
				gone[i] = true
			}
			if gone[i] {
				break
			}
		}
	}
	return gone, Keep
}
