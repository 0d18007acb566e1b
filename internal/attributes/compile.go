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
	for _, f := range []struct {
		name string
		set  bool
	}{{"key", in.Key != ""}, {"pattern", in.Pattern != ""}, {"value", in.Value != nil}, {"from_attribute", in.FromAttribute != ""}, {"converted_type", in.ConvertedType != ""}} {
		if f.set && !slices.Contains(v.takes, f.name) {
			return out, fmt.Errorf("%s has no use for %s; it takes %s", name, f.name, strings.Join(v.takes, ", "))
		}
	}
	switch {
	case v.do == remove || v.do == hash:
		if in.Key == "" && in.Pattern == "" {
			return out, fmt.Errorf("%s needs a key, a pattern or both", name)
		}
	case in.Key == "":
		return out, fmt.Errorf("%s needs a key", name)
	}
	if !utf8.ValidString(in.Key) || !utf8.ValidString(in.FromAttribute) {
		return out, fmt.Errorf("a key of %s is not UTF-8", name)
	}
	// The collector does not ask whether there is a key: a pattern alone comes with an attribute whose key is empty.
	out = action{do: v.do, key: a.know(in.Key), from: -1, pattern: -1}
	switch v.do {
	case insert, update, upsert:
		err = a.compileSource(in, &out)
	case remove, hash:
		err = a.compileKeys(in, &out)
	case extract:
		err = a.compileGroups(in, &out)
	case convert:
		if out.to, ok = map[string]kind{"string": stringKind, "int": intKind, "double": doubleKind}[in.ConvertedType]; !ok {
			err = fmt.Errorf("converted_type %q is not string, int or double", in.ConvertedType)
		}
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func (a *Actions) compileSource(in *Action, out *action) error {
	switch {
	case in.Value == nil && in.FromAttribute == "":
		return errors.New("it needs a value or a from_attribute")
	case in.Value != nil && in.FromAttribute != "":
		return errors.New("it takes either a value or a from_attribute, not both")
	case in.Value == nil:
		out.from = a.know(in.FromAttribute)
		return nil
	}
	raw, err := appendValue(nil, in.Value)
	out.value, _ = parse(raw)
	return err
}

func (a *Actions) compileKeys(in *Action, out *action) error {
	if in.Pattern == "" {
		return nil
	}
	re, err := regexp.Compile(in.Pattern)
	if err != nil {
		return fmt.Errorf("cannot compile pattern: %w", err)
	}
	out.pattern = len(a.patterns)
	a.patterns = append(a.patterns, re)
	return nil
}

func (a *Actions) compileGroups(in *Action, out *action) error {
	if in.Pattern == "" {
		return errors.New("it needs a pattern")
	}
	re, err := regexp.Compile(in.Pattern)
	if err != nil {
		return fmt.Errorf("cannot compile pattern: %w", err)
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
