package spanbuilder

import (
	"bytes"
	"net/url"
	"strings"
)

const redactedValue = "REDACTED"

// redacted gives query with the values of known credential parameters replaced. Without any, it is query itself.
func (b *Builder) redacted(query []byte) []byte {
	if !b.holdsSecret(query) {
		return query
	}
	out := make([]byte, 0, len(query)+64)
	for i, pair := range bytes.Split(query, []byte{'&'}) {
		if i > 0 {
			out = append(out, '&')
		}
		name, _, found := bytes.Cut(pair, []byte{'='})
		if found && b.secret(name) {
			out = append(append(append(out, name...), '='), redactedValue...)
		} else {
			out = append(out, pair...)
		}
	}
	return out
}

func (b *Builder) holdsSecret(query []byte) bool {
	name, inName := 0, true
	for i, c := range query {
		switch {
		case c == '&':
			name, inName = i+1, true
		case c == '=' && inName:
			if inName = false; b.secret(query[name:i]) {
				return true
			}
		}
	}
	return false
}

// secret tells whether a parameter of that name, as it is written in a query, is a credential.
func (b *Builder) secret(name []byte) bool {
	if len(name) > 256 {
		return false
	}
	for _, c := range name {
		if c == '%' || c == '+' {
			plain, err := url.QueryUnescape(string(name))
			return err == nil && b.redact[strings.ToLower(plain)]
		}
	}
	if b.redactLengths>>min(len(name), 63)&1 == 0 {
		return false
	}
	var room [256]byte
	lower := room[:0]
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	return b.redact[string(lower)]
}
