package config

import "errors"

// Redaction is what is masked in the attributes of spans, of their events and of resources.
type Redaction struct {
	AllowAllKeys       bool   // always true
	BlockedValues      []Text // RE2: what they match in a value is masked
	BlockedKeyPatterns []Text // RE2: the whole value of a key that one matches is masked
	IgnoredKeys        []Text // keys whose values are left as they are
	HashFunction       string // empty masks with asterisks, sha256 with a hash
}

const allowedKeys = "no attribute is taken away for not being on a list here; attributes.actions can delete attributes"

func (r *Redaction) declare() *node {
	patterns := checked("regular expressions (RE2) of at most 4KiB", func(s string) (string, error) {
		if s == "" {
			return "", errors.New("it is empty")
		}
		return pattern(s)
	})
	return section("redaction", "What is masked in the attributes of spans, of their events and of resources, after all actions. The keys are "+
		"those of a collector's redaction processor.",
		key("allow_all_keys", &r.AllowAllKeys, true, "Attributes stay, whatever their key is.", checked("true", func(s string) (string, error) {
			if s != "true" {
				return "", errors.New(allowedKeys)
			}
			return s, nil
		})),
		key("blocked_values", &r.BlockedValues, []Text{}, "Whatever one of them matches within a text is masked.", patterns),
		key("blocked_key_patterns", &r.BlockedKeyPatterns, []Text{}, "An attribute whose key one of them matches anywhere is masked as a whole.", patterns),
		key("ignored_keys", &r.IgnoredKeys, []Text{}, "Attributes that are left as they are.", checked("keys", notEmpty)),
		key("hash_function", &r.HashFunction, "", "How it is masked: empty writes `****`, the others the hash of what is masked, in hexadecimal.", oneOfAnyCase("", "md5", "sha1", "sha3", "sha256"))).
		refuse(allowedKeys, "allowed_keys").
		refuse("it is not supported; known here are blocked_values, blocked_key_patterns, ignored_keys and hash_function",
			"allowed_values", "ignored_key_patterns", "redact_all_types", "summary", "hmac_key", "db_sanitizer", "url_sanitizer").
		example(`redaction:
  blocked_values:
    - "4[0-9]{12}(?:[0-9]{3})?"
  blocked_key_patterns:
    - ".*(?i:token|secret).*"
`)
}
