package e2e

import (
	"fmt"
	"maps"
	"testing"
)

// history is what became of the requests of a lane, numbered from 0. A generation is a configuration that was in force.
type history struct {
	sent int
	came map[int]int // generation that changed the request's span, for those whose span came
	last int         // highest number in came
}

// interval says that the requests of a lane from one number up to another were taken while a generation was in force.
type interval struct{ from, to, generation int }

// obeys checks that all even requests have come, and that the odd ones have where the rules keep them: filters says by generation
// whether they drop those. Between intervals the rules change once, at any request, and never back.
func (h *history) obeys(filters []bool, intervals []interval) error {
	for n, generation := range h.came {
		if n >= h.sent || generation < 0 || generation >= len(filters) {
			return fmt.Errorf("request %d came, changed by generation %d, but %d were sent to %d", n, generation, h.sent, len(filters))
		}
	}
	before := 0
	for n := range h.sent {
		generation, came := h.came[n]
		if n%2 == 0 {
			if !came || generation < before {
				return fmt.Errorf("request %d came: %t, changed by generation %d, those before by %d", n, came, generation, before)
			}
			before = generation
			continue
		}
		after, ok := h.came[n+1]
		if !ok {
			after = len(filters) - 1
		}
		if came && (generation < before || generation > after || filters[generation]) {
			return fmt.Errorf("request %d came, changed by generation %d, its neighbours by %d and %d", n, generation, before, after)
		}
		allowed := false
		for g := before; g <= after; g++ {
			allowed = allowed || filters[g]
		}
		if !came && !allowed {
			return fmt.Errorf("request %d was dropped, its neighbours were changed by generations %d and %d", n, before, after)
		}
	}
	for _, i := range intervals {
		for n := i.from; n <= i.to; n++ {
			generation, came := h.came[n]
			if dropped := n%2 == 1 && filters[i.generation]; came == dropped || came && generation != i.generation {
				return fmt.Errorf("request %d of %d to %d came: %t, changed by generation %d, want %t and %d", n, i.from, i.to, came, generation, !dropped, i.generation)
			}
		}
	}
	return nil
}

// dropped counts the requests that have not come.
func (h *history) dropped() int { return h.sent - len(h.came) }

func TestBrokenHistoryIsSeen(t *testing.T) {
	filters := []bool{false, true, false}
	intervals := []interval{{0, 3, 0}, {6, 9, 1}, {12, 15, 2}}
	sound := map[int]int{0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 6: 1, 8: 1, 10: 1, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2}
	h := &history{sent: 16, came: sound}
	if err := h.obeys(filters, intervals); err != nil {
		t.Fatal(err)
	}
	if n := h.dropped(); n != 3 {
		t.Errorf("%d were dropped, want 3", n)
	}
	for name, breaks := range map[string]func(came map[int]int){
		"one is lost":                         func(came map[int]int) { delete(came, 8) },
		"one is dropped without a filter":     func(came map[int]int) { delete(came, 13) },
		"one is dropped too late":             func(came map[int]int) { delete(came, 15) },
		"one is not dropped":                  func(came map[int]int) { came[7] = 1 },
		"one is not dropped by earlier rules": func(came map[int]int) { came[7] = 0 },
		"the rules change too early":          func(came map[int]int) { came[2], came[3], came[4] = 1, 1, 1 },
		"the rules change too late":           func(came map[int]int) { came[5], came[6] = 0, 0 },
		"the rules change back":               func(came map[int]int) { came[4], came[5], came[6] = 1, 0, 0 },
		"there are no such rules":             func(came map[int]int) { came[14] = 3 },
		"nobody sent it":                      func(came map[int]int) { came[16] = 2 },
	} {
		came := maps.Clone(sound)
		if breaks(came); (&history{sent: 16, came: came}).obeys(filters, intervals) == nil {
			t.Errorf("%s is not seen", name)
		}
	}
}
