package check

import (
	"fmt"
	"slices"

	"github.com/alspan/alspan/internal/correlation"
)

// Diff compares the spans that two agents sent in one world, such as the model's and the program's: "-" for one that only
// the first sent, "+" for one that only the second did. When they left is not compared, and neither are derived ids: of them
// only what they are the ids of.
func Diff(w *correlation.World, want, got []Out) []string {
	a, err := lines(w, want)
	if err != nil {
		return []string{err.Error()}
	}
	b, _ := lines(w, got)
	var diff []string
	for line, n := range a {
		for range n - b[line] {
			diff = append(diff, "-"+line)
		}
	}
	for line, n := range b {
		for range n - a[line] {
			diff = append(diff, "+"+line)
		}
	}
	slices.SortFunc(diff, func(a, b string) int { // what belongs together stands together
		if a[1:] < b[1:] {
			return -1
		}
		return 1
	})
	return diff
}

// lines tells of each span what it is, and counts those that are alike.
func lines(w *correlation.World, output []Out) (map[string]int, error) {
	j := &judge{truth: &w.Truth, ids: map[[2]string][]*out{}}
	if err := j.feed(w); err != nil {
		return nil, err
	}
	j.link(output)
	known := map[string]bool{"": true}
	for _, s := range j.spans {
		known[s.Trace], known[s.ID], known[s.Parent] = true, true, true
	}
	records, _ := w.Records()
	for i := range records {
		for _, e := range records[i].Entries { // start entries, too
			known[e.Tags["sid"]], known[e.Tags["tid"]] = true, true
			for _, c := range correlation.Contexts(e.Headers) {
				known[c.Trace], known[c.ID], known[c.Parent] = true, true, true
			}
		}
	}
	count := map[string]int{}
	for _, o := range j.out {
		id, parent, trace := o.id, o.parent, o.trace
		if !known[id] {
			id = "derived"
		}
		if !known[trace] {
			trace = "derived"
		}
		if !known[parent] {
			parent = "a derived one of nobody"
			if up := j.get(o.trace, o.parent); up != nil {
				parent = "that of " + up.subject()
			}
		}
		failed := ""
		if o.GetStatus().GetCode() == 2 {
			failed = " failed"
		}
		count[fmt.Sprintf("%s: %v %s/%s below %q%s", o.subject(), o.Kind, trace, id, parent, failed)]++
	}
	return count, nil
}

// subject says what a span is of, without ids that may be derived.
func (o *out) subject() string {
	what := string(o.how)
	if o.below {
		what += " below"
	}
	if e := o.entry; e != nil {
		what += fmt.Sprintf(" of %s type %d %q %d+%d", e.Log, e.Type, sameText(e.RequestID), e.Start, e.Dur)
	}
	if s := o.in; s != nil {
		what += fmt.Sprintf(" of span %s/%s %v", s.Trace, s.ID, s.Kind)
	}
	return what
}
