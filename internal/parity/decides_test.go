package parity

import (
	"maps"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/confmap"
)

// Every configuration of the corpus does in the collector what is expected of it: by default, some spans are left as they
// came and others not. A configuration that decides nothing would not show a difference either.
func TestCorpusDecides(t *testing.T) {
	list := corpus(t)
	if len(list) < 220 {
		t.Errorf("there are %d configurations", len(list))
	}
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			o := collectorLeaves(t, e.text)
			t.Logf("%d spans are left", len(o.left))
			if o.effect != e.expect {
				t.Errorf("%s\n%s\nit is %q, %d spans are left, the error is %v", e.reason, e.text, o.effect, len(o.left), o.err)
			}
			if o.effect == refused {
				return
			}
			idle := 0
			for _, conf := range oneLess(t, e.text) {
				if less := leaves(t, conf); less.effect == o.effect && difference(o.left, less.left) == "" {
					idle++
				}
			}
			if idle != e.idle {
				t.Errorf("%s\n%s\n%d conditions change nothing", e.reason, e.text, idle)
			}
		})
	}
}

// oneLess gives the configuration without one condition, for each one.
func oneLess(t *testing.T, text string) []*confmap.Conf {
	t.Helper()
	var list []*confmap.Conf
	for n := 0; ; n++ {
		conf, err := resolve(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		m := conf.ToStringMap()
		left := n
		less, cut := without(m["filter"], &left)
		if !cut {
			break
		}
		m["filter"] = less
		list = append(list, confmap.NewFromStringMap(m))
	}
	if len(list) == 1 { // the only one
		return nil
	}
	return list
}

// without gives v without its condition number n, and tells whether it has one.
func without(v any, n *int) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if less, cut := without(v[key], n); cut {
				v[key] = less
				return v, true
			}
		}
	case []any:
		for i, e := range v {
			if _, is := e.(string); is {
				if *n--; *n < 0 {
					return slices.Delete(v, i, i+1), true
				}
			} else if less, cut := without(e, n); cut {
				v[i] = less
				return v, true
			}
		}
	}
	return v, false
}

// walk calls f with all conditions in v.
func walk(v any, f func(condition string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, e := range v {
			walk(e, f)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "error_mode" && key != "context" && key != "spans" {
				walk(v[key], f)
			}
		}
	}
}
