package filter

// program is all quick rules together: they look at a span once.
type program struct {
	span, resource keys
	aliasOf        []*slotted // by slot; nil for none
}

// slotted is an alias with the slots of what it is made of.
type slotted struct {
	alias
	slots []uint8
}

// alias notes that the key in that slot may be known by other names, false when there are no slots left for those.
func (p *program) alias(key string, slot uint8) bool {
	for len(p.aliasOf) <= int(slot) {
		p.aliasOf = append(p.aliasOf, nil)
	}
	a, ok := aliases[key]
	if !ok || p.aliasOf[slot] != nil {
		return true
	}
	s := &slotted{alias: a}
	for _, other := range a.from {
		i, ok := p.span.source(other)
		if !ok {
			return false
		}
		s.slots = append(s.slots, i)
	}
	p.aliasOf[slot] = s
	return true
}

// seal ends the building: every slot has its place in the tables.
func (p *program) seal() {
	for len(p.aliasOf) < len(p.span.names) {
		p.aliasOf = append(p.aliasOf, nil)
	}
}
