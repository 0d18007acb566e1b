package parity

import (
	"testing"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/sampling"
)

// agentDifference is one that is wanted in what becomes of a span of an application: an example of it, and what such spans are like.
type agentDifference struct {
	reason string
	stage  stage
	in     traced
	want   fates
	like   func(stage, *traced, fates) bool
}

// agentDifferences are known and wanted, beside the sampledDifferences: what a whole agent does otherwise than a collector's sampler.
var agentDifferences = []agentDifference{
	{"at 100 % nothing is sampled, and nothing is looked at",
		stage{sampling.Equalizing, 100}, traced{tested: tested{"foo=1, ot=th:x", high}, priority: priority{0, -1, -1}}, fates{"drops", "keeps foo=1, ot=th:x"},
		func(st stage, in *traced, f fates) bool {
			return st.percent == 100 && f.alspan == words(true, in.state)
		}},
	{"who forces a span may have forced it before: its probability is not known, and th goes",
		stage{sampling.Equalizing, 50}, traced{tested: tested{"foo=1,ot=th:c;x:1", high}, priority: priority{1, 1, 1}}, fates{"keeps ot=th:c;x:1,foo=1", "keeps ot=x:1,foo=1"},
		func(_ stage, in *traced, f fates) bool {
			return in.priority.collector > 0 && f.collector != "drops" && f.alspan == in.forced()
		}},
	{"a priority below 0 drops, as tracers mean it; true and false are 1 and 0",
		stage{sampling.Equalizing, 50}, traced{tested: tested{"foo=1", high}, priority: priority{-1, 0, -1}}, fates{"keeps ot=th:8,foo=1", "drops"},
		func(_ stage, in *traced, f fates) bool {
			return in.priority.collector == 0 && (in.priority.alspan < 0 && f.alspan == "drops" || in.priority.alspan > 0 && f.alspan == in.forced())
		}},
}

// laterDifferences are known and wanted: what becomes otherwise of a span in a collector that has an agent in front of it, which keeps
// more.
var laterDifferences = []agentDifference{
	{"what the collector drops because it cannot read it, or should not have been sampled, alspan has mended",
		stage{sampling.Equalizing, 10}, traced{tested: tested{"foo=1,ot=th:ff", 0xfe << 48}}, fates{"drops", "keeps ot=th:e666,foo=1"},
		func(_ stage, in *traced, f fates) bool {
			return f.collector == "drops" && (collectorReads(in.state) == "malformed" || in.contradicts())
		}},
	{"where both do not read the same, they decide by what they read",
		stage{sampling.Equalizing, 10}, traced{tested: tested{"ot=th:F", high}}, fates{"keeps ot=th:f", "keeps ot=th:e666"},
		func(_ stage, in *traced, _ fates) bool {
			return collectorReads(in.state) != alspanReads(in.state) || memberTwice.MatchString(in.state)
		}},
	{"who forces a span may have forced it before: its probability is not known, and th goes",
		stage{sampling.Equalizing, 10}, traced{tested: tested{"foo=1,ot=th:c;x:1", high}, priority: priority{1, 1, 1}}, fates{"keeps ot=th:c;x:1,foo=1", "keeps ot=th:0;x:1,foo=1"},
		func(_ stage, in *traced, f fates) bool {
			return in.priority.collector > 0 && f.collector != "drops" && f.alspan != "drops"
		}},
	{"a priority below 0 drops, as tracers mean it; true and false are 1 and 0",
		stage{sampling.Equalizing, 10}, traced{tested: tested{"foo=1", high}, priority: priority{-1, 0, -1}}, fates{"keeps ot=th:e666,foo=1", "drops"},
		func(_ stage, in *traced, f fates) bool { return in.priority.collector != in.priority.alspan }},
	{"of members that are there twice the older goes, and what changes has at most 512 characters",
		stage{sampling.Equalizing, 10}, traced{tested: tested{"foo=1,bar=2,foo=3", high}}, fates{"keeps ot=th:e666,foo=1,bar=2,foo=3", "keeps ot=th:e666,foo=1,bar=2"},
		func(_ stage, _ *traced, f fates) bool {
			left, loss := forwarded(f.collector)
			return left == f.alspan && loss == propagation.TraceStateLoss{Duplicates: loss.Duplicates, Cut: loss.Cut}
		}},
}

