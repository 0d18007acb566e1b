package spanbuilder

import (
	"bytes"
	"net/url"
	"strings"
)

const redactedValue = "REDACTED"

// appendQuery appends query with the values of known credential parameters replaced.
func (b *Builder) appendQuery(dst, query []byte) []byte {
	if !b.holdsSecret(query) {
		return append(dst, query...)
	}
	for more := true; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte{'&'})
		if name := b.secretName(pair); name != nil {
			dst = append(append(append(dst, name...), '='), redactedValue...)
		} else {
			dst = append(dst, pair...)
		}
		if more {
			dst = append(dst, '&')
		}
	}
	return dst
}

// query writes url.query.
func (r *request) query() {
	query := r.e.Bytes(r.target.query)
	if !r.b.holdsSecret(query) {
		r.text(urlQueryKey, r.target.query)
		return
	}
	r.bytes(urlQueryKey, r.b.appendQuery(r.scratch(), query))
}

func (b *Builder) holdsSecret(query []byte) bool {
	for more := len(query) > 0; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte{'&'})
		if b.secretName(pair) != nil {
			return true
		}
	}
	return false
}

// secretName gives the name of a parameter whose value has to be replaced. One that somebody has replaced before is left
// alone, so that a span that passes two agents is not written anew.
func (b *Builder) secretName(pair []byte) []byte {
	end := bytes.IndexByte(pair, '=')
	if end < 0 || !b.secret(pair[:end]) || string(pair[end+1:]) == redactedValue {
		return nil
	}
	return pair[:end]
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
