package agent

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The numbers in the document are those of an agent with the configuration before them.
func TestNumbersOfSamplingDoc(t *testing.T) {
	const file = "../docs/sampling.md"
	blocks := blocksOf(t, file)
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	now, runs := string(doc), 0
	for i := range blocks {
		if blocks[i].language != "text" {
			continue
		}
		runs++
		conf := blocks[i-1].text
		metrics, _ := afterMinute(t, conf)
		numbers := telling(metrics)
		if diff := cmp.Diff(blocks[i].text, numbers); diff != "" {
			t.Errorf("(-document +agent)\n%s%s", conf, diff)
		}
		now = strings.Replace(now, conf+"```\n\n```text\n"+blocks[i].text, conf+"```\n\n```text\n"+numbers, 1)
	}
	if runs < 10 {
		t.Errorf("%d numbers", runs)
	}
	if *update {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// telling gives the lines that say what was dropped, decided and exported, as far as there is something to say.
func telling(metrics string) string {
	lines := regexp.MustCompile(`(?m)^alspan_(entries_dropped_total|spans_dropped_total|spans_exported_total|sampling_decisions_total|sampling_probability)\b.* .*\n`)
	var told []string
	for _, line := range lines.FindAllString(metrics, -1) {
		usual := " 0\n"
		if strings.HasPrefix(line, "alspan_sampling_probability") {
			usual = " 1\n"
		}
		if !strings.HasSuffix(line, usual) {
			told = append(told, line)
		}
	}
	return strings.Join(told, "")
}
