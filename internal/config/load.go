package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the file: what the YAML parser spends grows with the square of the nesting.
const maxFile = 128 << 10

// Load reads the file at path; an empty path is an empty file. lookup gives environment variables: os.LookupEnv.
// The error lists everything that is wrong, one a line, and then there is no Config.
func Load(path string, lookup func(string) (string, bool)) (*Config, error) {
	if path == "" {
		return Parse("", nil, lookup)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	return Parse(path, data, lookup)
}

// Parse is Load for a file that is already read; name is how errors call it. data is not kept.
func Parse(name string, data []byte, lookup func(string) (string, bool)) (*Config, error) {
	c, root := declare()
	c.File = name
	l := &loader{lookup: lookup, from: map[string]origin{}, bad: map[string]bool{}}
	body := l.parse(data)
	if len(l.problems) == 0 { // else nobody knows what the file sets
		l.read(root, "", body)
		l.environment(root, "")
		l.relations(c)
	}
	if len(l.problems) > 0 {
		return nil, Problems(name, l.problems...)
	}
	return c, nil
}

// loader reads one file and collects what is wrong with it.
type loader struct {
	lookup   func(string) (string, bool)
	from     map[string]origin // by path: the keys that do not have the built-in default
	bad      map[string]bool   // by path: the keys that have a problem
	problems []Problem
}

// origin tells where a value comes from: a line of the file, or a variable.
type origin struct {
	line     int
	variable string
}

func (l *loader) fail(from origin, path, format string, args ...any) {
	l.bad[path] = true
	l.problems = append(l.problems, Problem{Path: path, Line: from.line, Err: fmt.Errorf(format, args...), variable: from.variable})
}

// parse gives the body of the only document of the file, nil if there is none.
func (l *loader) parse(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxFile {
		l.fail(origin{}, "", "it has %v, more than %v", Size(len(data)), Size(maxFile))
		return nil
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(line) {
			l.fail(origin{line: i + 1}, "", "it is not UTF-8 text")
			return nil
		}
	}
	// Duplicate keys are left to us, so that one of them does not hide the other problems.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		from, text := origin{}, err.Error()
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			text = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				from.line = t.Position.Line
			}
		}
		l.fail(from, "", "%s", text)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if _, ok := doc.Body.(*ast.DirectiveNode); ok || doc.Body == nil {
			continue
		}
		if body != nil {
			l.fail(at(doc.Body), "", "a second YAML document is not read")
			return nil
		}
		body = doc.Body
	}
	return body
}
