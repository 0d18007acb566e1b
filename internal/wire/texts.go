package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// texts says where a message of OTLP has strings: which of its fields are strings, and which are messages with strings in
// them. All others are passed on unseen.
type texts struct {
	strings  uint16 // bit n: field n
	messages [16]*texts
}

// opentelemetry/proto/{trace,common,resource}/v1
var (
	anyValueTexts, keyValueTexts, arrayTexts, keyValuesTexts texts

	spanTexts     = texts{strings: 1<<3 | 1<<5, messages: [16]*texts{9: &keyValueTexts, 11: &eventTexts, 13: &linkTexts, 15: &statusTexts}}
	eventTexts    = texts{strings: 1 << 2, messages: [16]*texts{3: &keyValueTexts}}
	linkTexts     = texts{strings: 1 << 3, messages: [16]*texts{4: &keyValueTexts}}
	statusTexts   = texts{strings: 1 << 2}
	resourceTexts = texts{messages: [16]*texts{1: &keyValueTexts, 3: &entityTexts}}
	entityTexts   = texts{strings: 1<<1 | 1<<2 | 1<<3 | 1<<4}
	scopeTexts    = texts{strings: 1<<1 | 1<<2, messages: [16]*texts{3: &keyValueTexts}}

	resourceSpansTexts = texts{strings: 1 << 3, messages: [16]*texts{1: &resourceTexts}}
	scopeSpansTexts    = texts{strings: 1 << 3, messages: [16]*texts{1: &scopeTexts}}

	_ = func() bool { // values may hold values
		keyValueTexts = texts{strings: 1 << 1, messages: [16]*texts{2: &anyValueTexts}}
		anyValueTexts = texts{strings: 1 << 1, messages: [16]*texts{5: &arrayTexts, 6: &keyValuesTexts}}
		arrayTexts = texts{messages: [16]*texts{1: &anyValueTexts}}
		keyValuesTexts = texts{messages: [16]*texts{1: &keyValueTexts}}
		return true
	}()
)

// maxNesting is how deep messages may be nested: about what protobuf runtimes take.
const maxNesting = 100

// of gives what field key is: a string, a message with strings, or neither.
func (t *texts) of(key uint32) (isString bool, message *texts) {
	if num := key >> 3; key&7 == Bytes && num < 16 {
		return t.strings>>num&1 != 0, t.messages[num]
	}
	return false, nil
}

// Health is what a message's strings are like.
type Health uint8

const (
	Sound    Health = iota
	Poisoned        // a string is not UTF-8: a strict reader refuses the whole request for it
	Broken          // malformed, or nested too deeply
)

// look looks at all strings of the message b[i:end].
func (t *texts) look(b []byte, i, end, depth int) (h Health) {
	for i < end {
		key, v, next := field(b, i, end)
		if i = next; next < 0 {
			return Broken
		}
		if h = max(h, t.lookField(b, key, int(v), next, depth)); h == Broken {
			return h
		}
	}
	return h
}

// lookField looks at the field key of a message, with the value b[v:next] if it has a length.
func (t *texts) lookField(b []byte, key uint32, v, next, depth int) Health {
	isString, message := t.of(key)
	switch {
	case isString:
		if s := b[v:next]; !ASCII(s) && !utf8.Valid(s) {
			return Poisoned
		}
	case message != nil && depth >= maxNesting:
		return Broken
	case message != nil:
		return message.look(b, v, next, depth+1)
	}
	return Sound
}

// appendRepaired appends the message b, which is not broken, with its strings repaired as Text does, and counts them.
func (t *texts) appendRepaired(dst, b []byte, repaired *int) []byte {
	for i := 0; i < len(b); {
		key, v, next := field(b, i, len(b))
		isString, message := t.of(key)
		switch {
		case isString:
			text := NewText(b[v:next], len(b)*len("\uFFFD"))
			if text.Repaired() {
				*repaired++
			}
			dst = AppendVarint(AppendVarint(dst, uint64(key)), uint64(text.Len()))
			dst = text.Append(dst)
		case message != nil:
			dst = AppendVarint(dst, uint64(key))
			inner := message.appendRepaired(nil, b[v:next], repaired)
			dst = append(protowire.AppendVarint(dst, uint64(len(inner))), inner...)
		default:
			dst = append(dst, b[i:next]...)
		}
		i = next
	}
	return dst
}

// AppendResource appends b, fields of a ResourceSpans, with their strings repaired, and gives how many there were. Of
// malformed fields it appends nothing and counts one.
func AppendResource(dst, b []byte) ([]byte, int) { return resourceSpansTexts.appendFields(dst, b) }

// AppendScope is AppendResource for fields of a ScopeSpans.
func AppendScope(dst, b []byte) ([]byte, int) { return scopeSpansTexts.appendFields(dst, b) }

func (t *texts) appendFields(dst, b []byte) ([]byte, int) {
	n := 0
	switch t.look(b, 0, len(b), 0) {
	case Broken:
		return dst, 1
	case Poisoned:
		dst = t.appendRepaired(dst, b, &n)
		return dst, n
	}
	return append(dst, b...), 0
}
