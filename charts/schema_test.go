package charts

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/config"
)

// The schema of the values has that of the agent's configuration in it, so that a mistake there is told by Helm and not by a pod
// that does not start. It is the last part of the file, and -update writes it anew.
func TestSchemaHasTheAgents(t *testing.T) {
	const file, begin, end = "alspan/values.schema.json", "\n    \"agent\": ", "\n  }\n}\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, generated, found := strings.Cut(string(text), begin)
	if !found || !strings.HasSuffix(generated, end) {
		t.Fatalf("%s does not end with the part %q", file, begin)
	}
	var schema object
	decode(t, config.Schema(), &schema)
	delete(schema, "$schema")
	forHelm(schema)
	want, err := json.MarshalIndent(schema, "    ", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+string(want)+end), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(strings.TrimSuffix(generated, end), "\n")); diff != "" {
		t.Errorf("the agent's configuration has changed (make generate writes its schema anew):\n%s", diff)
	}
}

// forHelm adapts a schema: references begin at the root of the values' schema, and a bare on or off is true or false in Helm's YAML.
func forHelm(v any) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			v["$ref"] = strings.Replace(ref, "#/", "#/$defs/agent/", 1)
		}
		if words, ok := v["enum"].([]any); ok && slices.Contains(words, any("off")) {
			v["enum"] = append(words, true, false)
		}
		for _, below := range v {
			forHelm(below)
		}
	case []any:
		for _, below := range v {
			forHelm(below)
		}
	}
}
