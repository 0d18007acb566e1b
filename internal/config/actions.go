package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Attributes is what is done to the attributes of spans.
type Attributes struct {
	Actions []Action
}

// Resource is what is done to the attributes of resources.
type Resource struct {
	Attributes []Action
}

// Action is one change of attributes, with its place in the file. What Action says decides which fields are set.
type Action struct {
	Key           string
	Pattern       string // RE2
	Action        string // insert, update, upsert, delete, hash, extract or convert
	FromAttribute string
	ConvertedType string // int, double or string
	Value         any    // nil, string, int64, float64, bool, or []any of those but nil
	Path          string // like attributes.actions[0]
	Line          int    // 0 if it is not from the file
}

func (a *Attributes) declare() *node {
	return section("attributes", "What is done to the attributes of spans that are exported. What a collector has for its attributes processor can "+
		"be pasted here.",
		list("actions", &a.Actions, "What is done, in this order; each action sees what those before it did.", checked("actions", nil))).
		refuse("it is not supported: actions are done on all spans that filter leaves, which takes conditions in OTTL", "include", "exclude").
		example(`attributes:
  actions:
    - {key: cluster, value: tap-sandbox, action: upsert}
    - {key: client.address, action: hash}
    - {pattern: '^debug\.', action: delete}
    - {key: url.path, pattern: "^/users/(?P<user_id>[0-9]+)", action: extract}
    - {key: http.response.status_code, converted_type: int, action: convert}
`)
}

func (r *Resource) declare() *node {
	return section("resource", "What is done to the attributes of resources. What a collector has for its resource processor can be "+
		"pasted here.",
		list("attributes", &r.Attributes, "What is done, in this order. Actions are written as in `attributes.actions`.", checked("actions", nil)).
			describedElsewhere()).
		example(`resource:
  attributes:
    - {key: deployment.environment.name, value: "${ENVIRONMENT:-test}", action: insert}
    - {key: k8s.cluster.name, from_attribute: cluster, action: upsert}
`)
}

func (a *Action) declare(path string, line int) *node {
	a.Path, a.Line = path, line
	return section("", "One action.",
		key("key", &a.Key, "", "The attribute.", checked("name", nil)),
		key("action", &a.Action, "",
			"`insert` sets an attribute that is not there, `update` one that is, `upsert` either. `delete` takes it away. `hash` replaces it by "+
				"its SHA-256. `extract` sets an attribute for each named group of `pattern`. `convert` changes its type.",
			oneOfAnyCase(actions...)),
		anyValue("value", &a.Value,
			"For `insert`, `update` and `upsert`. What looks like a number or a truth value and is in no quotes is one, with the type that a "+
				"collector gives it: `017` is 15, `1e3` a double. So is what one variable alone gives; a list in a variable is text."),
		key("from_attribute", &a.FromAttribute, "", "Instead of `value`: the attribute that is copied, if it is there.", checked("name", nil)),
		key("pattern", &a.Pattern, "",
			"For `extract`: what the attribute, a text, is to match, with a name for each group. For `delete` and `hash`, instead of `key` or "+
				"beside it: all attributes are meant whose name it matches anywhere.",
			checked("regular expression (RE2) of at most 4KiB", orOff(pattern))),
		key("converted_type", &a.ConvertedType, "", "For `convert`. What cannot be converted stays as it is.", oneOf("int", "double", "string"))).
		checkedBy(a.check).
		refuse("it is not supported, for there is no context of a request here; from_attribute takes another attribute", "from_context").
		refuse("it is not supported; write an action of its own for that value", "default_value")
}

var actions = []string{"insert", "update", "upsert", "delete", "hash", "extract", "convert"}

// needs gives the keys that an action takes: of each list it needs one.
func needs(action string) [][]string {
	switch action {
	case "delete", "hash":
		return [][]string{{"key", "pattern"}}
	case "extract":
		return [][]string{{"key"}, {"pattern"}}
	case "convert":
		return [][]string{{"key"}, {"converted_type"}}
	}
	return [][]string{{"key"}, {"value", "from_attribute"}}
}

// check looks at what the keys of an action say together.
func (a *Action) check(l *loader) {
	from := origin{line: a.Line}
	if a.Action == "" {
		if !l.bad[join(a.Path, "action")] {
			l.fail(from, a.Path, "it needs an action: %s", strings.Join(actions, ", "))
		}
		return
	}
	given := func(name string) bool {
		set := map[string]bool{"key": a.Key != "", "value": a.Value != nil, "from_attribute": a.FromAttribute != "",
			"pattern": a.Pattern != "", "converted_type": a.ConvertedType != ""}
		return set[name] || l.bad[join(a.Path, name)]
	}
	for _, names := range needs(a.Action) {
		if !slices.ContainsFunc(names, given) && !l.bad[join(a.Path, "from_context")] {
			l.fail(from, a.Path, "%s needs %s, not empty", a.Action, strings.Join(names, " or "))
		}
	}
	takes := slices.Concat(needs(a.Action)...)
	for _, name := range []string{"key", "value", "from_attribute", "pattern", "converted_type"} {
		if path := join(a.Path, name); given(name) && !slices.Contains(takes, name) {
			l.fail(l.from[path], path, "%s takes only %s", a.Action, strings.Join(takes, ", "))
		}
	}
	switch pattern := join(a.Path, "pattern"); {
	case a.Value != nil && a.FromAttribute != "":
		l.fail(from, a.Path, "it has both value and from_attribute")
	case a.Action == "extract" && a.Pattern != "" && !namesGroups(a.Pattern):
		l.fail(l.from[pattern], pattern, "extract needs groups, all with a name: (?P<name>...)")
	}
}

const maxPattern = 4 * KiB

// pattern checks a regular expression.
func pattern(s string) (string, error) {
	if err := atMost(s, maxPattern); err != nil {
		return "", err
	}
	_, err := regexp.Compile(s)
	if bad, ok := errors.AsType[*syntax.Error](err); ok {
		return "", fmt.Errorf("it is not a regular expression (RE2): %s: %q", bad.Code, bad.Expr)
	}
	return s, err
}

// namesGroups tells whether a regular expression has groups, each with a name.
func namesGroups(expr string) bool {
	names := regexp.MustCompile(expr).SubexpNames()[1:]
	return len(names) > 0 && !slices.Contains(names, "")
}
