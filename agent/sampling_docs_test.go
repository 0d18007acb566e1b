package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/sampler"
	"github.com/alspan/alspan/internal/sampling"
)

const samplingDoc = "../docs/sampling.md"

func docOf(t *testing.T, file string) string {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// Every configuration in the document can be loaded, and makes a sampler.
func TestConfigurationsOfSamplingDoc(t *testing.T) {
	n := 0
	for _, b := range blocksOf(t, samplingDoc) {
		if b.language != "yaml" || strings.HasPrefix(b.text, "processors:") {
			continue
		}
		n++
		c, err := config.Parse("docs/sampling.md", []byte(b.text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Errorf("%v\n%s", err, b.text)
			continue
		}
		if s, err := newSampler(c, slog.New(slog.DiscardHandler)); err != nil || s == nil {
			t.Errorf("it makes the sampler %v, and %v\n%s", s, err, b.text)
		}
	}
	if n < 10 {
		t.Errorf("%d configurations", n)
	}
}

// The numbers in the document are those of an agent with the configuration before them.
func TestNumbersOfSamplingDoc(t *testing.T) {
	doc, blocks, runs := docOf(t, samplingDoc), blocksOf(t, samplingDoc), 0
	now := doc
	messages := minute(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) // when bubbles begin
	for i, b := range blocks {
		if b.language != "text" {
			continue
		}
		runs++
		conf := blocks[i-1].text
		metrics, spans := afterMinute(t, messages, conf)
		now = strings.Replace(now, conf+"```\n\n```text\n"+b.text, conf+"```\n\n```text\n"+telling(metrics), 1)
		if strings.Contains(conf, "action: dynamic") {
			now = regexp.MustCompile(`(?m)(^\| route \| status .*\n.*\n)(\|.*\n)*`).ReplaceAllString(now, "${1}"+byRoute(messages, spans))
		}
	}
	if runs < 10 {
		t.Errorf("%d numbers", runs)
	}
	if diff := cmp.Diff(doc, now); diff != "" {
		t.Errorf("the numbers are others; run go test ./agent -run SamplingDoc -update (-document +agent):\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(samplingDoc, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// telling gives the lines that say what was dropped, decided and exported, as far as there is something to say.
func telling(metrics string) string {
	var told []string
	for _, m := range regexp.MustCompile(`(?m)^alspan_((?:entries_dropped|spans_dropped|spans_exported|sampling_decisions)_total|sampling_probability)\b.* (.*)$`).FindAllStringSubmatch(metrics, -1) {
		line, name, value := m[0], m[1], m[2]
		usual := "0"
		if name == "sampling_probability" {
			usual = "1"
			line = strings.TrimSuffix(line, value) + value[:min(len(value), len("0.12"))]
		}
		if value != usual {
			told = append(told, line+"\n")
		}
	}
	return strings.Join(told, "")
}

// What the document says that the log says when memory fills up, and when there is room again, is what it says.
func TestStressInSamplingDoc(t *testing.T) {
	var out bytes.Buffer
	c := config.Default()
	s, err := newSampler(c, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range []int{69, 70, 71, 71, 50, 49, 49, 49, 49, 49, 49, 49, 49, 49} {
		s.Tick(used)
	}
	if !strings.Contains(docOf(t, samplingDoc), "```\n"+out.String()+"```\n") || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("the document does not have what the log says:\n%s", &out)
	}
}

// The reasons in the document are those that there are.
func TestReasonsInSamplingDoc(t *testing.T) {
	_, table, _ := strings.Cut(docOf(t, samplingDoc), "\n| reason | what has decided |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []string
	for row := range strings.Lines(table) {
		listed = append(listed, strings.Split(row, "`")[1])
	}
	if !slices.Equal(listed, config.SampleReasons) || !slices.Equal(listed, sampler.ReasonNames()) {
		t.Errorf("the document has %v, the configuration refuses %v, the sampler has %v", listed, config.SampleReasons, sampler.ReasonNames())
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// What the document says of its traffic is so.
func TestTrafficOfSamplingDoc(t *testing.T) {
	doc := docOf(t, samplingDoc)
	for what, n := range map[string]int{
		"are for the route `products` of the service `shop`": inMinute - ofAdmin - ofCheckout - ofCart, "for `cart` of `shop`": ofCart, "for `checkout` of `payment`": ofCheckout,
		"for `admin` of `shop`": ofAdmin, "were answered with 503": withError, "took 3 s, the others 20 ms": tookLong,
		"have a `traceparent` that says: not sampled": notSampledByTracer, "have no trace context": withoutAnyContext,
	} {
		if row := fmt.Sprintf("| %s | %s |\n", what, thousands(n)); !strings.Contains(doc, row) {
			t.Errorf("the document has no %q", row)
		}
	}
	if !strings.Contains(doc, "the same "+thousands(inMinute)+" requests within a minute") {
		t.Errorf("the document does not speak of %d requests", inMinute)
	}
}

// What the document says of the two modes is what they do.
func TestModesInSamplingDoc(t *testing.T) {
	var highest sampling.State
	percent := func(m sampling.Mode, before float64) string {
		at, past := sampling.FromProbability(0.01), sampling.FromProbability(before)
		if m == sampling.Proportional {
			at = sampling.Exactly(0.01)
		}
		o := m.Sample(&highest, 1<<56-1, at, past, true)
		return fmt.Sprintf("%.3g %%", 100*o.Threshold.Probability())
	}
	for before, want := range map[float64][2]string{0.1: {"1 %", "0.1 %"}, 0.005: {"0.5 %", "0.005 %"}} {
		if got := [2]string{percent(sampling.Equalizing, before), percent(sampling.Proportional, before)}; got != want {
			t.Errorf("what was sampled at %v has %v then, want %v", before, got, want)
		}
	}
	for _, row := range []string{"| was sampled at 10 % | 1 % of all traces, a tenth of what comes | 0.1 % of all traces, a hundredth of what comes |",
		"| was sampled at 0.5 % | all of what comes | 0.005 % of all traces |"} {
		if !strings.Contains(docOf(t, samplingDoc), "\n"+row+"\n") {
			t.Errorf("the document has no row %s", row)
		}
	}
}
