package filter

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
)

// pattern is a regular expression. Most of those that users write ask for a text in a certain place, which is faster to look for.
type pattern struct {
	re    *regexp.Regexp
	how   place
	texts [][]byte // one of these is there
}

type place uint8

const (
	byExpression place = iota
	anywhere
	atBegin
	atEnd
	entire
)

func newPattern(re *regexp.Regexp) *pattern {
	p := &pattern{re: re}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return p
	}
	p.how, p.texts = textsOf(tree.Simplify())
	return p
}

// textsOf tells which texts an expression asks for, and where. What any text has, such as .* where the expression may begin
// anywhere, says nothing.
func textsOf(r *syntax.Regexp) (place, [][]byte) {
	parts := []*syntax.Regexp{r}
	if r.Op == syntax.OpConcat {
		parts = r.Sub
	}
	begin, end := false, false
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		begin, parts = true, parts[1:]
	} else if len(parts) > 0 && isAnything(parts[0]) {
		parts = parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		end, parts = true, parts[:n-1]
	} else if n > 0 && isAnything(parts[n-1]) {
		parts = parts[:n-1]
	}
	texts, ok := literals(&syntax.Regexp{Op: syntax.OpConcat, Sub: parts})
	switch {
	case !ok:
		return byExpression, nil
	case begin && end:
		return entire, texts
	case begin:
		return atBegin, texts
	case end:
		return atEnd, texts
	}
	return anywhere, texts
}

func isAnything(r *syntax.Regexp) bool {
	return r.Op == syntax.OpStar && (r.Sub[0].Op == syntax.OpAnyCharNotNL || r.Sub[0].Op == syntax.OpAnyChar)
}

// mostTexts is how many texts are looked for one by one.
const mostTexts = 32

// literals gives the texts that an expression can be, if it is made of letters and a few choices.
func literals(r *syntax.Regexp) (list [][]byte, ok bool) {
	switch r.Op {
	case syntax.OpEmptyMatch:
		return [][]byte{{}}, true
	case syntax.OpLiteral:
		return [][]byte{[]byte(string(r.Rune))}, r.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		for i := 0; i < len(r.Rune); i += 2 {
			for c := r.Rune[i]; c <= r.Rune[i+1]; c++ {
				if list = append(list, []byte(string(c))); len(list) > mostTexts {
					return nil, false
				}
			}
		}
		return list, true
	case syntax.OpCapture:
		return literals(r.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range r.Sub {
			texts, ok := literals(sub)
			if list = append(list, texts...); !ok {
				return nil, false
			}
		}
		return list, len(list) <= mostTexts
	case syntax.OpConcat: // expressions with the same beginning share it
		list = [][]byte{{}}
		for _, sub := range r.Sub {
			texts, ok := literals(sub)
			if !ok || len(list)*len(texts) > mostTexts {
				return nil, false
			}
			var longer [][]byte
			for _, begin := range list {
				for _, end := range texts {
					longer = append(longer, slices.Concat(begin, end))
				}
			}
			list = longer
		}
		return list, true
	}
	return nil, false
}

func (p *pattern) matches(text []byte) bool {
	if p.how == byExpression {
		return p.re.Match(text)
	}
	for _, want := range p.texts {
		var ok bool
		switch p.how {
		case anywhere:
			ok = bytes.Contains(text, want)
		case atBegin:
			ok = bytes.HasPrefix(text, want)
		case atEnd:
			ok = bytes.HasSuffix(text, want)
		case entire:
			ok = bytes.Equal(text, want)
		}
		if ok {
			return true
		}
	}
	return false
}
