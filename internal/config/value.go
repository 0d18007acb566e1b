package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// readAny gives a text, number or truth value, or a list of them, with the types of attributes; nil if there is none.
func (l *loader) readAny(n *node, path string, y ast.Node) any {
	seq, ok := y.(*ast.SequenceNode)
	if !ok {
		return l.readOne(n, path, y)
	}
	values := []any{}
	for i, e := range seq.Values {
		path := fmt.Sprintf("%s[%d]", path, i)
		v := l.readOne(n, path, e)
		if v == nil && !l.bad[path] {
			l.fail(at(e), path, "it has no value")
		}
		values = append(values, v)
	}
	return values
}

func (l *loader) readOne(n *node, path string, y ast.Node) any {
	s, ok := l.scalar(n, path, y)
	if !ok || !s.bare {
		return s.text
	}
	v, err := typed(s.text)
	if err != nil {
		l.fail(at(y), path, "%v", err)
	}
	return v
}

// decimal is a number of YAML 1.1 that is no integer.
var decimal = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// typed gives a scalar without quotes the type that collectors see in it: nil, bool, int64, float64 or string. It is that
// of YAML 1.1 but for dates, yes and no, which are text: 017 and 0o17 are 15, 1_000 is 1000, 1e3 is a float64.
func typed(s string) (any, error) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), nil
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1), nil
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1), nil
	}
	if !strings.ContainsRune("+-.0123456789", rune(s[0])) {
		return s, nil
	}
	plain := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return i, nil
	}
	if _, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return nil, fmt.Errorf("%s is more than a signed integer of 64 bits holds", s)
	}
	if f, err := strconv.ParseFloat(plain, 64); err == nil && decimal.MatchString(plain) {
		return f, nil
	}
	return s, nil
}
