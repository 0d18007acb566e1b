package sampler

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/sampling"
	"github.com/alspan/alspan/internal/wire"
)

// What is dropped early is what would be dropped later: no more and no less.
func TestEarly(t *testing.T) {
	const low, high = 0x20 << 48, 0xe0 << 48
	states := []string{"", "foo=1", "ot=x:1", "bad,ot=th:f", "ot=th:f,bad", "ot=th:x", "ot=th:f,ot=th:1", "ot=th:1,ot=th:f", "foo=1, ot=th:f"}
	for _, r := range []uint64{low, high} {
		for _, th := range []string{"", ";th:1", ";th:f", ";th:", ";th:x", ";th:F", ";th:1;th:f"} {
			states = append(states, fmt.Sprintf("ot=rv:%014x%s", r, th), fmt.Sprintf("foo=1,ot=x:1;rv:%014x%s,bar=2", r, th), fmt.Sprintf("ot=rv:%013x%s", r>>4, th))
		}
	}
	for _, mode := range []sampling.Mode{sampling.Equalizing, sampling.Proportional} {
		s, err := New(Options{Mode: mode, Probability: 0.5, NoContext: 1, Upstream: 1, WriteTH: true})
		if err != nil {
			t.Fatal(err)
		}
		j, drops := s.Judge(), 0
		for _, state := range states {
			for _, r := range []uint64{low, high} {
				for _, made := range []bool{false, true} {
					var sub Subject
					binary.BigEndian.PutUint64(sub.Trace[8:], r)
					its := []byte(state)
					if made {
						its = propagation.AppendTraceState(nil, its)
					}
					_, early := j.Early(&sub, []byte(state))
					if later := !j.Judge(&sub, wire.AppendBytes(nil, spanTraceState, its), nil, nil, made).Keep; early != later {
						t.Errorf("mode %d, %q of %014x, made %v: early %v, later %v", mode, state, r, made, early, later)
					} else if early {
						drops++
					}
				}
			}
		}
		if drops < len(states) || drops > 3*len(states) {
			t.Errorf("mode %d: %d of %d are dropped", mode, drops, 4*len(states))
		}
	}
}
