package attributes

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestNew(t *testing.T) {
	for _, c := range []struct {
		action Action
		want   string
	}{
		{Action{}, `action "" is not insert, update, upsert, delete, hash, extract or convert`},
		{Action{Action: "replace", Key: "k"}, `action "replace" is not insert, update, upsert, delete, hash, extract or convert`},
		{Action{Action: "insert", Value: "v"}, `insert needs a key`},
		{Action{Action: "update", Key: "k"}, `update needs a value or a from_attribute`},
		{Action{Action: "upsert", Key: "k", Value: "v", FromAttribute: "a"}, `upsert takes a value or a from_attribute, not both`},
		{Action{Action: "upsert", Key: "k", Value: "v", Pattern: "p"}, `upsert has no use for pattern; it takes key, value, from_attribute`},
		{Action{Action: "upsert", Key: "k", Value: "v", ConvertedType: "int"}, `upsert has no use for converted_type; it takes key, value, from_attribute`},
		{Action{Action: "upsert", Key: "k", Value: 7}, `upsert: value 7 is a int, not a string, bool, int64, float64 or a list of these`},
		{Action{Action: "upsert", Key: "k", Value: []any{"v", map[string]any{}}}, `upsert: value map[] is a map[string]interface {}, not a string, bool, int64, float64 or a list of these`},
		{Action{Action: "upsert", Key: "k", Value: "\xff"}, `upsert: value "\xff" is not UTF-8`},
		{Action{Action: "upsert", Key: "\xff", Value: "v"}, `upsert has a key that is not UTF-8`},
		{Action{Action: "upsert", Key: "k", FromAttribute: "\xff"}, `upsert has a key that is not UTF-8`},
		{Action{Action: "delete"}, `delete needs a key, a pattern or both`},
		{Action{Action: "delete", Key: "k", Value: "v"}, `delete has no use for value; it takes key, pattern`},
		{Action{Action: "hash", Pattern: "("}, "hash: cannot compile pattern: error parsing regexp: missing closing ): `(`"},
		{Action{Action: "extract", Key: "k"}, `extract needs a pattern`},
		{Action{Action: "extract", Pattern: "(?P<a>.)"}, `extract needs a key`},
		{Action{Action: "extract", Key: "k", Pattern: "("}, "extract: cannot compile pattern: error parsing regexp: missing closing ): `(`"},
		{Action{Action: "extract", Key: "k", Pattern: "x"}, `extract: pattern "x" needs groups, each with the name of an attribute: (?P<name>...)`},
		{Action{Action: "extract", Key: "k", Pattern: "(?P<a>.)(.)"}, `extract: pattern "(?P<a>.)(.)" needs groups, each with the name of an attribute: (?P<name>...)`},
		{Action{Action: "convert", Key: "k"}, `convert: converted_type "" is not string, int or double`},
		{Action{Action: "convert", Key: "k", ConvertedType: "bool"}, `convert: converted_type "bool" is not string, int or double`},
		{Action{Action: "convert", Key: "k", ConvertedType: "int", Pattern: "x"}, `convert has no use for pattern; it takes key, converted_type`},
	} {
		_, err := New([]Action{{Action: "delete", Key: "k"}, c.action}, Redaction{})
		if want := "actions[1]: " + c.want; err == nil || err.Error() != want {
			t.Errorf("%+v: %v\nwant %s", c.action, err, want)
		}
	}
	for _, c := range []struct {
		rules Redaction
		want  string
	}{
		{Redaction{BlockedValues: []string{"a", "("}}, "redaction: blocked_values[1]: cannot compile pattern: error parsing regexp: missing closing ): `(`"},
		{Redaction{BlockedKeyPatterns: []string{"*"}}, "redaction: blocked_key_patterns[0]: cannot compile pattern: error parsing regexp: missing argument to repetition operator: `*`"},
		{Redaction{HashFunction: "hmac-sha256"}, `redaction: hash_function "hmac-sha256" is not md5, sha1, sha3 or sha256`},
	} {
		if _, err := New(nil, c.rules); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v\nwant %s", c.rules, err, c.want)
		}
	}
}

// TestNothingToDo: there are no Actions then, and their Editor changes nothing.
func TestNothingToDo(t *testing.T) {
	a, err := New(nil, Redaction{IgnoredKeys: []string{"k"}, HashFunction: "md5"})
	if a != nil || err != nil {
		t.Errorf("made %v, %v of nothing", a, err)
	}
	if e := a.Editor(); string(e.Span([]byte("span"))) != "span" || string(e.Resource([]byte("resource"))) != "resource" {
		t.Error("something is changed")
	}
}

// TestShared: Editors of the same Actions do not disturb each other.
func TestShared(t *testing.T) {
	r := compiled(t, []Action{{Action: "hash", Key: "k"}, {Action: "delete", Pattern: "^x"}}, Redaction{BlockedValues: []string{"secret"}})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			mine := &rules{r.actions, r.redaction, r.e.a.Editor()}
			for j := range 200 {
				mine.checkSpan(t, encoded(t, &tracepb.Span{Attributes: pairs("k", fmt.Sprint(i, j), fmt.Sprint("x", j), "x", "y", "a secret")}))
			}
		})
	}
	all.Wait()
}

// TestRoom: what an unusual span needs is not kept, nor what is known of more keys than usual.
func TestRoom(t *testing.T) {
	r := compiled(t, []Action{{Action: "hash", Pattern: "^k"}, {Action: "delete", Key: "first"}}, Redaction{})
	var many []any
	for i := range 3 * keepFields {
		many = append(many, fmt.Sprint("k", i), strings.Repeat("v", 500))
	}
	usual := encoded(t, &tracepb.Span{Attributes: pairs("first", "x", "k", "v", strings.Repeat("k", 2*maxLength), "v")})
	r.checkSpan(t, usual)
	r.checkSpan(t, encoded(t, &tracepb.Span{Attributes: append(pairs("first", "x"), pairs(many...)...)}))
	if n := len(r.e.facts); n == 0 || n > keepFacts {
		t.Errorf("facts of %d keys are kept", n)
	}
	r.checkSpan(t, usual)
	if cap(r.e.fields) > keepFields || cap(r.e.texts) > keepBytes || cap(r.e.out) > keepBytes {
		t.Errorf("room for %d fields, %d and %d bytes is kept", cap(r.e.fields), cap(r.e.texts), cap(r.e.out))
	}
}
