package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// yaml gives the value of a key on one line of YAML, from which the same value is read. It does not say from which place.
func (n *node) yaml() string {
	switch at := n.at.(type) {
	case *string:
		return yamlText(*at)
	case *bool:
		return strconv.FormatBool(*at)
	case *int:
		return strconv.Itoa(*at)
	case *Size:
		return at.String()
	case *Percent:
		return at.String()
	case *time.Duration:
		return duration(*at).String()
	case *[]string:
		return yamlList(*at, yamlText)
	case *[]Text:
		return yamlList(*at, func(t Text) string { return yamlText(t.Value) })
	case *map[string]string:
		items := yamlList(slices.Sorted(maps.Keys(*at)), func(k string) string { return yamlName(k) + ": " + yamlText((*at)[k]) })
		return "{" + items[1:len(items)-1] + "}"
	case *any:
		return yamlAny(*at)
	}
	return yamlList(n.elements.all(), n.elements.yaml)
}

func yamlList[T any](list []T, yaml func(T) string) string {
	var items []string
	for _, v := range list {
		items = append(items, yaml(v))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// yaml gives one element of a list, whose keys are those of n.
func (e *elements) yaml(n *node) string {
	var set []string
	for i, k := range n.keys {
		if v := k.yaml(); v != e.kind.keys[i].yaml() {
			set = append(set, k.name+": "+v)
		}
	}
	return "{" + strings.Join(set, ", ") + "}"
}

func yamlAny(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return yamlText(v)
	case []any:
		return yamlList(v, yamlAny)
	case float64:
		switch {
		case math.IsNaN(v):
			return ".nan"
		case math.IsInf(v, 0):
			return strings.TrimSuffix(strings.ToLower(fmt.Sprintf("%+f", v)), "inf") + ".inf"
		case v == math.Trunc(v) && math.Abs(v) < 1e6:
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	return fmt.Sprint(v) // bool, int64
}

var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// yamlText gives s as a YAML scalar that expands to itself.
func yamlText(s string) string { return yamlName(strings.ReplaceAll(s, "$", "$$")) }

// yamlName gives s as a YAML scalar, in quotes unless it is one plain word. Names are not expanded.
func yamlName(s string) string {
	if plainText.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}
