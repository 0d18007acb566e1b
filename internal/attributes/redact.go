package attributes

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// redaction is a Redaction, compiled.
type redaction struct {
	values  []pattern
	keys    []*regexp.Regexp
	ignored map[string]bool
	mask    func(match []byte) []byte
}

var hashes = map[string]func([]byte) []byte{
	"md5":    func(b []byte) []byte { sum := md5.Sum(b); return sum[:] },
	"sha1":   func(b []byte) []byte { sum := sha1.Sum(b); return sum[:] },
	"sha3":   func(b []byte) []byte { sum := sha3.Sum256(b); return sum[:] },
	"sha256": func(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] },
}

// newRedaction gives nil if nothing is to be masked.
func newRedaction(in *Redaction) (*redaction, error) {
	r := &redaction{ignored: map[string]bool{}, mask: func([]byte) []byte { return []byte("****") }}
	if in.HashFunction != "" {
		sum, ok := hashes[strings.ToLower(in.HashFunction)]
		if !ok {
			return nil, fmt.Errorf("hash_function %q is not md5, sha1, sha3 or sha256", in.HashFunction)
		}
		r.mask = func(match []byte) []byte { return hex.AppendEncode(nil, sum(match)) }
	}
	for i, text := range in.BlockedValues {
		re, err := compilePattern(text)
		if err != nil {
			return nil, fmt.Errorf("blocked_values[%d]: %w", i, err)
		}
		r.values = append(r.values, newPattern(re))
	}
	for i, text := range in.BlockedKeyPatterns {
		re, err := compilePattern(text)
		if err != nil {
			return nil, fmt.Errorf("blocked_key_patterns[%d]: %w", i, err)
		}
		r.keys = append(r.keys, re)
	}
	for _, key := range in.IgnoredKeys {
		r.ignored[key] = true
	}
	if len(r.values)+len(r.keys) == 0 {
		return nil, nil
	}
	return r, nil
}

// wholeLine is what is masked of a value with a blocked key. It matches in the empty string, too.
var wholeLine = regexp.MustCompile(`.*`)

// redact masks what of the attribute f is to be masked.
func (e *Editor) redact(f *field) {
	if !f.facts.masked {
		return
	}
	r := e.a.redact
	var text []byte
	if f.value.kind == stringKind {
		text = f.value.bytes
	}
	masked := text
	if f.facts.blocked {
		masked = wholeLine.ReplaceAllFunc(text, e.mask)
	} else {
		for i := range r.values {
			masked = r.values[i].replace(masked, e.mask)
		}
	}
	if !bytes.Equal(masked, text) {
		f.set(e.text(masked))
	}
}
