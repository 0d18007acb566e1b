package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// elements is what a key knows whose value is a list of sections.
type elements struct {
	kind *node                             // one element with its defaults
	add  func(path string, line int) *node // appends an element, and gives the keys that point into it
	all  func() []*node                    // the keys of all elements there are
	flat string                            // the key of an element that takes the whole list, where it holds texts instead of sections
	told bool                              // users have read elsewhere what its keys mean
}

// element is one section of a list. Its declare is told the place of the section in the file, and line 0 for none.
type element[T any] interface {
	*T
	declare(path string, line int) *node
}

// list declares a list of sections; its default is the empty one.
func list[T any, P element[T]](name string, at *[]T, doc string, options ...func(*rules)) *node {
	*at = []T{}
	n := &node{name: name, doc: doc, at: at}
	for _, set := range options {
		set(&n.rules)
	}
	n.elements = &elements{kind: P(new(T)).declare("", 0)}
	n.elements.add = func(path string, line int) *node {
		*at = append(*at, *new(T))
		return P(&(*at)[len(*at)-1]).declare(path, line)
	}
	n.elements.all = func() []*node {
		var nodes []*node
		for _, e := range *at {
			declared := new(T)
			nodes = append(nodes, P(declared).declare("", 0))
			*declared = e // over the defaults
		}
		return nodes
	}
	return n
}

// orTexts lets a list hold texts as well, which are then the value of the key called name of its only element.
func (n *node) orTexts(name string) *node {
	n.elements.flat = name
	return n
}

// describedElsewhere leaves out what the keys of an element mean, in texts for users.
func (n *node) describedElsewhere() *node {
	n.elements.told = true
	return n
}

// key gives the key called name of section n, nil if there is none.
func (n *node) key(name string) *node {
	for _, k := range n.keys {
		if k.name == name {
			return k
		}
	}
	return nil
}

// readElements reads a list of sections, each into an element of its own.
func (l *loader) readElements(n *node, path string, y ast.Node) {
	seq, ok := y.(*ast.SequenceNode)
	if !ok {
		l.fail(at(y), path, "wants %s", n.wants())
		return
	}
	if n.elements.flat != "" && len(seq.Values) > 0 {
		first := isMapping(seq.Values[0])
		other := func(e ast.Node) bool { return isMapping(e) != first && !advanced(e) }
		if i := slices.IndexFunc(seq.Values, other); i >= 0 {
			l.fail(at(seq.Values[i]), fmt.Sprintf("%s[%d]", path, i), "a list cannot have both %[1]s and groups of %[1]s", n.elements.flat)
			return
		}
		if !first {
			l.read(n.elements.add(path, at(y).line).key(n.elements.flat), path, y)
			return
		}
	}
	for i, e := range seq.Values {
		path := fmt.Sprintf("%s[%d]", path, i)
		if advanced(e) {
			l.fail(at(e), path, notRead)
			continue
		}
		l.readSection(n.elements.add(path, at(e).line), path, e)
	}
}

func isMapping(y ast.Node) bool {
	_, ok := y.(*ast.MappingNode)
	return ok
}
