package parity

import (
	"regexp"
	"slices"
	"strings"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/sampling"
)

const high = 1<<56 - 1 // a randomness that nothing but 0 % drops

var (
	laterKey    = regexp.MustCompile(`(?:^|,)[ \t]*(?:[0-9]|[^,=]*@)`)
	upperHint   = regexp.MustCompile(`[=;](?:th|rv):[0-9a-fA-F]*[A-F]`)
	hintTwice   = regexp.MustCompile(`[=;]th:[^,]*;th:|[=;]rv:[^,]*;rv:`)
	memberTwice = regexp.MustCompile(`(?:^|,)[ \t]*ot=.*,[ \t]*ot=`)
)

// readDifferences are known and wanted: what alspan reads otherwise in a tracestate.
var readDifferences = []readDifference{
	{"where ot is not, nothing is looked at", "FOO=1", "malformed", "nothing",
		func(in string) bool { return !strings.Contains(in, "ot=") }},
	{"a list has up to 32 members, and empty ones do not count; the collector takes 31 with them", manyMembers(31, 1) + ",ot=th:c", "malformed", "th:c0000000000000",
		func(in string) bool { return strings.Count(in, ",") >= 31 }},
	{"a list may have more than 1024 characters", manyMembers(5, 200) + ",ot=th:c", "malformed", "th:c0000000000000",
		func(in string) bool { return len(in) > 1024 }},
	{"a key is that of Trace Context's second level: a digit in front, and an @ anywhere behind", "1x=y,a@b@c=d,ot=th:c", "malformed", "th:c0000000000000",
		laterKey.MatchString},
	{"of two members the left one is the newer one", "ot=th:c,ot=th:8", "th:80000000000000", "th:c0000000000000", memberTwice.MatchString},
	{"a hint that is there twice makes ot malformed; the collector takes the last one", "ot=th:c;th:8", "th:80000000000000", "malformed", hintTwice.MatchString},
	{"upper-case digits are none", "ot=th:C", "th:c0000000000000", "malformed", upperHint.MatchString},
}

// sampledDifference is one that is wanted in what becomes of a span: an example of it, and what such spans are like.
type sampledDifference struct {
	reason string
	stage  stage
	in     tested
	want   fates
	like   func(stage, tested, fates) bool
}

