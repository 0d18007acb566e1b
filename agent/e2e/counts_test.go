package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

const (
	filteredSpans = `alspan_spans_dropped_total{reason="filtered"}`
	joinedEntries = `alspan_join_entries_total{fate="joined"}`
)

// counts is the block of a case's wants that is about no request.
const counts = "counts"

// counts gives what the agent says of its filters, of what they have dropped, and of its join.
func (m metrics) counts() []string {
	var all []string
	hits := regexp.MustCompile(`^alspan_filter_hits_total\{.*,rule="(.*)"\}$`)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if found := hits.FindStringSubmatch(name); found != nil && m[name] > 0 {
			all = append(all, fmt.Sprintf("hits %s %v", found[1], m[name]))
		}
	}
	slices.Sort(all)
	return append(all, fmt.Sprintf("filtered %v", m[filteredSpans]), fmt.Sprintf("joined %v", m[joinedEntries]))
}
