// Package report takes measurements and gives what is committed: tables of medians with their spread and ratios of paired
// rounds in Markdown, and a plot.
package report

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alspan/alspan/bench/systems"
	"github.com/alspan/alspan/bench/trial"
)

// Document is one run of everything.
type Document struct {
	Machine Machine
	How     string // rounds and times
	Stages  []Stage
	Idle    []trial.Rest
	Tables  []Table
}

// Table is one scenario.
type Table struct {
	Name, Note string
	Point      float64 // on the x axis of the plot; 0 for a table of its own
	Traces     bool    // has the columns about single items
	Base       string  // the row that the others cost more than; empty: ratios are shown
	Rows       []Row
}

// Row is one system in a scenario, with a result of each round.
type Row struct {
	System  string
	Missing string // why there are no results
	Results []trial.Result
}

func (r *Row) values(f func(*trial.Result) float64) (v []float64) {
	for i := range r.Results {
		v = append(v, f(&r.Results[i]))
	}
	return v
}

func cpu(r *trial.Result) float64 { return r.CPU }

// median gives the middle, or the mean of the two in the middle.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratio gives the median of the ratios a/b of the same rounds, 0 if there are none.
func ratio(a, b *Row) float64 {
	var v []float64
	for i := range min(len(a.Results), len(b.Results)) {
		if b.Results[i].CPU > 0 {
			v = append(v, a.Results[i].CPU/b.Results[i].CPU)
		}
	}
	return median(v)
}

// row finds a system by the beginning of its name.
func (t *Table) row(prefix string) *Row {
	for i := range t.Rows {
		if strings.HasPrefix(t.Rows[i].System, prefix) {
			return &t.Rows[i]
		}
	}
	return &Row{}
}

// Text gives the whole document as Markdown.
func (d *Document) Text() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s%s\n", d.Machine, d.How)
	stagesText(&s, d.Stages)
	for i := range d.Tables {
		if d.Tables[i].Point == 0 {
			d.Tables[i].text(&s)
		}
	}
	if len(d.Idle) > 0 {
		fmt.Fprint(&s, "\n## Idle\n\n| system | resident MiB | % of a core |\n|---|---|---|\n")
		for _, r := range d.Idle {
			fmt.Fprintf(&s, "| %s | %.0f | %.2f |\n", r.System, r.Resident, r.Core)
		}
	}
	d.scalingText(&s)
	return s.String()
}

func (t *Table) text(s *strings.Builder) {
	fmt.Fprintf(s, "\n## %s\n\n%s\n\n", t.Name, t.Note)
	if t.Base != "" {
		t.joinText(s)
		return
	}
	s.WriteString("| system | CPU us/entry | min..max | x alspan | x collector | entries/s | peak MiB | lost | doubled | latency ms p50 / p99 / p99.9 / max | load, sink us |\n")
	s.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Missing != "" {
			fmt.Fprintf(s, "| %s | %s | | | | | | | | | |\n", r.System, r.Missing)
			continue
		}
		v := r.values(cpu)
		if len(v) == 0 {
			continue
		}
		var lost, doubled, sent uint64
		for _, x := range r.Results {
			lost, doubled, sent = lost+x.Lost, doubled+x.Doubled, sent+x.Sent
		}
		fmt.Fprintf(s, "| %s | %s | %s..%s | %s | %s | %.0f | %.0f | %s | %d | %s | %s, %s |\n", r.System, number(median(v)), number(slices.Min(v)),
			number(slices.Max(v)), number(ratio(r, t.row(systems.AlspanName))), number(ratio(r, t.row(systems.CollectorName))),
			median(r.values(func(x *trial.Result) float64 { return x.Rate })),
			median(r.values(func(x *trial.Result) float64 { return x.Peak })), share(lost, sent), doubled, r.latency(),
			number(median(r.values(func(x *trial.Result) float64 { return x.LoadCPU }))), number(median(r.values(func(x *trial.Result) float64 { return x.SinkCPU }))))
	}
}

// latency gives the medians of the quantiles.
func (r *Row) latency() string {
	of := func(f func(*trial.Result) float64) string { return number(median(r.values(f))) }
	if r.Results[0].Latency.Max == 0 {
		return "-" // what comes out cannot be told apart
	}
	return fmt.Sprintf("%s / %s / %s / %s", of(func(x *trial.Result) float64 { return x.Latency.P50 }), of(func(x *trial.Result) float64 { return x.Latency.P99 }),
		of(func(x *trial.Result) float64 { return x.Latency.P999 }), of(func(x *trial.Result) float64 { return x.Latency.Max }))
}

func share(n, of uint64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.1f %%)", n, float64(n)/float64(of)*100)
}

// number gives three digits, "-" for nothing.
func number(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// scalingText gives the points of the plot as tables, one for each series.
func (d *Document) scalingText(s *strings.Builder) {
	for _, name := range d.series() {
		points := d.points(name)
		fmt.Fprintf(s, "\n## CPU us/entry by %s\n\n|", name)
		for _, p := range points {
			fmt.Fprintf(s, " | %.0f", p.Point)
		}
		fmt.Fprintf(s, " |\n|---%s|\n", strings.Repeat("|---", len(points)))
		for _, system := range points[0].Rows {
			fmt.Fprintf(s, "| %s", system.System)
			for _, p := range points {
				v := p.row(system.System).values(cpu)
				if len(v) == 0 {
					s.WriteString(" | -")
					continue
				}
				fmt.Fprintf(s, " | %s (%s..%s)", number(median(v)), number(slices.Min(v)), number(slices.Max(v)))
			}
			s.WriteString(" |\n")
		}
	}
}

// series gives the names of the series, in order.
func (d *Document) series() (names []string) {
	for _, t := range d.Tables {
		if t.Point > 0 && !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

func (d *Document) points(name string) (list []Table) {
	for _, t := range d.Tables {
		if t.Point > 0 && t.Name == name {
			list = append(list, t)
		}
	}
	return list
}

// What lies between the markers is written by WriteInto; what is around them is written by people.
const (
	beginMark = "<!-- generated: make bench writes what follows -->"
	endMark   = "<!-- end of what is generated -->"
)

// WriteInto replaces what lies between the markers in a file.
func (d *Document) WriteInto(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read the results: %w", err)
	}
	text, err := replace(string(old), d.Text())
	if err != nil {
		return fmt.Errorf("cannot write into %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot write the results: %w", err)
	}
	return nil
}

func replace(old, generated string) (string, error) {
	before, rest, found := strings.Cut(old, beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !found || !ended {
		return "", fmt.Errorf("cannot find the markers %q and %q", beginMark, endMark)
	}
	return before + beginMark + "\n\n" + generated + "\n" + endMark + after, nil
}
