package report

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/perf/benchmath"

	"github.com/alspan/alspan/bench/trial"
)

func results(cpu ...float64) (list []trial.Result) {
	for _, v := range cpu {
		list = append(list, trial.Result{CPU: v, Sent: 10})
	}
	return list
}

func TestRatioIsOfPairs(t *testing.T) {
	check := func(a, b []float64, want float64) {
		t.Helper()
		if got := ratio(&Row{Results: results(a...)}, &Row{Results: results(b...)}); got != want {
			t.Errorf("ratio of %v to %v is %v, want %v", a, b, got, want)
		}
	}
	check([]float64{10, 40, 90}, []float64{1, 2, 3}, 20) // 10, 20, 30
	check([]float64{10, 40}, []float64{1, 2}, 15)
	check([]float64{10, 40}, []float64{5}, 2)
	check(nil, []float64{1}, 0)
}

func document() *Document {
	d := &Document{Tables: []Table{{Name: "Saturated", Note: "Four streams.", Rows: []Row{
		{System: "alspan", Results: results(2, 4, 3)}, {System: "collector", Results: results(60, 80, 70)}, {System: "other", Missing: "not installed"}}}}}
	d.Tables[0].Rows[0].Results[1].Lost = 3
	for _, p := range []float64{1, 4, 16} {
		d.Tables = append(d.Tables, Table{Name: "streams", Point: p, Rows: []Row{{System: "alspan", Results: results(2, 2+p)}, {System: "collector"}}})
	}
	return d
}

func TestText(t *testing.T) {
	text := document().Text()
	for _, want := range []string{
		"| alspan | 3.00 | 2.00..4.00 | 1.00 | 0.04 |", "| 3 (10.0 %) |", "| collector | 70.0 | 60.0..80.0 | 23.3 | 1.00 |",
		"| other | not installed |", "## CPU us/entry by streams", "| 1 | 4 | 16 |", "| alspan | 2.50 (2.00..3.00) |", "| collector | - | - | - |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestNotesSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := os.WriteFile(path, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := document().WriteInto(path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	text := string(b)
	if err != nil || !strings.HasPrefix(text, "before\n"+beginMark) || !strings.HasSuffix(text, endMark+"\nafter\n") ||
		strings.Contains(text, "old") || strings.Count(text, "## Saturated") != 1 {
		t.Errorf("%v:\n%s", err, text)
	}
	if _, err := replace("no markers", "x"); err == nil {
		t.Error("a file without markers was changed")
	}
}

func TestPlot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scaling.svg")
	if err := document().Plot(path, []string{"streams", "nothing measured"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "alspan") || !strings.Contains(string(b), "</svg>") {
		t.Errorf("%v: %.200s", err, b)
	}
}

func TestReadStages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stages.txt")
	line := "BenchmarkX/step=walk/events=off-2 \t 1000 \t %s ns/op\t 5 B/op\t 2 allocs/op\n"
	text := "goos: linux\n"
	for _, v := range []string{"100", "300", "200"} {
		text += strings.Replace(line, "%s", v, 1)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := ReadStages(path)
	if err != nil || len(list) != 1 || list[0].Name != "X/step=walk/events=off" || math.Round(list[0].Time.Center*1e9) != 200 || list[0].Objects != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestStagesHaveABaseOfTheirOwn(t *testing.T) {
	var s strings.Builder
	stage := func(name string, seconds float64) Stage {
		return Stage{Name: name, Time: benchmath.Summary{Center: seconds}}
	}
	stagesText(&s, []Stage{stage("X/step=walk", 1), stage("X/step=official-runtime", 4), stage("Y/step=official-decode", 10), stage("Y/step=look", 1), stage("Z/step=walk", 1)})
	for _, want := range []string{"X/step=walk | 1000000000 | 0..0 | 0.250 |", "Y/step=look | 1000000000 | 0..0 | 0.100 |", "Z/step=walk | 1000000000 | 0..0 | - |"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("no %q in\n%s", want, &s)
		}
	}
}