// sampledDifferences are known and wanted: what alspan does otherwise when it samples.
var sampledDifferences = []sampledDifference{
	{"the collector drops what it cannot read; alspan takes the bad away, and samples as if it had not been there",
		stage{sampling.Equalizing, 50}, tested{"foo=1,ot=x:1;th:x;rv:00000000000000", high}, fates{"drops", "keeps ot=th:8,foo=1"},
		func(st stage, in tested, f fates) bool {
			left, _ := propagation.FilterTraceState(nil, []byte(in.state))
			return collectorReads(in.state) == "malformed" && alspanReads(in.state) == "malformed" && f.collector == "drops" &&
				f.alspan == st.alspanSamples(tested{string(left), in.id})
		}},
	{"the collector drops what should not have been sampled; alspan erases th, and samples as if there were none",
		stage{sampling.Equalizing, 50}, tested{"foo=1,ot=x:1;th:c", 0xc0<<48 - 1}, fates{"drops", "keeps ot=x:1,foo=1"},
		func(_ stage, in tested, f fates) bool {
			s, _ := sampling.ReadState([]byte(in.state))
			id := in.traceID()
			return s.HasThreshold && s.Of(&id) < uint64(s.Threshold) && f.collector == "drops" && !saysTH(f.alspan)
		}},
	{"where both do not read the same, they decide by what they read",
		stage{sampling.Equalizing, 50}, tested{"ot=th:C", high}, fates{"keeps ot=th:c", "keeps ot=th:8"},
		func(_ stage, in tested, _ fates) bool {
			return collectorReads(in.state) != alspanReads(in.state) || memberTwice.MatchString(in.state)
		}},
	{"100 % is not written",
		stage{sampling.Equalizing, 100}, tested{"foo=1", 0}, fates{"keeps ot=th:0,foo=1", "keeps foo=1"},
		func(st stage, _ tested, f fates) bool {
			return st.percent == 100 && !saysTH(f.alspan) && slices.Equal(saying(strings.Replace(f.collector, "th:0", "", 1)), saying(f.alspan))
		}},
	{"a tracestate that says the same stays as it is",
		stage{sampling.Equalizing, 50}, tested{"foo=1, ot=x:1;th:c0", high}, fates{"keeps ot=th:c;x:1,foo=1", "keeps foo=1, ot=x:1;th:c0"},
		func(_ stage, in tested, f fates) bool {
			return f.alspan == words(true, in.state) && slices.Equal(saying(f.collector), saying(f.alspan))
		}},
	{"100 % of what is left is all of it; the collector rounds it, and drops some",
		stage{sampling.Proportional, 100}, tested{"ot=th:fd70af00000001", 0xfd70af00000001}, fates{"drops", "keeps ot=th:fd70af00000001"},
		func(st stage, in tested, f fates) bool {
			return st.mode == sampling.Proportional && st.percent == 100 && saysTH(f.alspan) && f.alspan == words(true, in.state)
		}},
	{"the member is never longer than 256 characters",
		stage{sampling.Equalizing, 50}, tested{"ot=x:1;y:" + strings.Repeat("v", 250) + ",foo=1", high},
		fates{"keeps ot=th:8;x:1;y:" + strings.Repeat("v", 250) + ",foo=1", "keeps ot=th:8;x:1,foo=1"},
		func(_ stage, _ tested, f fates) bool {
			ot, _, _ := strings.Cut(strings.TrimPrefix(f.collector, "keeps ot="), ",")
			return len(ot) > 256 && saysTH(f.alspan)
		}},
	{"of members that are there twice the older goes, as soon as something changes",
		stage{sampling.Equalizing, 50}, tested{"foo=1,bar=2,foo=3", high}, fates{"keeps ot=th:8,foo=1,bar=2,foo=3", "keeps ot=th:8,foo=1,bar=2"},
		func(_ stage, _ tested, f fates) bool {
			left, loss := forwarded(f.collector)
			return left == f.alspan && loss == propagation.TraceStateLoss{Duplicates: loss.Duplicates}
		}},
	{"what changes has at most 512 characters",
		stage{sampling.Equalizing, 50}, tested{"a=" + strings.Repeat("v", 255) + ",b=" + strings.Repeat("v", 255), high},
		fates{"keeps ot=th:8,a=" + strings.Repeat("v", 255) + ",b=" + strings.Repeat("v", 255), "keeps ot=th:8,a=" + strings.Repeat("v", 255)},
		func(_ stage, _ tested, f fates) bool {
			left, loss := forwarded(f.collector)
			return left == f.alspan && loss.Cut > 0
		}},
}

// forwarded gives what may be forwarded of the tracestate of a span that is kept.
func forwarded(kept string) (string, propagation.TraceStateLoss) {
	state, ok := strings.CutPrefix(kept, "keeps ")
	left, loss := propagation.FilterTraceState(nil, []byte(state))
	return words(ok, string(left)), loss
}

func saysTH(kept string) bool {
	s, _ := sampling.ReadState([]byte(strings.TrimPrefix(kept, "keeps ")))
	return s.HasThreshold
}

// saying gives what a tracestate says, without regard to order, white space, empty members and the last zeros of th.
func saying(kept string) (list []string) {
	kept, ok := strings.CutPrefix(kept, "keeps ")
	if !ok {
		return []string{kept}
	}
	for member := range strings.SplitSeq(kept, ",") {
		member = strings.Trim(member, " \t")
		if ot, ok := strings.CutPrefix(member, "ot="); ok {
			for pair := range strings.SplitSeq(ot, ";") {
				if th, ok := strings.CutPrefix(pair, "th:"); ok {
					pair = "th:" + strings.TrimRight(th, "0")
				}
				if pair != "" {
					list = append(list, "ot "+pair)
				}
			}
		} else if member != "" {
			list = append(list, member)
		}
	}
	slices.Sort(list)
	return list
}
