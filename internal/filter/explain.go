package filter

// Answer is what one rule says of a span, whatever the others say.
type Answer struct {
	*Rule
	Matches  int   // 1 if it matches the span; of a rule about events, how many of them it matches
	Failures int   // 1 if it failed on the span; of a rule about events, on how many of them
	Err      error // its first failure
}

// OfEvents tells whether it is events that the rule drops.
func (r *Rule) OfEvents() bool { return r.all.ofEvent != nil }

// Explain is Look for a person: by is the rule that has decided, nil if none has or if the trace was dropped before; all is what each
// rule says, in the order of Rules. What is counted is what Look counts. A nil Evaluator keeps every span.
func (e *Evaluator) Explain(span, head, scope []byte, made bool) (verdict Verdict, by *Rule, all []Answer) {
	if e == nil {
		return Keep, nil, nil
	}
	e.by = nil
	verdict = e.Look(span, head, scope, made)
	e.view.read(span, &e.f.program.span, made)
	for _, r := range e.f.all {
		all = append(all, e.answer(r))
	}
	return verdict, e.by, all
}

// answer asks one rule about the span at which the view looks.
func (e *Evaluator) answer(r *Rule) Answer {
	a := Answer{Rule: r}
	add := func(is bool, err error) {
		switch {
		case err != nil:
			if a.Failures++; a.Err == nil {
				a.Err = err
			}
		case is:
			a.Matches++
		}
	}
	v := &e.view
	switch {
	case r.Way == PerResource:
		add(r.all.above(decode(v.resource.head, v.resource.scope, nil)))
	case r.all.ofEvent == nil:
		add(e.matches(r))
	case hasEvents(v.span):
		whole := v.decoded()
		if whole.err != nil {
			add(false, whole.err)
			break
		}
		for _, event := range whole.span.Events().All() {
			add(r.all.event(whole, event))
		}
	}
	return a
}
