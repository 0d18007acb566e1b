package filter

import (
	"github.com/alspan/alspan/internal/wire"
)

// View is a span that is about to leave, as rules see it: its encoded bytes, of which nothing is decoded but what a rule asks for.
// It belongs to one goroutine.
type View struct {
	facts
	span     []byte // encoded Span
	made     bool   // an access-log entry has a part in it
	program  *program
	resource *resource
	from     [6]value // of an alias
	one      value    // the value of a field that is no attribute, or of an alias
	given    uint64   // bit: the attribute in that slot is not there, and its value is that of an alias
	room     []byte   // of texts that were put together for this span
	whole    *decoded // for conditions that need all of it; nil until one does
	asking   *Rule    // the rule that is being worked out
	filter   *Filter
}

// mixed is told of a text that the rule at hand compares with a number.
func (v *View) mixed(key string, text []byte) { v.filter.mixed(v.asking, key, text) }

// resource is what is known of a Resource and a scope.
type resource struct {
	head, scope []byte  // fields of ResourceSpans and of ScopeSpans, but for the spans
	values      []value // by slot
	verdict     Verdict // of the conditions that ask for nothing else
	rule        *Rule   // whose it is
	holds       []bool  // for a Selector: each of them
}

// aliased gives an attribute of a span that was made from an entry, by another name than its own.
func (v *View) aliased(slot uint8) value {
	a := v.program.aliasOf[slot]
	if a == nil {
		return value{}
	}
	for i, s := range a.slots {
		v.from[i] = *v.at(s)
	}
	return a.make(v, v.from[:max(len(a.slots), 1)])
}

// read gives what the quick rules ask of a Resource.
func (r *resource) read(k *keys) {
	r.values = make([]value, len(k.names))
	if len(k.names) == 0 {
		return
	}
	for h := wire.Read(r.head); h.Next(); {
		if h.Key != 1<<3|wire.Bytes { // ResourceSpans.resource
			continue
		}
		for a := wire.Read(h.Bytes); a.Next(); {
			if a.Key != resAttributes {
				continue
			}
			key, is := attribute(a.Bytes)
			if slot, ok := k.find(key); ok && r.values[slot].kind == isNil {
				r.values[slot] = is
			}
		}
	}
}
