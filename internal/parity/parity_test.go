package parity

import (
	"os"
	"testing"
)

// variables are those that configurations of the corpus ask for.
var variables = map[string]string{
	"PARITY_NAMESPACE": "kube-system", "PARITY_CODE": "500", "PARITY_PATTERN": "^GET /(health|ready)z?$", "PARITY_EMPTY": "",
	"PARITY_CONDITION": `attributes["http.method"] == "GET"`, "PARITY_DOLLAR": "a$b", "PARITY_QUOTED": `"quoted"`,
}

func TestMain(m *testing.M) {
	for name, value := range variables {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

// What alspan makes of a configuration is what the collector makes of it.
func TestCorpus(t *testing.T) {
	for _, e := range corpus(t) {
		t.Run(e.name, func(t *testing.T) {
			want, got := collectorLeaves(t, e.text), alspanLeaves(t, e.text)
			if e.changes() {
				inOrder(want.left)
				inOrder(got.left)
			}
			text := compare(want, got)
			reason, known := differences[e.name]
			switch {
			case known && text == "" && want.effect != fails:
				t.Errorf("there is no difference, though one is known: %s", reason)
			case !known && want.effect == fails:
				t.Errorf("the collector refuses the whole request, and the differences do not say so: %v", want.err)
			case text != "" && (!known || want.effect == fails):
				t.Errorf("%s\n%s\n%s", e.reason, e.text, text)
			}
		})
	}
}

// compare tells in what alspan differs from the collector.
func compare(collector, alspan outcome) string {
	switch {
	case collector.effect == refused && alspan.effect == refused:
		return ""
	case collector.effect == refused:
		return "alspan takes what the collector refuses: " + collector.err.Error()
	case alspan.effect == refused:
		return "alspan refuses what the collector takes: " + alspan.err.Error()
	}
	return difference(collector.left, alspan.left)
}

func TestDifferencesAreOfTheCorpus(t *testing.T) {
	names := map[string]bool{}
	for _, e := range corpus(t) {
		names[e.name] = true
	}
	for name := range differences {
		if !names[name] {
			t.Errorf("%s is in the differences and not in the corpus", name)
		}
	}
}
