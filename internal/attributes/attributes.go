// Package attributes takes encoded OTLP spans and resources and gives them with attributes added, changed, deleted or masked.
// Nothing is decoded: what is not touched keeps its bytes and its place, events, links and unknown fields among it.
//
// What the actions do is what the OpenTelemetry Collector's attributes processor does, and masking is that of its redaction
// processor: so is what happens with several attributes of one key (the first one counts), with values of other types, and
// with those that cannot be converted. One thing is otherwise: what is deleted leaves the others in their order.
package attributes

import (
	"fmt"
	"regexp"
)

// Action is one change. Actions are done in order, each one sees what those before it did.
type Action struct {
	// Action is insert (only if the key is not there), update (only if it is), upsert, delete, hash, extract or convert.
	Action string
	// Key is the attribute to change. For delete and hash there may be a Pattern instead, or both.
	Key string
	// Pattern is a regular expression. For delete and hash it stands for the keys in which it matches; for extract it is
	// held against the value of Key, if that is a string, and each of its groups becomes the attribute of the group's name.
	Pattern string
	// Value is for insert, update and upsert: a string, bool, int64, float64 or a list of these ([]any, nil is an empty one).
	Value any
	// FromAttribute is for the same, in place of Value: the key whose value is taken, whatever its type. If it is not there
	// nothing is done.
	FromAttribute string
	// ConvertedType is for convert: string, int or double. What cannot be converted stays as it is.
	ConvertedType string
}

// Redaction says what is masked once all actions are done, in the attributes of the resource or of the span and its events. To
// mask is to replace by ****, or by a hash. What would be masked is left out where there is more of it than any span has.
type Redaction struct {
	// BlockedValues are regular expressions, each match of which is masked in values that are strings. One that matches the
	// empty string masks values of other types, too.
	BlockedValues []string
	// BlockedKeyPatterns are regular expressions. Where one matches in the key, each line of the value is masked; a value
	// of another type counts as the empty string.
	BlockedKeyPatterns []string
	// IgnoredKeys are those whose values are never masked.
	IgnoredKeys []string
	// HashFunction is md5, sha1, sha3 (SHA3-256), sha256 or, for ****, empty. Hashes are in hexadecimal.
	HashFunction string
}

// Actions is what is to be done, compiled. It does not change, and goroutines may share it.
type Actions struct {
	actions  []action
	keys     []key
	byLength [maxLength + 1][]int // keys by their length, which is where most of a span's differ
	patterns []*regexp.Regexp     // held against keys by the actions
	redact   *redaction           // nil if nothing is masked
	every    bool                 // every attribute is looked at, not only those that have one of the keys
	common   *facts               // of all keys, nil if patterns tell them apart
}

// key is a key that an action knows by name.
type key struct {
	name  string
	field []byte // of a KeyValue
	facts *facts
}

// maxLength is the length of all keys that are as long or longer.
const maxLength = 128

// New compiles actions and r. It gives nil when there is nothing to do. The error names the action by its index, what is wrong
// with it, and what is accepted.
func New(actions []Action, r Redaction) (*Actions, error) {
	a := &Actions{}
	for i := range actions {
		compiled, err := a.compile(&actions[i])
		if err != nil {
			return nil, fmt.Errorf("actions[%d]: %w", i, err)
		}
		a.actions = append(a.actions, compiled)
	}
	var err error
	if a.redact, err = newRedaction(&r); err != nil {
		return nil, fmt.Errorf("redaction: %w", err)
	}
	if len(a.actions) == 0 && a.redact == nil {
		return nil, nil
	}
	a.every = a.redact != nil || len(a.patterns) > 0
	if len(a.patterns) == 0 && (a.redact == nil || len(a.redact.keys)+len(a.redact.ignored) == 0) {
		a.common = a.factsOf(nil)
	}
	for i := range a.keys {
		a.keys[i].facts = a.factsOf([]byte(a.keys[i].name))
	}
	return a, nil
}

// id gives the index of the key of that name, -1 if no action knows it.
func (a *Actions) id(name []byte) int {
	for _, i := range a.byLength[min(len(name), maxLength)] {
		if a.keys[i].name == string(name) {
			return i
		}
	}
	return -1
}

// know gives the index of the key of that name, which is a new one if need be.
func (a *Actions) know(name string) int {
	if i := a.id([]byte(name)); i >= 0 {
		return i
	}
	i, n := len(a.keys), min(len(name), maxLength)
	a.keys = append(a.keys, key{name: name, field: appendKey(nil, name)})
	a.byLength[n] = append(a.byLength[n], i)
	return i
}
