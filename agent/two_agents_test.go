package agent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/spanbuilder"
)

// servers gives the ids of the SERVER spans of each trace, over several agents.
func servers(rigs ...*rig) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, r := range rigs {
		for _, s := range r.out {
			if s.Kind == tracepb.Span_SPAN_KIND_SERVER {
				trace := fmt.Sprintf("%x", s.TraceId)
				if all[trace] == nil {
					all[trace] = map[string]bool{}
				}
				all[trace][fmt.Sprintf("%x", s.SpanId)] = true
			}
		}
	}
	return all
}

func oneServerEach(t *testing.T, n int, rigs ...*rig) {
	t.Helper()
	got := servers(rigs...)
	for i := range n {
		if ids := got[traceOf(i)]; len(ids) != 1 {
			t.Errorf("request %d has the SERVER spans %v", i, ids)
		}
	}
}

// Two agents that get copies of everything send the same spans, so that a backend that drops repeats has each once.
func TestTwoAgentsWithCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newRig(t, nil), newRig(t, nil)
		const n = 100
		for i := range n {
			e, s := pair(i)
			for _, r := range []*rig{a, b} {
				r.logs(1, alsMessage(t, e))
				if i%4 > 0 { // every fourth span is lost
					r.request(otlpMessage(t, s))
				}
			}
			a.after(100 * time.Millisecond)
		}
		a.after(30 * time.Second)
		a.end()
		b.end()
		ids := map[string]int{}
		for _, r := range []*rig{a, b} {
			for _, s := range r.out {
				ids[fmt.Sprintf("%x/%x/%v", s.TraceId, s.SpanId, s.Kind)]++
			}
		}
		for id, times := range ids {
			if times != 2 {
				t.Errorf("%s came %d times", id, times)
			}
		}
		if len(ids) != n {
			t.Errorf("%d different spans of %d requests", len(ids), n)
		}
	})
}

// An Envoy's log stream stays at one agent, its spans are spread. What meets is joined; else the span goes out where it is, and
// the entry as an INTERNAL span below it: no request has two SERVERs.
func TestTwoAgentsWithHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newRig(t, nil), newRig(t, nil)
		const n = 200
		for i := range n {
			e, s := pair(i)
			a.logs(1, alsMessage(t, e))
			[]*rig{a, b}[i%2].request(otlpMessage(t, s))
			a.after(100 * time.Millisecond)
		}
		a.after(30 * time.Second)
		a.end()
		b.end()
		oneServerEach(t, n, a, b)
		for what, got := range map[string]int64{
			"joined at a":       a.p.entryFates[spanbuilder.Joined].Load() - n/2,
			"unpaired at a":     a.p.entryFates[spanbuilder.UnpairedInner].Load() - n/2,
			"spans alone at b":  b.p.spanFates[spanbuilder.TimedOut].Load() + b.p.spanFates[spanbuilder.NotWaited].Load() - n/2,
			"entries at b":      b.p.Entries.Received.Load(),
			"spans that waited": max(b.p.spanFates[spanbuilder.TimedOut].Load()-n/2+1, 0), // not all: it stops
		} {
			if got != 0 {
				t.Errorf("%s: %d off", what, got)
			}
		}
	})
}

// When all spans go to another agent from some time on, entries stop waiting, and still make no second SERVER.
func TestTwoAgentsWaitingStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newRig(t, nil), newRig(t, nil)
		const n = 80
		for i := range n {
			e, s := pair(i)
			a.logs(1, alsMessage(t, e))
			to := b
			if i < 10 {
				to = a
			}
			to.request(otlpMessage(t, s))
			a.after(time.Second)
		}
		if w := a.p.Entries.Waiting.Load(); w != 0 {
			t.Errorf("%d entries still wait", w)
		}
		a.after(30 * time.Second)
		a.end()
		b.end()
		oneServerEach(t, n, a, b)
		waited := a.p.entryFates[spanbuilder.UnpairedInner].Load()
		if joined := a.p.entryFates[spanbuilder.Joined].Load(); joined != 10 || waited != n-10 {
			t.Errorf("%d joined, %d unpaired", joined, waited)
		}
		// The last ones left at once.
		last := a.out[len(a.out)-1]
		if age := last.At.Sub(time.Unix(0, int64(last.EndTimeUnixNano))); age > 100*time.Millisecond {
			t.Errorf("the last one waited %v", age)
		}
	})
}
