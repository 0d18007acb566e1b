package attributes

// find gives the first attribute with the key of that index, nil if there is none.
func (e *Editor) find(id int) *field {
	for i := range e.fields {
		if f := &e.fields[i]; f.id == id && f.isAttribute() {
			return f
		}
	}
	return nil
}

// put gives the key of that index the value v. A new attribute stands at end.
func (e *Editor) put(id int, v value, end int) {
	if f := e.find(id); f != nil {
		f.set(v)
		return
	}
	k := &e.a.keys[id]
	e.fields = append(e.fields, field{from: end, to: end, id: id, state: changed, rest: k.field, value: v, facts: k.facts})
}

// act does x; new attributes stand at end.
func (e *Editor) act(x *action, end int) {
	switch x.do {
	case insert, update, upsert:
		v := x.value
		if x.from >= 0 {
			source := e.find(x.from)
			if source == nil {
				return
			}
			v = source.value
		}
		if x.do != upsert && (x.do == update) != (e.find(x.key) != nil) {
			return
		}
		e.put(x.key, v, end)
	case remove:
		e.each(x, func(f *field) { f.state = removed })
	case hash:
		e.each(x, func(f *field) { f.set(e.hashed(f.value)) })
	case extract:
		if f := e.find(x.key); f != nil && f.value.kind == stringKind {
			e.extract(x, f.value.bytes, end)
		}
	case convert:
		if f := e.find(x.key); f != nil {
			if v, ok := e.converted(f.value, x.to); ok {
				f.set(v)
			}
		}
	}
}

// each calls f for the first attribute with the key of x, and then for all whose keys its pattern matches: also for that one.
func (e *Editor) each(x *action, do func(*field)) {
	if f := e.find(x.key); f != nil {
		do(f)
	}
	if x.pattern < 0 {
		return
	}
	for i := range e.fields {
		if f := &e.fields[i]; f.isAttribute() && f.facts.matches[x.pattern] {
			do(f)
		}
	}
}

// extract makes attributes of the groups of x in text. One that took no part in the match is empty.
func (e *Editor) extract(x *action, text []byte, end int) {
	at := x.groups.FindSubmatchIndex(text)
	if at == nil {
		return
	}
	for i, id := range x.targets {
		var group []byte
		if from := at[2*i+2]; from >= 0 {
			group = text[from:at[2*i+3]]
		}
		e.put(id, e.text(group), end)
	}
}
