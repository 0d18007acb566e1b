package config

import (
	"encoding/json"
	"strings"
	"time"
)

// object is a JSON object; keys come out sorted, so the text is stable.
type object map[string]any

// Schema gives a JSON Schema (draft 2020-12) of the file, for editors and charts. It knows names, types, words and
// ranges of numbers; Parse checks the same and more.
func Schema() []byte {
	_, root := declare()
	s := root.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "alspan configuration"
	s["description"] = "The configuration file of alspan."
	s["$defs"] = object{"variable": object{
		"description": "A value from the environment.",
		"type":        "string",
		"pattern":     `\$\{`,
	}}
	// Without a map key that is not a string, Marshal has no way to fail.
	out, _ := json.MarshalIndent(s, "", "  ")
	return append(out, '\n')
}

// schema gives the schema of a key or a section. A null is a key without a value, which keeps the default.
func (n *node) schema() object {
	var s object
	switch n.at.(type) {
	case nil:
		properties := object{}
		for _, k := range n.keys {
			properties[k.name] = k.schema()
		}
		s = object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
	case *any:
		one := []string{"string", "number", "boolean"}
		s = object{"type": append(one, "array", "null"), "items": object{"type": one}}
	case *[]Text:
		s = object{"type": []string{"array", "null"}, "items": n.textSchema()}
	case *[]Conditions, *[]Action, *[]SampleRule:
		s = object{"type": []string{"array", "null"}, "items": n.elements.schema()}
	case *[]string:
		s = object{"type": []string{"array", "null"}, "uniqueItems": true, "items": n.textSchema()}
	case *map[string]string:
		s = object{"type": []string{"object", "null"}, "additionalProperties": n.textSchema()}
	default:
		s = n.textSchema()
		if forms, ok := s["anyOf"].([]object); ok {
			s["anyOf"] = append(forms, object{"type": "null"})
		} else {
			s["type"] = []string{"string", "null"}
		}
	}
	s["description"] = n.description()
	if n.at != nil && n.hasDefault() {
		s["default"] = n.jsonDefault()
	}
	return s
}

// schema gives the schema of one element of a list.
func (e *elements) schema() object {
	s := e.kind.schema()
	s["type"] = "object"
	if e.flat == "" {
		return s
	}
	return object{"anyOf": []object{{"type": "string"}, s}}
}

// textSchema gives the schema of one value of a key.
func (n *node) textSchema() object {
	var accepted object
	switch n.at.(type) {
	case *bool:
		accepted = object{"type": "boolean"}
		if n.clean != nil { // it takes only true
			accepted = object{"enum": []bool{true}}
		}
	case *int:
		accepted = object{"type": "integer", "minimum": n.min, "maximum": n.max}
	case *Size:
		number := object{"type": "integer", "minimum": n.min, "maximum": n.max}
		text := object{"type": "string", "pattern": "^[0-9]+(B|[KMG]i?B)?$"}
		return object{"anyOf": []object{number, text, variableSchema()}}
	case *Percent:
		number := object{"type": "number", "minimum": 100 * Percent(n.min).Share(), "maximum": 100 * Percent(n.max).Share()}
		text := object{"type": "string", "pattern": `^[0-9]+(\.[0-9]+)?%?$`}
		return object{"anyOf": []object{number, text, variableSchema()}}
	case *time.Duration:
		accepted = object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	default:
		if n.words == nil {
			return object{"type": "string"}
		}
		accepted = object{"enum": n.words}
		if n.anyCase {
			return object{"anyOf": []object{accepted, {"type": "string", "pattern": inAnyCase(n.words)}, variableSchema()}}
		}
	}
	return object{"anyOf": []object{accepted, variableSchema()}}
}

// inAnyCase gives a pattern for words in small or capital letters; JSON Schema has no other way to say it.
func inAnyCase(words []string) string {
	var patterns []string
	for _, w := range words {
		p := ""
		for _, c := range w {
			if small, capital := string(c), strings.ToUpper(string(c)); small != capital {
				p += "[" + small + capital + "]"
			} else {
				p += small
			}
		}
		patterns = append(patterns, p)
	}
	return "^(" + strings.Join(patterns, "|") + ")$"
}

func variableSchema() object { return object{"$ref": "#/$defs/variable"} }

func (n *node) description() string {
	text := n.doc
	if n.at != nil {
		text += " Accepts: " + n.accepted() + "."
	}
	text = strings.ReplaceAll(text, "`", "")
	if n.samples != nil {
		text += " For example:\n\n" + strings.Join(n.samples, "\n")
	}
	return text
}

// jsonDefault gives the default as the file would have it.
func (n *node) jsonDefault() any {
	switch at := n.at.(type) {
	case *Size:
		return at.String()
	case *time.Duration:
		return duration(*at).String()
	case *Percent:
		return 100 * at.Share()
	}
	return n.at // pointers become what they point to
}