// forced gives the fate of a span that an agent keeps for its priority: a th is gone, and so is ot if it was malformed.
func (s *traced) forced() string {
	read, bad := sampling.ReadState([]byte(s.state))
	if !read.HasThreshold && !bad {
		return words(true, s.state)
	}
	return words(true, string(sampling.AppendTraceState(nil, []byte(s.state), sampling.Always, false)))
}

// contradicts tells whether the span should not have been sampled.
func (s *traced) contradicts() bool {
	read, _ := sampling.ReadState([]byte(s.state))
	id := s.traceID()
	return read.HasThreshold && read.Of(&id) < uint64(read.Threshold)
}

// differenceOf gives the reason why both may differ about a span, "" if there is none.
func differenceOf(list []agentDifference, st stage, in *traced, f fates) string {
	for _, d := range list {
		if d.like(st, in, f) {
			return d.reason
		}
	}
	return ""
}

// checkFate checks what became of a span at a collector and at an agent, and gives the reason of a known difference.
func (st stage) checkFate(t *testing.T, in *traced, f fates) string {
	t.Helper()
	if st.percent < 100 && in.priority.alspan == 0 && f.alspan != st.alspanSamples(in.tested) {
		t.Errorf("%+v, %q with %014x: an agent %s, not %s", st, in.state, in.id, f.alspan, st.alspanSamples(in.tested))
	}
	reason := differenceOf(agentDifferences, st, in, f)
	if reason == "" && in.priority.collector == in.priority.alspan {
		reason = st.differenceOf(in.tested, f)
	}
	return explained(t, reason, f, "%+v, %q with %014x, %v", st, in.state, in.id, in.priority)
}

// checkLater is checkFate for a collector alone, and one behind an agent.
func (st stage) checkLater(t *testing.T, in *traced, f fates) string {
	t.Helper()
	return explained(t, differenceOf(laterDifferences, st, in, f), f, "behind an agent %+v, %q with %014x, %v", st, in.state, in.id, in.priority)
}

func explained(t *testing.T, reason string, f fates, format string, of ...any) string {
	t.Helper()
	switch {
	case f.collector == f.alspan:
		return "alike"
	case reason == "":
		t.Errorf(format+":\nthe collector %s\nalspan        %s", append(of, f.collector, f.alspan)...)
	}
	return reason
}

func TestAgentDifferences(t *testing.T) {
	first := stage{sampling.Equalizing, 50}
	examples := func(list []agentDifference, fate func(d *agentDifference, requests [][]byte) fates) {
		for i := range list {
			d := &list[i]
			d.in.encode(t, 0, encoded{}, false)
			if f := fate(d, requestsOf([]traced{d.in}, 1)); f != d.want {
				t.Errorf("%s: %+v with %q, %014x:\n got %q\nwant %q", d.reason, d.stage, d.in.state, d.in.id, f, d.want)
			} else if !d.like(d.stage, &d.in, f) {
				t.Errorf("%s: %q is not like that", d.reason, d.in.state)
			}
		}
	}
	examples(agentDifferences, func(d *agentDifference, requests [][]byte) fates {
		return fates{d.stage.leaves(t, requests).fate(0), d.stage.agentLeaves(t, true, requests).fate(0)}
	})
	examples(laterDifferences, func(d *agentDifference, requests [][]byte) fates {
		return fates{d.stage.leaves(t, requests).fate(0), d.stage.leaves(t, first.agentLeaves(t, true, requests).requests).fate(0)}
	})
}
