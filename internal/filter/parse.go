package filter

import (
	"regexp"
	"strconv"
	"strings"
)

// expr is a condition of the few shapes that nearly all users write: comparisons and IsMatch of one field with a constant,
// joined by and, or, not. The grammar is a part of OTTL's (pkg/ottl/LANGUAGE.md); whatever is not of these shapes has no expr.
type expr struct {
	op    op
	kids  []*expr // of and, or, not
	field field
	to    value    // of a comparison
	match *pattern // of a match
}

type op uint8

const (
	and op = iota
	or
	not
	match
	equal
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	always
	never
)

var comparisons = map[string]op{"==": equal, "!=": notEqual, "<": less, "<=": lessEqual, ">": greater, ">=": greaterEqual}

// flipped gives the operators that say the same with the sides exchanged.
var flipped = map[op]op{equal: equal, notEqual: notEqual, less: greater, lessEqual: greaterEqual, greater: less, greaterEqual: lessEqual}

// field is what is compared.
type field struct {
	of  fieldOf
	key string // of an attribute
}

type fieldOf uint8

const (
	noField fieldOf = iota
	spanAttribute
	resourceAttribute
	spanName
	spanKind
	statusCode
)

// enums are the constants of a span's context with their numbers.
var enums = map[string]int64{
	"SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
	"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2,
}

// The tokens of OTTL that such conditions are made of. What comes first in the pattern wins, as in OTTL's own lexer.
var tokens = regexp.MustCompile(`^(?:(?P<bytes>0x[a-fA-F0-9]+)|(?P<float>(?:\d+\.\d*|\d*\.\d+)(?:[eE][-+]?\d+)?)|(?P<int>\d+)|(?P<string>"(?:\\.|[^\\"])*")|` +
	`(?P<op>==|!=|>=|<=|>|<)|(?P<mark>[-(),.\[\]])|(?P<word>[A-Za-z][A-Za-z0-9_]*))`)

type token struct{ kind, text string }

// scan takes a condition apart, false if there is something in it that is not known here.
func scan(condition string) (list []token, ok bool) {
	names := tokens.SubexpNames()
	for rest := strings.TrimSpace(condition); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n\f\v") {
		m := tokens.FindStringSubmatch(rest)
		if m == nil {
			return nil, false
		}
		for i := 1; i < len(m); i++ {
			if m[i] != "" {
				list = append(list, token{names[i], m[i]})
			}
		}
		rest = rest[len(m[0]):]
	}
	return list, true
}

// compile gives the expr of a condition on spans, nil if it has another shape. The condition is one that pkg/ottl takes.
func compile(condition string) *expr {
	list, ok := scan(condition)
	if !ok {
		return nil
	}
	p := parser{rest: list}
	e := p.or()
	if e == nil || len(p.rest) > 0 {
		return nil
	}
	return e
}

// parser goes through the tokens; each of its methods gives nil, or false, for what it does not know.
type parser struct{ rest []token }

func (p *parser) next() (t token) {
	if len(p.rest) > 0 {
		t, p.rest = p.rest[0], p.rest[1:]
	}
	return t
}

func (p *parser) accept(text string) bool {
	if len(p.rest) == 0 || p.rest[0].kind == "string" || p.rest[0].text != text {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) or() *expr {
	return p.joined(or, "or", func() *expr { return p.joined(and, "and", p.term) })
}

func (p *parser) joined(op op, word string, part func() *expr) *expr {
	e := part()
	for e != nil && p.accept(word) {
		next := part()
		if next == nil {
			return nil
		}
		if e.op == op && len(e.kids) > 1 {
			e.kids = append(e.kids, next)
		} else {
			e = &expr{op: op, kids: []*expr{e, next}}
		}
	}
	return e
}

func (p *parser) term() *expr {
	negated := p.accept("not")
	e := p.operand()
	if e != nil && negated {
		return &expr{op: not, kids: []*expr{e}}
	}
	return e
}

func (p *parser) operand() *expr {
	switch {
	case p.accept("("):
		e := p.or()
		if !p.accept(")") {
			return nil
		}
		return e
	case p.accept("IsMatch"):
		e := p.isMatch()
		if e == nil || len(p.rest) == 0 || p.rest[0].kind != "op" {
			return e
		}
		if p.accept("==") { // IsMatch(...) == true, as some write it
			switch {
			case p.accept("true"):
				return e
			case p.accept("false"):
				return &expr{op: not, kids: []*expr{e}}
			}
		}
		return nil
	case p.accept("true"), p.accept("false"):
		return nil // alone or compared: no user needs it to be quick
	}
	return p.comparison()
}

func (p *parser) isMatch() *expr {
	if !p.accept("(") {
		return nil
	}
	f := p.path()
	if f.of == noField || !p.accept(",") {
		return nil
	}
	text, err := strconv.Unquote(p.next().text)
	if err != nil || !p.accept(")") || f.of == spanKind || f.of == statusCode {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil
	}
	return &expr{op: match, field: f, match: newPattern(re)}
}

func (p *parser) comparison() *expr {
	e := new(expr)
	var constant, ok bool
	if e.to, constant = p.constant(); constant {
		if e.op, ok = comparisons[p.next().text]; !ok {
			return nil
		}
		e.op, e.field = flipped[e.op], p.path()
	} else {
		e.field = p.path()
		if e.op, ok = comparisons[p.next().text]; !ok {
			return nil
		}
		if e.to, constant = p.constant(); !constant {
			return nil
		}
	}
	if e.field.of == noField {
		return nil
	}
	return e
}

// constant takes a literal, if one comes next.
func (p *parser) constant() (v value, ok bool) {
	if len(p.rest) == 0 {
		return v, false
	}
	before := p.rest
	defer func() {
		if !ok {
			p.rest = before
		}
	}()
	sign := ""
	if p.accept("-") {
		sign = "-"
	}
	t := p.next()
	switch {
	case t.kind == "int":
		n, err := strconv.ParseInt(t.text, 0, 64)
		if sign != "" {
			n = -n
		}
		return intValue(n), err == nil
	case t.kind == "float":
		f, err := strconv.ParseFloat(sign+t.text, 64)
		return floatValue(f), err == nil
	case sign != "":
		return v, false
	case t.kind == "string":
		s, err := strconv.Unquote(t.text)
		return textValue([]byte(s)), err == nil
	case t.text == "nil":
		return value{}, true
	case t.text == "true", t.text == "false":
		return boolValue(t.text == "true"), true
	}
	n, isEnum := enums[t.text]
	return intValue(n), isEnum
}

// path takes the path of a field: an attribute of the span or its resource, the name, the kind, the status' code.
func (p *parser) path() (f field) {
	t := p.next()
	resource := t.text == "resource"
	if (resource || t.text == "span") && p.accept(".") {
		t = p.next()
	}
	switch {
	case t.kind != "word":
		return field{}
	case t.text == "attributes":
		f.of = spanAttribute
		if resource {
			f.of = resourceAttribute
		}
		if !p.accept("[") {
			return field{}
		}
		key := p.next()
		text, err := strconv.Unquote(key.text)
		if key.kind != "string" || err != nil || !p.accept("]") {
			return field{}
		}
		f.key = text
	case resource:
		return field{}
	case t.text == "name":
		f.of = spanName
	case t.text == "kind":
		f.of = spanKind
	case t.text == "status" && p.accept(".") && p.accept("code"):
		f.of = statusCode
	}
	if len(p.rest) > 0 && (p.rest[0].text == "." || p.rest[0].text == "[") { // kind.string, a key of a value
		return field{}
	}
	return f
}
