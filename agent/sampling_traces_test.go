package agent

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/correlation/check"
	"github.com/alspan/alspan/internal/correlation/worlds"
	"github.com/alspan/alspan/internal/sampling"
)

// keptAt tells whether a trace is kept of a probability.
func keptAt(trace string, p float64) bool {
	var id [16]byte
	if n, err := hex.Decode(id[:], []byte(trace)); n != len(id) || err != nil {
		panic("no trace id: " + trace)
	}
	return new(sampling.State).Of(&id) >= uint64(sampling.FromProbability(p))
}

func percentage(p float64) func(*config.Config) {
	return func(c *config.Config) { c.Sample.Probability = config.Percent(p * float64(config.All)) }
}

// Where the trace id alone decides, what comes out is as right as if all other traces had never been, although their spans and their
// entries are dropped before they meet.
func TestSampledTracesAreWhole(t *testing.T) {
	for n := range uint64(*sampledWorlds) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := worlds.Generate(n)
			const p = 0.4
			out := live(t, w, percentage(p))
			for _, v := range judge.Run(expected(t, w, out, p), out) {
				t.Error(v)
			}
		})
	}
}

// expected gives the part of a world that is to leave. Of an entry that does not know the trace of its span it tells by what left.
func expected(t *testing.T, w *correlation.World, out []check.Out, p float64) *correlation.World {
	left := map[correlation.EntryKey]time.Duration{}
	for _, s := range sent(t, w, out) {
		if s.of.Entry != nil {
			left[s.of.Entry.Key()] = s.at
		}
	}
	records, err := w.Records()
	if err != nil {
		t.Fatal(err)
	}
	unsure, told, came := map[*correlation.Pass]bool{}, map[*correlation.Pass]bool{}, map[*correlation.Pass][]time.Duration{}
	for _, r := range records {
		for _, e := range r.Entries {
			if !e.Makes() {
				continue
			}
			pass := w.Truth.Entries[e.Key()]
			contexts := correlation.Contexts(e.Headers)
			for _, c := range contexts {
				unsure[pass] = unsure[pass] || c.Trace != pass.Trace
				told[pass] = true
			}
			unsure[pass] = unsure[pass] || len(contexts) == 0
		}
		for _, s := range r.Spans {
			if pass := w.Truth.Spans[s.Key()]; pass != nil && s.Proxy {
				came[pass] = append(came[pass], s.At)
			}
		}
	}
	only, err := w.Only(func(e *correlation.Entry) bool {
		pass := w.Truth.Entries[e.Key()]
		if !e.Makes() {
			return true
		}
		if !unsure[pass] {
			return keptAt(pass.Trace, p)
		}
		at, kept := left[e.Key()]
		for _, spanAt := range came[pass] {
			if kept && e.Type != correlation.TypeUp && !keptAt(pass.Trace, p) && spanAt < at-judge.Slack && at-spanAt < verdictsLast {
				t.Errorf("an entry leaves whose span was dropped before: %v of %v", e.Key(), pass)
			}
		}
		if !kept && !told[pass] && (pass.Trace == "" || keptAt(pass.Trace, p)) {
			t.Errorf("an entry without context does not leave: %v of %v", e.Key(), pass)
		}
		return kept
	}, func(s *correlation.Span) bool { return keptAt(s.Trace, p) })
	if err != nil {
		t.Fatal(err)
	}
	return only
}
