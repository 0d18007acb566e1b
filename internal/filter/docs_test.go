package filter

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

func filtersDoc(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// The document has all aliases, what each is made of, and a value that it really has.
func TestAliasesInTheDoc(t *testing.T) {
	made := madeSpan()
	for key, value := range map[string]string{"client.address": "10.0.0.9", "envoy.request_id": "0f4c1b5e-7c1d-9a8e-b2f3-5d6e7f809182", "envoy.upstream_address": "10.0.0.7:3000"} {
		made.Attributes = append(made.Attributes, textAttribute(key, value))
	}
	made.Attributes = slices.Insert(made.Attributes, 0, integer("http.request.body.size", 34))
	code := regexp.MustCompile("`([^`]+)`")
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| `([^`]+)` \\|$").FindAllStringSubmatch(filtersDoc(t), -1) {
		name, value := m[1], m[3]
		a, ok := aliases[name]
		if !ok {
			continue // of another table
		}
		listed = append(listed, name)
		before, _, _ := strings.Cut(m[2], ", else ")
		var from []string
		for _, c := range code.FindAllStringSubmatch(before, -1) {
			from = append(from, c[1])
		}
		if len(a.from) > 0 && !slices.Equal(from, a.from) {
			t.Errorf("%s is made of %v, the document says %v", name, a.from, from)
		}
		span := made
		if has := slices.ContainsFunc(made.Attributes, func(kv *commonpb.KeyValue) bool { return kv.Key == name }); has {
			span = envoySpan() // of the names the other way round
		}
		f := mustNew(t, Options{Span: named(`attributes["` + name + `"] == ` + value)})
		if f.Evaluator().Look(encoded(t, span), nil, nil, true) != Drop || f.Evaluator().Look(encoded(t, span), nil, nil, false) != Keep {
			t.Errorf("%s is not %s by its other name alone", name, value)
		}
	}
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(aliases)); !slices.Equal(listed, want) {
		t.Errorf("the document lists %q, want %q", listed, want)
	}
}

// The document has the conditions of all presets, in their order, and no others.
func TestPresetsInTheDoc(t *testing.T) {
	var listed, want []string
	for _, m := range regexp.MustCompile(`(?m)^  - (.*) # presets\.(.*)$`).FindAllStringSubmatch(filtersDoc(t), -1) {
		listed = append(listed, m[2]+": "+m[1])
	}
	for _, name := range []string{"probes", "health_paths"} {
		for _, p := range Presets[name] {
			want = append(want, name+"."+p.name+": "+p.text)
		}
	}
	if !slices.Equal(listed, want) || len(Presets) != 2 {
		t.Errorf("the document lists\n%s\nwant\n%s", strings.Join(listed, "\n"), strings.Join(want, "\n"))
	}
}

// What the document says of numbers and texts is so.
func TestNumbersAndTextsInTheDoc(t *testing.T) {
	_, section, _ := strings.Cut(filtersDoc(t), "### Envoy's attributes are texts")
	section, _, _ = strings.Cut(section, "\n## ")
	span := encoded(t, envoySpan())
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$").FindAllStringSubmatch(section, -1)
	for _, m := range rows {
		want := Drop
		if m[2] == "never matches" {
			want = Keep
		}
		if got := mustNew(t, Options{Span: named(m[1])}).Evaluator().Look(span, nil, nil, true); got != want {
			t.Errorf("%s %s, but the verdict is %d", m[1], m[2], got)
		}
	}
	if len(rows) != 5 {
		t.Errorf("%d conditions", len(rows))
	}
}
