package config

import (
	"fmt"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${VAR}, ${env:VAR} and ${VAR:-default} in s by what lookup gives, and $$ by one dollar; any other dollar stays.
// As in a shell, the default counts for an empty variable too. Expanded text is not expanded again. An unset variable
// without a default is an error.
func expand(s string, lookup func(string) (string, bool)) (out string, expanded bool, err error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), expanded, nil
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{"):
			inner, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", false, fmt.Errorf("${ has no } (write $$ for a dollar sign)")
			}
			text, err := variable(inner, lookup)
			if err != nil {
				return "", false, err
			}
			b.WriteString(text)
			s, expanded = after, true
		default:
			b.WriteByte('$')
			s = rest
		}
	}
}

// isVariable tells whether s is one ${VAR} and nothing else.
func isVariable(s string) bool {
	return strings.HasPrefix(s, "${") && strings.Index(s, "}") == len(s)-1
}

// variable gives what stands for ${inner}. Collectors write ${env:VAR}, too.
func variable(inner string, lookup func(string) (string, bool)) (string, error) {
	name, def, hasDefault := strings.Cut(strings.TrimPrefix(inner, "env:"), ":-")
	if !variableName.MatchString(name) {
		return "", fmt.Errorf("${%s} does not name an environment variable (write $$ for a dollar sign)", inner)
	}
	text, set := lookup(name)
	switch {
	case hasDefault && text == "":
		return def, nil
	case !set:
		return "", fmt.Errorf("the environment variable %s is not set (${%s:-text} gives a default)", name, name)
	}
	return text, nil
}
