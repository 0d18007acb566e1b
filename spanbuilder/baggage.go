package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// baggageKey is the key of a member of the request header baggage, and the attribute that its value becomes.
type baggageKey struct{ key, attribute string }

// mostBaggage is how many keys there may be.
const mostBaggage = 64

func newBaggageKeys(keys []string) (list []baggageKey) {
	for _, key := range distinct(keys) {
		list = append(list, baggageKey{key, "baggage." + key})
	}
	return list[:min(len(list), mostBaggage)]
}

// baggage writes the members of the logged baggage whose keys were asked for: of a repeated key the last one.
func (r *request) baggage() {
	header, ok := r.e.Fields(wire.RequestHeaders).Get("baggage")
	if !ok {
		return
	}
	written := uint64(0)
	for m := propagation.ReadBaggage(header); m.Next(); {
		n := slices.IndexFunc(r.b.baggage, func(k baggageKey) bool { return k.key == string(m.Key) })
		if n < 0 || written>>n&1 != 0 {
			continue
		}
		written |= 1 << n
		r.textOf(r.b.baggage[n].attribute, propagation.AppendUnescaped(r.scratch(), m.Value))
	}
}

// baggageBound gives the most bytes that the values can take: one that is not UTF-8 becomes three.
func (b *Builder) baggageBound(e *wire.Entry) int {
	header, _ := e.Fields(wire.RequestHeaders).Get("baggage")
	return min(3*len(header), len(b.baggage)*b.opts.MaxValue)
}
