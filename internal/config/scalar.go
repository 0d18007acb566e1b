package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar is the text of one value of the file after expansion.
type scalar struct {
	text string
	kind scalarKind
	bare bool // it is in no quotes, or is all of one variable, so it has the type that it looks like where any will do
}

type scalarKind int

const (
	textScalar     scalarKind = iota // text, in quotes or not
	numberScalar                     // a number or a truth value of YAML
	expandedScalar                   // from a variable: it is whatever its key wants
)

// set reads s into the key's field; n holds no list and no map.
func (n *node) set(s scalar) error {
	switch at := n.at.(type) {
	case *string:
		return into(at, n.text, s)
	case *bool:
		return into(at, n.parseBool, s)
	case *int:
		return into(at, n.parseInt, s)
	case *Size:
		return into(at, n.parseSize, s)
	case *time.Duration:
		return into(at, n.parseDuration, s)
	case *Percent:
		return into(at, n.parsePercent, s)
	}
	panic(fmt.Sprintf("config: the key %s of type %T is no scalar", n.name, n.at))
}

func into[T any](at *T, parse func(scalar) (T, error), s scalar) error {
	v, err := parse(s)
	if err == nil {
		*at = v
	}
	return err
}

// text checks one text: a key's, an element's or a map value's. It does not repeat s unless the key has a list of words
// to choose from: s may be a secret.
func (n *node) text(s scalar) (string, error) {
	if s.kind == numberScalar {
		return "", fmt.Errorf("wants text, so put the value in quotes")
	}
	if n.words != nil {
		word := s.text
		if n.anyCase {
			word = strings.ToLower(word)
		}
		if !slices.Contains(n.words, word) {
			return "", fmt.Errorf("%q is not one of %s", s.text, n.wordList())
		}
		return word, nil
	}
	if n.clean != nil {
		return n.clean(s.text)
	}
	return s.text, nil
}

// wordList gives the words of a key for users.
func (r *rules) wordList() string {
	list := strings.Join(r.words, ", ")
	if len(r.words) > 0 && r.words[0] == "" {
		list = `""` + list
	}
	return list
}

func (n *node) parseBool(s scalar) (bool, error) {
	if s.kind == textScalar || s.text != "true" && s.text != "false" {
		return false, fmt.Errorf("%q is not true or false, without quotes", s.text)
	}
	if n.clean != nil {
		if _, err := n.clean(s.text); err != nil {
			return false, err
		}
	}
	return s.text == "true", nil
}

func (n *node) parseInt(s scalar) (int, error) {
	i, err := strconv.Atoi(s.text)
	if err != nil || s.kind == textScalar {
		return 0, fmt.Errorf("%q is not a whole number, without quotes", s.text)
	}
	return i, n.inRange(i, int64(i))
}

func (n *node) parseSize(s scalar) (Size, error) {
	b, err := ParseSize(s.text)
	if err != nil {
		return 0, err
	}
	return b, n.inRange(b, int64(b))
}

func (n *node) parseDuration(s scalar) (time.Duration, error) {
	d, err := time.ParseDuration(s.text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration like 200ms, 10s or 5m", s.text)
	}
	return d, n.inRange(duration(d), int64(d))
}

func (n *node) parsePercent(s scalar) (Percent, error) {
	p, err := ParsePercent(s.text)
	if err != nil {
		return 0, err
	}
	return p, n.inRange(p, int64(p))
}

func (n *node) inRange(shown any, v int64) error {
	if v < n.min || v > n.max {
		return fmt.Errorf("%v is not in the range %s", shown, n.span())
	}
	return nil
}
