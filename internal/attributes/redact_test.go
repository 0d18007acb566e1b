package attributes

import (
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestRedaction(t *testing.T) {
	const card = "4012888888881881"
	for _, c := range []struct {
		name   string
		rules  Redaction
		in     []any
		want   string
		events string
	}{
		{"values", Redaction{BlockedValues: []string{"4[0-9]{12}(?:[0-9]{3})?", "[a-z]+@[a-z.]+"}}, []any{"a", "card " + card + " of x@y.z and w@y.z", "b", "none", "c", int64(4012888888881881), "d", []any{card}},
			`a="card **** of **** and ****" b="none" c=4012888888881881 d=[4012888888881881]`, ``},
		{"one after the other", Redaction{BlockedValues: []string{"a+", `\*b`}}, []any{"a", "aab"}, `a="*******"`, ``},
		{"keys", Redaction{BlockedKeyPatterns: []string{"token", "^key$"}}, []any{"a.token", "x", "key", "two\nlines\n", "keys", "x", "token", int64(7), "tokens", nil, "tokenlist", []any{"x"}},
			`a.token="****" key="****\n****\n****" keys="x" token="****" tokens="****" tokenlist="****"`, ``},
		{"ignored", Redaction{BlockedValues: []string{"x"}, BlockedKeyPatterns: []string{"k"}, IgnoredKeys: []string{"k", "a"}}, []any{"k", "x", "a", "x", "kk", "x", "b", "x"}, `k="x" a="x" kk="****" b="****"`, ``},
		{"all of the same key", Redaction{BlockedValues: []string{"x"}}, []any{"k", "x", "k", "yx"}, `k="****" k="y****"`, ``},
		{"hash", Redaction{BlockedValues: []string{"secret"}, BlockedKeyPatterns: []string{"k"}, HashFunction: "SHA256"}, []any{"a", "a secret", "k", "secret", "kk", int64(1)},
			`a="a ` + digest + `" k="` + digest + `" kk="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`, ``},
		{"md5", Redaction{BlockedValues: []string{"secret"}, HashFunction: "md5"}, []any{"a", "secret"}, `a="5ebe2294ecd0e0f08eab7690d2a6ee69"`, ``},
		{"sha1", Redaction{BlockedValues: []string{"secret"}, HashFunction: "sha1"}, []any{"a", "secret"}, `a="e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"`, ``},
		{"sha3", Redaction{BlockedValues: []string{"secret"}, HashFunction: "sha3"}, []any{"a", "secret"}, `a="f5a5207a8729b1f709cb710311751eb2fc8acad5a1fb8ac991b736e69b6529a3"`, ``},
		{"the empty string", Redaction{BlockedValues: []string{"^$"}}, []any{"a", "", "b", "x", "c", int64(1)}, `a="****" b="x" c="****"`, ``},
		{"events", Redaction{BlockedValues: []string{"secret"}, BlockedKeyPatterns: []string{"key"}}, []any{"a", "secret"}, `a="****"`, `a="a ****" key="****" b="none"`},
		{"events alone", Redaction{BlockedValues: []string{"a secret"}}, []any{"a", "secret"}, `a="secret"`, `a="****" key="x" b="none"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compiled(t, nil, c.rules)
			s := &tracepb.Span{Name: "secret", Attributes: pairs(c.in...), TraceState: "secret"}
			if c.events != "" {
				s.Events = []*tracepb.Span_Event{{TimeUnixNano: 1, Name: "none"}, {TimeUnixNano: 2, Name: "secret", Attributes: pairs("a", "a secret", "key", "x", "b", "none"), DroppedAttributesCount: 3}}
			}
			got := r.checkSpan(t, encoded(t, s))
			if shown(got.Attributes) != c.want {
				t.Errorf("made %s\nwant %s", shown(got.Attributes), c.want)
			}
			if c.events != "" && shown(got.Events[1].Attributes) != c.events {
				t.Errorf("made %s\nwant %s", shown(got.Events[1].Attributes), c.events)
			}
		})
	}
}

// TestMaskedLast: masking sees what the actions made, and an action does not see masks.
func TestMaskedLast(t *testing.T) {
	r := compiled(t, []Action{{Action: "extract", Key: "url", Pattern: `user=(?P<user>\w+)`}, {Action: "insert", Key: "copy", FromAttribute: "user"}, {Action: "insert", Key: "password", Value: "p"}},
		Redaction{BlockedValues: []string{"bob"}, BlockedKeyPatterns: []string{"^pass"}})
	got := r.checkSpan(t, encoded(t, &tracepb.Span{Attributes: pairs("url", "/?user=bob")}))
	if want := `url="/?user=****" user="****" copy="****" password="****"`; shown(got.Attributes) != want {
		t.Errorf("made %s, want %s", shown(got.Attributes), want)
	}
}
