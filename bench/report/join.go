package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alspan/alspan/bench/trial"
)

// more gives the median of what a costs more than b in the same rounds.
func more(a, b *Row) float64 {
	var v []float64
	for i := range min(len(a.Results), len(b.Results)) {
		v = append(v, a.Results[i].CPU-b.Results[i].CPU)
	}
	return median(v)
}

// joinText gives the table of a scenario with both halves of requests.
func (t *Table) joinText(s *strings.Builder) {
	s.WriteString("| | CPU us/item | min..max | us more | x | joined | alone, evicted | items/s | peak MiB | lost | twice | latency ms p50 / p99 / p99.9 / max | load, sink us |\n")
	s.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	base := t.row(t.Base)
	for i := range t.Rows {
		r := &t.Rows[i]
		v := r.values(cpu)
		if len(v) == 0 {
			continue
		}
		var lost, doubled, sent uint64
		var joined, evicted []float64
		for _, x := range r.Results {
			lost, doubled, sent = lost+x.Lost, doubled+x.Doubled, sent+x.Sent
			joined, evicted = append(joined, x.Join.Joined()), append(evicted, x.Join.Evicted())
		}
		of := func(f func(*trial.Result) float64) float64 { return median(r.values(f)) }
		fmt.Fprintf(s, "| %s | %s | %s..%s | %+.2f | %s | %s | %s | %.0f | %.0f | %s | %s | %s | %s, %s |\n", r.System, number(median(v)), number(slices.Min(v)),
			number(slices.Max(v)), more(r, base), number(ratio(r, base)), percent(median(joined)), percent(median(evicted)),
			of(func(x *trial.Result) float64 { return x.Rate }), of(func(x *trial.Result) float64 { return x.Peak }), share(lost, sent), share(doubled, sent), r.latency(),
			number(of(func(x *trial.Result) float64 { return x.LoadCPU })), number(of(func(x *trial.Result) float64 { return x.SinkCPU })))
	}
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }
