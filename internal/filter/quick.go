package filter

// quick is an expr with the slots of its fields.
type quick struct {
	op    op
	of    fieldOf
	slot  uint8
	kids  []quick
	to    value
	match *pattern
	rule  *Rule
}

// answer is what a quick rule says: unsure where the values are such that pkg/ottl has to say.
type answer uint8

const (
	no answer = iota
	yes
	unsure
)

func answerOf(is bool) answer {
	if is {
		return yes
	}
	return no
}

// quickly gives e, of the rule r, its slots, false when there are none left.
func (p *program) quickly(r *Rule, e *expr) (q quick, ok bool) {
	q = quick{rule: r, op: e.op, of: e.field.of, to: e.to, match: e.match}
	switch e.field.of {
	case spanAttribute:
		if q.slot, ok = p.span.slot(e.field.key); !ok || !p.alias(e.field.key, q.slot) {
			return q, false
		}
	case resourceAttribute:
		if q.slot, ok = p.resource.slot(e.field.key); !ok {
			return q, false
		}
	}
	for _, kid := range e.kids {
		k, ok := p.quickly(r, kid)
		if !ok {
			return q, false
		}
		q.kids = append(q.kids, k)
	}
	return q, true
}

// eval gives the answer of a rule for the span at which v looks. As in OTTL, what comes first decides whether the rest is asked.
func (q *quick) eval(v *View) answer {
	switch q.op {
	case and:
		for i := range q.kids {
			if a := q.kids[i].eval(v); a != yes {
				return a
			}
		}
		return yes
	case or:
		for i := range q.kids {
			if a := q.kids[i].eval(v); a != no {
				return a
			}
		}
		return no
	case not:
		switch q.kids[0].eval(v) {
		case yes:
			return no
		case no:
			return yes
		}
		return unsure
	}
	return q.field(v)
}

// field works out a comparison or a match.
func (q *quick) field(v *View) answer {
	is := v.get(q.of, q.slot)
	switch {
	case is.kind == isOther:
		return unsure
	case q.op == match && is.kind == isText:
		return answerOf(q.match.matches(is.bytes))
	case q.op == match && is.kind == isNil:
		return no
	case q.op == match:
		return unsure // numbers are matched as they are printed
	case is.kind == isText && q.to.kind == isText && q.op == equal:
		return answerOf(string(is.bytes) == string(q.to.bytes))
	case is.kind == isText && (q.to.kind == isInt || q.to.kind == isFloat) && q.of == spanAttribute:
		v.filter.mixed(q.rule, v.program.span.names[q.slot], is.bytes)
	}
	return answerOf(is.compare(q.op, &q.to))
}

// get gives what a field is, valid until the next call.
func (v *View) get(of fieldOf, slot uint8) *value {
	switch of {
	case spanAttribute:
		if is := v.at(slot); is.kind != isNil || !v.made || v.program.aliasOf[slot] == nil {
			return is
		}
		if slot >= 64 {
			v.one = v.aliased(slot)
			break
		}
		if v.given>>slot&1 == 0 { // several rules may ask
			v.given |= 1 << slot
			v.values[slot] = v.aliased(slot)
		}
		return &v.values[slot]
	case resourceAttribute:
		return &v.resource.values[slot]
	case spanName:
		v.one = textValue(v.name)
	case spanKind:
		v.one = intValue(int64(v.kind))
	default:
		v.one = intValue(int64(v.status))
	}
	return &v.one
}

// gate has the slots of which one must be there for a rule to match, 0 if that cannot be said.
type gate uint64

// gate gives that of a rule. A span that lacks an attribute may have it by another name.
func (q *quick) gate(p *program) (g gate) {
	switch {
	case q.op == and:
		for i := range q.kids {
			if g = q.kids[i].gate(p); g != 0 {
				return g
			}
		}
	case q.op == or:
		for i := range q.kids {
			one := q.kids[i].gate(p)
			if one == 0 {
				return 0
			}
			g |= one
		}
	case q.of == spanAttribute && (q.op == match || q.op == equal && q.to.kind != isNil):
		slots := []uint8{q.slot}
		if a := p.aliasOf[q.slot]; a != nil {
			if a.always {
				return 0
			}
			slots = append(slots, a.slots...)
		}
		for _, s := range slots {
			if s >= 64 {
				return 0
			}
			g |= 1 << s
		}
	}
	return g
}
