package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// read reads y into n, which is called path. A null leaves the default.
func (l *loader) read(n *node, path string, y ast.Node) {
	switch y.(type) {
	case nil, *ast.NullNode:
		return
	}
	if advanced(y) {
		l.fail(at(y), path, notRead)
		return
	}
	if n.at != nil {
		l.from[path] = at(y)
	}
	switch field := n.at.(type) {
	case nil:
		l.readSection(n, path, y)
	case *[]string:
		*field = l.readList(n, path, y)
	case *[]Text:
		*field = l.readTexts(n, path, y)
	case *map[string]string:
		l.readMap(n, field, path, y)
	case *any:
		*field = l.readAny(n, path, y)
	default:
		if n.elements != nil {
			l.readElements(n, path, y)
		} else if s, ok := l.scalar(n, path, y); ok {
			if err := n.set(s); err != nil {
				l.fail(at(y), path, "%v", err)
			}
		}
	}
}

func (l *loader) readSection(n *node, path string, y ast.Node) {
	for _, p := range l.pairs(n, path, y) {
		if i := slices.IndexFunc(n.refused, func(r refusal) bool { return slices.Contains(r.names, p.name) }); i >= 0 {
			l.fail(p.from, p.path, "%s", n.refused[i].why)
			continue
		}
		k := n.key(p.name)
		if k == nil {
			l.fail(p.from, p.path, "unknown key (%s)", suggest(n, p.name))
			continue
		}
		l.read(k, p.path, p.value)
	}
	if n.check != nil && isMapping(y) {
		n.check(l)
	}
}

// suggest names the key of section n that was probably meant, or all of them. Collectors give a section a name of its own
// after a slash.
func suggest(n *node, name string) string {
	name, _, _ = strings.Cut(name, "/")
	var names []string
	for _, k := range n.keys {
		names = append(names, k.name)
	}
	if len(name) < 64 { // longer ones are not worth the time
		distance := func(s string) int { return levenshtein.ComputeDistance(strings.ToLower(name), s) }
		near := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
		if distance(near) <= 1+len(near)/4 {
			return fmt.Sprintf("did you mean %q?", near)
		}
	}
	return "known here: " + strings.Join(names, ", ")
}

func (l *loader) readList(n *node, path string, y ast.Node) []string {
	list := []string{}
	for _, t := range l.readTexts(n, path, y) {
		if slices.Contains(list, t.Value) {
			l.fail(origin{line: t.Line}, t.Path, "%q is in the list twice", t.Value)
			continue
		}
		list = append(list, t.Value)
	}
	return list
}

// readTexts gives the elements of y that are as the key n wants them.
func (l *loader) readTexts(n *node, path string, y ast.Node) []Text {
	list := []Text{}
	seq, ok := y.(*ast.SequenceNode)
	if !ok {
		l.fail(at(y), path, "wants %s", n.wants())
		return list
	}
	for i, e := range seq.Values {
		path := fmt.Sprintf("%s[%d]", path, i)
		s, ok := l.scalar(n, path, e)
		if !ok {
			continue
		}
		text, err := n.text(s)
		if err != nil {
			l.fail(at(e), path, "%v", err)
			continue
		}
		list = append(list, Text{text, path, at(e).line})
	}
	return list
}

func (l *loader) readMap(n *node, field *map[string]string, path string, y ast.Node) {
	values := map[string]string{}
	for _, p := range l.pairs(n, path, y) {
		if s, ok := l.scalar(n, p.path, p.value); ok {
			l.put(n, values, p.name, s, p.from, p.path)
		}
	}
	*field = values
}

// put adds one checked entry to the map of the key n.
func (l *loader) put(n *node, values map[string]string, name string, s scalar, from origin, path string) {
	name, keyErr := n.cleanKey(name)
	text, err := n.text(s)
	switch _, twice := values[name]; {
	case keyErr != nil:
		l.fail(from, path, "%v", keyErr)
	case err != nil:
		l.fail(from, path, "%v", err)
	case twice:
		l.fail(from, path, "%q is given twice", name)
	default:
		values[name] = text
	}
}

// scalar gives the expanded text of one value.
func (l *loader) scalar(n *node, path string, y ast.Node) (scalar, bool) {
	s := scalar{kind: numberScalar, bare: true}
	switch y := y.(type) {
	case *ast.StringNode:
		s = scalar{text: y.Value, bare: y.Token.Type == token.StringType}
		// The parser leaves tabs out of text without quotes.
		if s.bare && strings.Contains(strings.TrimSpace(y.Token.Origin), "\t") {
			l.fail(at(y), path, "it has a tab, so put the value in quotes and write \\t")
			return s, false
		}
	case *ast.LiteralNode:
		s = scalar{text: y.Value.Value}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s.text = y.GetToken().Value
	default:
		text := "wants " + n.wantsOne(isMapping(y))
		if advanced(y) {
			text = notRead
		}
		l.fail(at(y), path, "%s", text)
		return s, false
	}
	text, expanded, err := expand(s.text, l.lookup)
	if err != nil {
		l.fail(at(y), path, "%v", err)
		return s, false
	}
	if expanded {
		s.kind, s.bare = expandedScalar, isVariable(s.text)
	}
	s.text = text
	return s, true
}

// pair is one entry of a YAML mapping.
type pair struct {
	name, path string
	from       origin
	value      ast.Node
}

// pairs gives the entries of the mapping y, each name once.
func (l *loader) pairs(n *node, path string, y ast.Node) []pair {
	mapping, ok := y.(*ast.MappingNode)
	if !ok {
		l.fail(at(y), path, "wants %s", n.wants())
		return nil
	}
	var pairs []pair
	first := map[string]int{}
	for _, e := range mapping.Values {
		p := pair{from: at(e.Key), value: e.Value, name: e.Key.GetToken().Value}
		p.path = join(path, p.name)
		switch line, twice := first[p.name]; {
		case e.Key.IsMergeKey() || advanced(e.Key):
			l.fail(p.from, path, notRead)
		case twice:
			l.fail(p.from, p.path, "the key is already on line %d", line)
		default:
			first[p.name] = p.from.line
			pairs = append(pairs, p)
		}
	}
	return pairs
}

const notRead = "anchors, aliases, merge keys, tags and keys with ? of YAML are not read"

// advanced tells whether y is YAML that a configuration does not need.
func advanced(y ast.Node) bool {
	switch y.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MappingKeyNode:
		return true
	}
	return false
}

// at gives the place of a YAML node.
func at(y ast.Node) origin {
	if t := y.GetToken(); t != nil && t.Position != nil {
		return origin{line: t.Position.Line}
	}
	return origin{}
}

// join gives the path of the key name in the section or map path.
func join(path, name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' || r == '"' }) || name == "" {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
