package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/config.md and docs/config.schema.json")

func TestGeneratedFiles(t *testing.T) {
	for name, want := range map[string][]byte{"config.md": Markdown(), "config.schema.json": Schema()} {
		path := filepath.Join("..", "..", "docs", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what keys.go says; run go test ./internal/config -update (-file +generated):\n%s",
				path, cmp.Diff(string(got), string(want)))
		}
	}
}

func TestDefaultYAML(t *testing.T) {
	c, err := Parse("", DefaultYAML(), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("the default file gives another configuration (-Default +file):\n%s", diff)
	}
	// It sets every key, so no variable can reach through it.
	c, err = Parse("", DefaultYAML(), func(string) (string, bool) { return "https://else:1", true })
	if diff := cmp.Diff(Default(), c); diff != "" || err != nil {
		t.Errorf("the environment reaches through the default file: %v\n%s", err, diff)
	}
}

// Every field of Config has exactly one key, a name that follows from the field's, a doc, and a range if it is a number. So
// has every field of an element of a list. What only says where something stands has none.
func TestEveryFieldIsDeclared(t *testing.T) {
	c, root := declare()
	keys := map[any]string{}
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		if n.doc == "" && path != "" || n.name != strings.ToLower(n.name) {
			t.Errorf("%s has no doc, or a name with capitals", path)
		}
		if n.at != nil {
			keys[n.at] = path
			if n.min == n.max && slices.Contains([]string{"*int", "*config.Size", "*time.Duration"}, fmt.Sprintf("%T", n.at)) {
				t.Errorf("%s has no range", path)
			}
		}
		if n.elements != nil {
			walk(n.elements.add("", 0), path)
		}
		for _, k := range n.keys {
			walk(k, join(path, k.name))
		}
	}
	walk(root, "")
	fields := 0
	var visit func(v reflect.Value, path string)
	visit = func(v reflect.Value, path string) {
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; !slices.Contains([]string{"Path", "Line", "File"}, name) {
					visit(v.Field(i), path+"."+name)
				}
			}
			return
		}
		fields++
		key := keys[v.Addr().Interface()]
		if flat := strings.NewReplacer("_", "", ".", ""); flat.Replace(key) != strings.ToLower(flat.Replace(path)) {
			t.Errorf("the field %s has the key %q", path, key)
		}
		if v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct {
			visit(v.Index(0), path)
		}
	}
	visit(reflect.ValueOf(c).Elem(), "")
	if fields != len(keys) {
		t.Errorf("%d fields, %d keys", fields, len(keys))
	}
}

// What is shown to users loads, and says something.
func TestExamples(t *testing.T) {
	_, root := declare()
	for _, n := range root.keys {
		for _, s := range n.samples {
			c, err := Parse("example", []byte(s), noEnv)
			if err != nil {
				t.Errorf("%s: %v", n.name, err)
				continue
			}
			for _, path := range Changed(Default(), c) {
				if !strings.HasPrefix(path, n.name+".") {
					t.Errorf("an example of %s changes %s", n.name, path)
				}
			}
			if len(Changed(Default(), c)) == 0 {
				t.Errorf("an example of %s changes nothing", n.name)
			}
		}
	}
}

func TestSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	check := func(name string, data []byte, good bool) {
		t.Helper()
		var file any
		if err := yaml.Unmarshal(data, &file); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if errs := validate(schema, schema, normal(t, file), ""); good != (len(errs) == 0) {
			t.Errorf("%s: the schema says %q", name, errs)
		}
	}
	check("the default file", DefaultYAML(), true)
	for _, f := range testFiles(t, "*.good.yaml") {
		check(f.path, f.data, true)
	}
	for _, text := range []string{"exports: {}", "export: {batch: {bytess: 1}}", "log: {level: loud}", "spans: {tcp: 1}",
		"export: {senders: 0}", "export: {memory: 1MeB}", "export: {timeout: 10}", "correlate: {headers: [b3, b3]}",
		"correlate: {header_span_id: {x: mine}}", "receive: {grpc: {address: 4317}}", "export: []",
		"filter: {error_mode: loud}", "filter: {traces: {span: [true]}}", "filter: {trace_conditions: [5]}",
		"filter: {trace_conditions: [{context: log}]}", "attributes: {actions: [{key: a, actoin: delete}]}", "attributes: {actions: [delete]}",
		"resource: {attributes: [{key: a, value: {b: c}}]}", "redaction: {allow_all_keys: false}", "redaction: {hash_function: crc32}"} {
		check(text, []byte(text), false)
	}
}

// normal gives v with the types of encoding/json.
func normal(t *testing.T, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// validate checks v by the JSON Schema words that Schema uses; any other word is a problem too.
func validate(root, s map[string]any, v any, path string) (errs []string) {
	fail := func(format string, args ...any) { errs = append(errs, path+": "+fmt.Sprintf(format, args...)) }
	for word, arg := range s {
		switch word {
		case "$schema", "$defs", "title", "description", "default":
		case "$ref":
			name := strings.TrimPrefix(arg.(string), "#/$defs/")
			errs = append(errs, validate(root, root["$defs"].(map[string]any)[name].(map[string]any), v, path)...)
		case "type":
			types, ok := arg.([]any)
			if !ok {
				types = []any{arg}
			}
			if !slices.ContainsFunc(types, func(t any) bool { return isType(v, t.(string)) }) {
				fail("%v is not %v", v, types)
			}
		case "enum":
			if !slices.Contains(arg.([]any), v) {
				fail("%v is not one of %v", v, arg)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
				fail("%q does not match", text)
			}
		case "minimum", "maximum":
			n, ok := v.(float64)
			if limit := arg.(float64); ok && (word == "minimum" && n < limit || word == "maximum" && n > limit) {
				fail("%v: %s %v", n, word, limit)
			}
		case "anyOf":
			var all []string
			good := false
			for _, one := range arg.([]any) {
				e := validate(root, one.(map[string]any), v, path)
				good = good || len(e) == 0
				all = append(all, e...)
			}
			if !good {
				errs = append(errs, all...)
			}
		case "uniqueItems":
			list, _ := v.([]any)
			for i, e := range list {
				if slices.Contains(list[:i], e) {
					fail("%v is there twice", e)
				}
			}
		case "items":
			list, _ := v.([]any)
			for _, e := range list {
				errs = append(errs, validate(root, arg.(map[string]any), e, path+"[]")...)
			}
		case "properties":
			if s["additionalProperties"] != false {
				fail("the section is open")
			}
			for k, e := range mapOf(v) {
				if sub, ok := arg.(map[string]any)[k]; ok {
					errs = append(errs, validate(root, sub.(map[string]any), e, path+"."+k)...)
				} else {
					fail("unknown key %s", k)
				}
			}
		case "additionalProperties":
			if sub, ok := arg.(map[string]any); ok {
				for k, e := range mapOf(v) {
					errs = append(errs, validate(root, sub, e, path+"."+k)...)
				}
			}
		default:
			fail("unknown word %s", word)
		}
	}
	return errs
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func isType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}
