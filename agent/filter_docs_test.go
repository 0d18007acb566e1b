package agent

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/config"
)

// block is one of the fenced blocks of a document.
type block struct{ language, text string }

func blocksOf(t *testing.T, file string) (list []block) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(doc), -1) {
		list = append(list, block{m[1], m[2]})
	}
	return list
}

// Every configuration in the document can be loaded.
func TestConfigurationsOfFiltersDoc(t *testing.T) {
	n := 0
	for _, b := range blocksOf(t, "../docs/filters.md") {
		if b.language != "yaml" || strings.HasPrefix(b.text, "processors:") {
			continue
		}
		n++
		c, err := config.Parse("docs/filters.md", []byte(b.text), func(string) (string, bool) { return "", false })
		if err == nil {
			_, err = newRules(c, nil, slog.New(slog.DiscardHandler))
		}
		if err != nil {
			t.Errorf("%v\n%s", err, b.text)
		}
	}
	if n < 10 {
		t.Errorf("%d configurations", n)
	}
}

// What the document says becomes of a collector's processors is what stands below their names.
func TestPastedFromACollector(t *testing.T) {
	blocks := blocksOf(t, "../docs/filters.md")
	for i, b := range blocks {
		if !strings.HasPrefix(b.text, "processors:") {
			continue
		}
		var from struct{ Processors map[string]any }
		var to map[string]any
		if err := yaml.Unmarshal([]byte(b.text), &from); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(blocks[i+1].text), &to); err != nil {
			t.Fatal(err)
		}
		pasted := map[string]any{}
		for name, below := range from.Processors {
			kind, _, _ := strings.Cut(name, "/")
			pasted[kind] = below
		}
		if diff := cmp.Diff(pasted, to); diff != "" || len(to) == 0 {
			t.Errorf("(-pasted +in the document):\n%s", diff)
		}
		return
	}
	t.Error("the document has no processors of a collector")
}

// What the document shows of the command is what it prints.
func TestFilterTestInFiltersDoc(t *testing.T) {
	var conf, spans, console string
	for _, b := range blocksOf(t, "../docs/filters.md") {
		switch {
		case b.language == "console":
			console = b.text
		case b.language == "json":
			spans = b.text
		case console == "" && spans == "":
			conf = b.text
		}
	}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"alspan.yaml": conf, "spans.json": spans} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line, out, _ := strings.Cut(console, "\n")
	if diff := cmp.Diff(out, string(printedBy(t, strings.TrimPrefix(line, "$ alspan ")))); diff != "" || out == "" {
		t.Errorf("%s prints something else (-document +now):\n%s", line, diff)
	}
}
