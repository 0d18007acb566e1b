package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

const (
	filteredSpans     = `alspan_spans_dropped_total{reason="filtered"}`
	sampledOutEntries = `alspan_entries_dropped_total{reason="sampled_out"}`
	unsampledEntries  = `alspan_entries_dropped_total{reason="unsampled"}`
	sampledOutSpans   = `alspan_spans_dropped_total{reason="sampled_out"}`
	joinedEntries     = `alspan_join_entries_total{fate="joined"}`
)

// counts is the block of a case's wants that is about no request.
const counts = "counts"

// samplingRule is the attribute that says what has sampled a span.
const samplingRule = "alspan.sampling.rule"

// counts gives what the agent says of its filters and its sampler, of what they have dropped, and of its join.
func (m metrics) counts() []string {
	var all []string
	hits := regexp.MustCompile(`^alspan_filter_hits_total\{.*,rule="(.*)"\}$`)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if found := hits.FindStringSubmatch(name); found != nil && m[name] > 0 {
			all = append(all, fmt.Sprintf("hits %s %v", found[1], m[name]))
		}
	}
	decisions := regexp.MustCompile(`^alspan_sampling_decisions_total\{decision="(.*)",rule="(.*)"\}$`)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if found := decisions.FindStringSubmatch(name); found != nil && m[name] > 0 {
			all = append(all, fmt.Sprintf("%s %s %v", found[1], found[2], m[name]))
		}
	}
	for what, name := range map[string]string{"sampled out": sampledOutSpans, "entries sampled out": sampledOutEntries, "unsampled": unsampledEntries} {
		if m[name] > 0 {
			all = append(all, fmt.Sprintf("%s %v", what, m[name]))
		}
	}
	slices.Sort(all)
	return append(all, fmt.Sprintf("filtered %v", m[filteredSpans]), fmt.Sprintf("joined %v", m[joinedEntries]))
}
