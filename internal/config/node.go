package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// node is one key of the file, or a section of keys.
type node struct {
	name     string
	doc      string
	keys     []*node       // of a section, in the order of the file
	samples  []string      // of a section: files that use it
	refused  []refusal     // of a section
	check    func(*loader) // of a section: looks at what its keys cannot tell alone, once they are read
	at       any           // of a key: the pointer to its field, one of the types of value, an any, or a list of sections
	elements *elements     // of a list of sections
	rules
}

// refusal is keys that other programs read in such a section, and why they are not read here.
type refusal struct {
	names []string
	why   string
}

// rules is what a key accepts. For a list they hold for each element, for a map for each value.
type rules struct {
	accepts    string                       // for users, where the type alone does not say it
	words      []string                     // the only texts accepted
	anyCase    bool                         // of words: capitals are accepted too
	min, max   int64                        // of an int, Size or Duration, both inclusive
	clean      func(string) (string, error) // checks a text and gives the form to keep; an error must not hold a secret
	keyAccepts string                       // of a map: as accepts and clean, for its keys
	cleanKey   func(string) (string, error)
	env        string // end of the name of the OTEL_EXPORTER_OTLP variables that set the default
}

// value is what a key can hold.
type value interface {
	string | int | bool | Size | Percent | time.Duration | []string | []Text | map[string]string
}

// key declares the setting name, kept at at, and writes its default there.
func key[T value](name string, at *T, def T, doc string, options ...func(*rules)) *node {
	*at = def
	n := &node{name: name, doc: doc, at: at}
	for _, set := range options {
		set(&n.rules)
	}
	return n
}

// anyValue declares a key whose value has the type that it looks like. Its default is none.
func anyValue(name string, at *any, doc string) *node {
	*at = nil
	return &node{name: name, doc: doc, at: at, rules: rules{accepts: "text, number, true, false, or a list of them"}}
}

func section(name, doc string, keys ...*node) *node { return &node{name: name, doc: doc, keys: keys} }

// example shows users a file that has section n.
func (n *node) example(yaml string) *node {
	n.samples = append(n.samples, yaml)
	return n
}

// refuse says why the keys called names are not read in section n.
func (n *node) refuse(why string, names ...string) *node {
	n.refused = append(n.refused, refusal{names, why})
	return n
}

// checkedBy lets check look at section n after it was read.
func (n *node) checkedBy(check func(*loader)) *node {
	n.check = check
	return n
}

func oneOf(words ...string) func(*rules) { return func(r *rules) { r.words = words } }

// oneOfAnyCase is oneOf for words that may have capitals and are kept without.
func oneOfAnyCase(words ...string) func(*rules) {
	return func(r *rules) { r.words, r.anyCase = words, true }
}

func between[N int | Size | Percent | time.Duration](lo, hi N) func(*rules) {
	return func(r *rules) { r.min, r.max = int64(lo), int64(hi) }
}

// checked says in words what a text must be, and checks it; a nil clean takes any text.
func checked(accepts string, clean func(string) (string, error)) func(*rules) {
	return func(r *rules) { r.accepts, r.clean = accepts, clean }
}

func keyed(accepts string, clean func(string) (string, error)) func(*rules) {
	return func(r *rules) { r.keyAccepts, r.cleanKey = accepts, clean }
}

func fromEnv(suffix string) func(*rules) { return func(r *rules) { r.env = suffix } }

// envNames gives the environment variables that set the default of a key, the one that counts first.
func (r *rules) envNames() []string {
	if r.env == "" {
		return nil
	}
	return []string{"OTEL_EXPORTER_OTLP_TRACES_" + r.env, "OTEL_EXPORTER_OTLP_" + r.env}
}

// hasDefault tells whether a key is something when it is not set: some keys of an element of a list are not.
func (n *node) hasDefault() bool {
	switch at := n.at.(type) {
	case *any:
		return *at != nil
	case *string:
		return n.words == nil || slices.Contains(n.words, *at)
	}
	return true
}

// span is the range of a number as users write it.
func (n *node) span() string {
	switch n.at.(type) {
	case *Size:
		return fmt.Sprintf("%v to %v", Size(n.min), Size(n.max))
	case *time.Duration:
		return fmt.Sprintf("%v to %v", duration(n.min), duration(n.max))
	case *Percent:
		return fmt.Sprintf("%v to %v", Percent(n.min), Percent(n.max))
	}
	return fmt.Sprintf("%d to %d", n.min, n.max)
}

// wants says what a section, a list or a map takes.
func (n *node) wants() string {
	switch n.at.(type) {
	case nil:
		return "a section of keys"
	case *map[string]string:
		return "names with values"
	}
	return "a " + n.accepted()
}

// wantsOne says what a value or an element is to be that is neither text nor a number.
func (n *node) wantsOne(mapping bool) string {
	switch n.at.(type) {
	case *any:
		return n.accepts
	case *[]Text:
		if mapping {
			return "one text; a text with \": \" in it needs quotes around it"
		}
	}
	return "one value"
}

// duration is a time.Duration that prints without zero units at its end: 5m, not 5m0s.
type duration time.Duration

func (d duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
