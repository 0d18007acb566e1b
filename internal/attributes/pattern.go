package attributes

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
)

func compilePattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("cannot compile pattern: %w", err)
	}
	return re, nil
}

// pattern is a regular expression with what a text must have for a match: nearly all texts are told apart by that.
type pattern struct {
	re      *regexp.Regexp
	least   int    // bytes
	literal []byte // anywhere in it
}

func newPattern(re *regexp.Regexp) pattern {
	p := pattern{re: re}
	if tree, err := syntax.Parse(re.String(), syntax.Perl); err == nil {
		literal := ""
		p.least, literal = needs(tree.Simplify())
		p.literal = []byte(literal)
	}
	return p
}

func (p *pattern) matches(text []byte) bool {
	return len(text) >= p.least && bytes.Contains(text, p.literal) && p.re.Match(text)
}

// replace gives text with each match replaced by what mask makes of it. Where there is none it gives text itself.
func (p *pattern) replace(text []byte, mask func(match []byte) []byte) []byte {
	if !p.matches(text) {
		return text
	}
	return p.re.ReplaceAllFunc(text, mask)
}

// needs gives the least length of what tree matches, and the longest literal that is found to be in all of it.
func needs(tree *syntax.Regexp) (least int, literal string) {
	switch tree.Op {
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase == 0 {
			literal = string(tree.Rune)
		}
		return len(tree.Rune), literal
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, ""
	case syntax.OpCapture, syntax.OpPlus:
		return needs(tree.Sub[0])
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			n, text := needs(sub)
			least += n
			if len(text) > len(literal) {
				literal = text
			}
		}
	case syntax.OpAlternate:
		for i, sub := range tree.Sub {
			if n, _ := needs(sub); i == 0 || n < least {
				least = n
			}
		}
	}
	return least, literal
}
