package attributes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

type verb uint8

const (
	insert verb = iota
	update
	upsert
	remove
	hash
	extract
	convert
)

// action is an Action with its keys as indexes of Actions.keys.
type action struct {
	do      verb
	key     int
	from    int            // of FromAttribute, -1 if there is none
	value   value          // if from is -1
	pattern int            // of Actions.patterns, -1 if there is none
	groups  *regexp.Regexp // of extract
	targets []int          // the keys of its groups
	to      kind           // of convert
}

// verbs has what there is to do, and which fields of an Action it takes.
var verbs = map[string]struct {
	do    verb
	takes []string
}{
	"insert":  {insert, []string{"key", "value", "from_attribute"}},
	"update":  {update, []string{"key", "value", "from_attribute"}},
	"upsert":  {upsert, []string{"key", "value", "from_attribute"}},
	"delete":  {remove, []string{"key", "pattern"}},
	"hash":    {hash, []string{"key", "pattern"}},
	"extract": {extract, []string{"key", "pattern"}},
	"convert": {convert, []string{"key", "converted_type"}},
}

func (a *Actions) compile(in *Action) (out action, err error) {
	name := strings.ToLower(in.Action)
	v, ok := verbs[name]
	if !ok {
		return out, fmt.Errorf("action %q is not insert, update, upsert, delete, hash, extract or convert", in.Action)
	}
	if err = in.check(v.do, v.takes); err != nil {
		return out, fmt.Errorf("%s %w", name, err)
	}
	// Without a key it is the empty one that is deleted or hashed beside those of the pattern, as by the collector.
	out = action{do: v.do, key: a.know(in.Key), from: -1, pattern: -1}
	switch {
	case v.do == convert:
		if out.to, ok = map[string]kind{"string": stringKind, "int": intKind, "double": doubleKind}[in.ConvertedType]; !ok {
			err = fmt.Errorf("converted_type %q is not string, int or double", in.ConvertedType)
		}
	case v.do == extract:
		err = a.compileGroups(in, &out)
	case in.Pattern != "":
		var re *regexp.Regexp
		re, err = compilePattern(in.Pattern)
		out.pattern = len(a.patterns)
		a.patterns = append(a.patterns, re)
	case in.FromAttribute != "":
		out.from = a.know(in.FromAttribute)
	case in.Value != nil:
		var raw []byte
		raw, err = appendValue(nil, in.Value)
		out.value.parse(raw)
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// check tells what in has too much or too little for what it is to do.
func (in *Action) check(do verb, takes []string) error {
	for _, f := range []struct {
		name string
		set  bool
	}{{"key", in.Key != ""}, {"pattern", in.Pattern != ""}, {"value", in.Value != nil}, {"from_attribute", in.FromAttribute != ""}, {"converted_type", in.ConvertedType != ""}} {
		if f.set && !slices.Contains(takes, f.name) {
			return fmt.Errorf("has no use for %s; it takes %s", f.name, strings.Join(takes, ", "))
		}
	}
	byPattern := do == remove || do == hash
	sets := do == insert || do == update || do == upsert
	switch {
	case byPattern && in.Key == "" && in.Pattern == "":
		return errors.New("needs a key, a pattern or both")
	case !byPattern && in.Key == "":
		return errors.New("needs a key")
	case sets && in.Value == nil && in.FromAttribute == "":
		return errors.New("needs a value or a from_attribute")
	case in.Value != nil && in.FromAttribute != "":
		return errors.New("takes a value or a from_attribute, not both")
	case do == extract && in.Pattern == "":
		return errors.New("needs a pattern")
	case !utf8.ValidString(in.Key) || !utf8.ValidString(in.FromAttribute):
		return errors.New("has a key that is not UTF-8")
	}
	return nil
}

func (a *Actions) compileGroups(in *Action, out *action) error {
	re, err := compilePattern(in.Pattern)
	if err != nil {
		return err
	}
	names := re.SubexpNames()[1:]
	if len(names) == 0 || slices.Contains(names, "") {
		return fmt.Errorf("pattern %q needs groups, each with the name of an attribute: (?P<name>...)", in.Pattern)
	}
	out.groups = re
	for _, n := range names {
		out.targets = append(out.targets, a.know(n))
	}
	return nil
}
