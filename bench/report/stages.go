package report

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// Stage is one benchmark of go test -bench.
type Stage struct {
	Name           string
	Time           benchmath.Summary // ns
	Bytes, Objects float64           // of allocations
}

// confidence of the interval around a median, as benchstat has it.
const confidence = 0.95

// ReadStages reads the output of go test -bench.
func ReadStages(path string) ([]Stage, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the stages: %w", err)
	}
	defer f.Close()
	var names []string
	values := map[string]map[string][]float64{} // name, unit
	r := benchfmt.NewReader(f, path)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			base, parts := rec.Name.Parts()
			name := string(base)
			for _, p := range parts {
				if !strings.HasPrefix(string(p), "-") { // not GOMAXPROCS
					name += string(p)
				}
			}
			if values[name] == nil {
				names, values[name] = append(names, name), map[string][]float64{}
			}
			for _, v := range rec.Values {
				values[name][v.Unit] = append(values[name][v.Unit], v.Value)
			}
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("cannot read the stages: %w", rec)
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("cannot read the stages: %w", err)
	}
	var list []Stage
	for _, name := range names {
		v := values[name]
		sample := benchmath.NewSample(v["sec/op"], &benchmath.DefaultThresholds)
		list = append(list, Stage{name, benchmath.AssumeNothing.Summary(sample, confidence), median(v["B/op"]), median(v["allocs/op"])})
	}
	return list, nil
}

func stagesText(s *strings.Builder, list []Stage) {
	if len(list) == 0 {
		return
	}
	s.WriteString("\n## Stages\n\nOne entry or span at a time, in one process. The ratio is to the official libraries: decoding an entry alone, decoding a span " +
		"and asking pkg/ottl.\n\n")
	s.WriteString("| stage | median ns | 95 % | ratio | bytes / allocations |\n|---|---|---|---|---|\n")
	for _, st := range list {
		benchmark, _, _ := strings.Cut(st.Name, "/")
		base := slices.IndexFunc(list, func(st Stage) bool { return strings.HasPrefix(st.Name, benchmark+"/step=official") })
		of := "-"
		if base >= 0 {
			of = fmt.Sprintf("%.3f", st.Time.Center/list[base].Time.Center)
		}
		fmt.Fprintf(s, "| %s | %.0f | %.0f..%.0f | %s | %.0f / %.0f |\n", st.Name, st.Time.Center*1e9, st.Time.Lo*1e9, st.Time.Hi*1e9, of, st.Bytes, st.Objects)
	}
}
