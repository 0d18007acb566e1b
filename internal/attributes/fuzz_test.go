package attributes

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// chooser makes rules and odd messages of bytes: each choice takes one. Without any left it takes the first of all choices.
type chooser struct{ choices []byte }

func (c *chooser) below(n int) int {
	if len(c.choices) == 0 {
		return 0
	}
	x := c.choices[0]
	c.choices = c.choices[1:]
	return int(x) % n
}

func choose[T any](c *chooser, from ...T) T { return from[c.below(len(from))] }

func (c *chooser) key() string {
	return choose(c, "component", "a", "b", "http.url", "http.status_code", "node_id", "key", "fresh", "")
}

func (c *chooser) rules(t testing.TB) *rules {
	var actions []Action
	for range 1 + c.below(6) {
		x := Action{Action: choose(c, "upsert", "insert", "update", "delete", "hash", "extract", "convert", "Upsert"), Key: c.key()}
		switch x.Action {
		case "delete", "hash":
			if x.Key == "" || c.below(2) == 0 {
				x.Pattern = choose(c, "^a$", "http", "e.*d", "", "^$", "(?i)NODE")
			}
			if x.Key+x.Pattern == "" {
				x.Key = "a"
			}
		case "extract":
			x.Pattern = choose(c, `^(?P<a>\w+)://(?P<fresh>[^/]+)(?P<b>/.*)?`, `(?P<key>.*)`, `(?P<a>x)|(?P<component>p)`)
		case "convert":
			x.ConvertedType = choose(c, "string", "int", "double")
		default:
			x.Value = choose[any](c, "sandbox", int64(-7), 1.5, true, false, "", []any{"x", int64(1), nil, 2.5, []any{false}}, nil)
			if x.Value == nil {
				x.FromAttribute = choose(c, "a", "b", "http.url", "key", "fresh")
			}
		}
		if x.Key == "" && x.Pattern == "" || x.Key == "" && x.Action != "delete" && x.Action != "hash" {
			x.Key = "a"
		}
		actions = append(actions, x)
	}
	var r Redaction
	for range c.below(3) {
		r.BlockedValues = append(r.BlockedValues, choose(c, `[0-9]+`, `sand|box`, `pro(x)y`, `4[0-9]{12}`, `\*+`, `e*`, `(?i)HTTP`))
	}
	for range c.below(3) {
		r.BlockedKeyPatterns = append(r.BlockedKeyPatterns, choose(c, "^a", "url$", "e"))
	}
	for range c.below(3) {
		r.IgnoredKeys = append(r.IgnoredKeys, c.key())
	}
	r.HashFunction = choose(c, "", "md5", "sha1", "sha3", "sha256")
	return compiled(t, actions, r)
}

// size is sometimes encoded longer than it need be.
func (c *chooser) size(b []byte, n int) []byte {
	b = wire.AppendVarint(b, uint64(n))
	for range max(c.below(24)-21, 0) {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

func (c *chooser) field(b []byte, num uint32, v []byte) []byte {
	b = c.size(b, int(num<<3|wire.Bytes))
	return append(c.size(b, len(v)), v...)
}

// value appends members of AnyValue's oneof: mostly one.
func (c *chooser) value(b []byte, depth int) []byte {
	for range choose(c, 1, 1, 1, 1, 1, 1, 0, 2, 3) {
		switch kind := c.below(12); kind {
		default:
			b = c.field(b, 1, []byte(choose(c, "proxy", "", "http://h/a?b", "17", "1e3", "x", "-9223372036854775808", "two\nlines\n", "grüße", "****")))
		case 6:
			b = wire.AppendUint(b, 2, uint64(c.below(3)))
		case 7:
			b = wire.AppendUint(b, 3, choose[uint64](c, 0, 7, math.MaxUint64, 1<<63, 1<<40))
		case 8:
			b = wire.AppendFixed64(b, 4, math.Float64bits(choose(c, 0, 1.5, -3e-9, 1e21, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, math.Copysign(0, -1))))
		case 9, 10:
			var list []byte
			for range c.below(4) {
				if depth == 0 {
					break
				}
				if kind == 9 {
					list = c.field(list, 1, c.value(nil, depth-1))
				} else {
					list = c.field(list, 1, c.keyValue(depth-1))
				}
			}
			b = c.field(b, uint32(kind-4), list)
		case 11:
			b = choose(c, wire.AppendBytes(b, 7, "\x00\xff"), wire.AppendBytes(b, 7, ""), wire.AppendUint(b, 8, 1), wire.AppendUint(b, 99, 1), wire.AppendUint(b, 1, 1))
		}
	}
	return b
}

func (c *chooser) keyValue(depth int) (b []byte) {
	for _, part := range choose(c, "kv", "kv", "kv", "kv", "kv", "vk", "kvv", "kkv", "k", "v", "ukv", "kvu", "kuvuv", "") {
		switch part {
		case 'k':
			b = c.field(b, 1, []byte(c.key()))
		case 'v':
			b = c.field(b, 2, c.value(nil, depth))
		case 'u':
			b = choose(c, wire.AppendUint(b, 3, 7), wire.AppendBytes(b, 99, "unknown"), wire.AppendFixed32(b, 1, 7),
				protowire.AppendTag(wire.AppendUint(protowire.AppendTag(b, 50, protowire.StartGroupType), 1, 1), 50, protowire.EndGroupType))
		}
	}
	return b
}

func (c *chooser) span() (b []byte) {
	for range c.below(12) {
		switch c.below(12) {
		default:
			b = c.field(b, 9, c.keyValue(3))
		case 8:
			b = wire.AppendBytes(b, 1, "0123456789abcdef")
		case 9:
			event := wire.AppendFixed64(nil, 1, 5)
			for range c.below(4) {
				event = wire.AppendBytes(c.field(event, 3, c.keyValue(2)), 2, "name")
			}
			b = c.field(b, 11, event)
		case 10:
			b = wire.AppendFixed64(wire.AppendBytes(b, 13, wire.AppendBytes(nil, 4, c.keyValue(1))), 7, 12345)
		case 11:
			b = choose(c, wire.AppendUint(b, 9, 1), wire.AppendUint(b, 6, 2), wire.AppendBytes(b, 200, "unknown"), wire.AppendBytes(b, 15, ""))
		}
	}
	return b
}

// recorded gives spans that real Envoys sent.
func recorded(tb testing.TB) (all [][]byte) {
	for _, mode := range []string{"otel", "otel-tags"} {
		frames, err := recordings.Frames(mode)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range frames {
			var data tracepb.TracesData
			if f.Kind != recordings.KindTraces || proto.Unmarshal(f.Bytes, &data) != nil {
				continue
			}
			for _, rs := range data.ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						b, err := proto.Marshal(s)
						if err != nil {
							tb.Fatal(err)
						}
						all = append(all, b)
					}
				}
			}
		}
	}
	return all
}

func someChoices(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// check compares where the message is sound: others do not come so far. Nothing may make it panic.
func check(t *testing.T, r *rules, b []byte) {
	t.Helper()
	var view wire.Span
	if view.Walk(b) == wire.Sound {
		r.checkSpan(t, b)
	} else {
		r.changed(t, r.e.Span, b)
	}
	if _, repaired := wire.AppendResource(nil, wire.AppendBytes(nil, 1, b)); repaired == 0 {
		r.checkResource(t, b)
	} else {
		r.changed(t, r.e.Resource, b)
	}
}

// FuzzSpan compares with the oracle, with any rules and any bytes as a span and as a resource.
func FuzzSpan(f *testing.F) {
	for i, b := range recorded(f) {
		if i < 12 {
			f.Add(b, someChoices(uint64(i), 60))
		}
	}
	for i := range uint64(40) {
		f.Add((&chooser{someChoices(i, 300)}).span(), someChoices(i+1000, 60))
	}
	f.Fuzz(func(t *testing.T, span, choices []byte) {
		check(t, (&chooser{choices}).rules(t), span)
	})
}

// TestOddSpans does the same with spans that are encoded as they may be but hardly ever are.
func TestOddSpans(t *testing.T) {
	real := recorded(t)
	for i := range uint64(1000) {
		r := (&chooser{someChoices(i, 80)}).rules(t)
		for j := range uint64(4) {
			check(t, r, (&chooser{someChoices(i<<2|j, 400)}).span())
		}
		check(t, r, real[int(i)%len(real)])
	}
}

// TestMalformed: where what is looked at is malformed, at any depth, the span is given back as it is.
func TestMalformed(t *testing.T) {
	r := compiled(t, []Action{{Action: "delete", Key: "a"}, {Action: "upsert", Key: "new", Value: "v"}}, Redaction{BlockedValues: []string{"secret"}})
	value := wire.AppendBytes(nil, 1, "secret")
	keyValue := wire.AppendBytes(wire.AppendBytes(nil, 1, "a"), 2, value)
	event := wire.AppendBytes(wire.AppendBytes(nil, 2, "name"), 3, keyValue)
	good := wire.AppendBytes(wire.AppendBytes(nil, 9, keyValue), 11, event)
	inAttribute := func(b []byte) []byte { return wire.AppendBytes(nil, 9, b) }
	inValue := func(b []byte) []byte { return inAttribute(wire.AppendBytes(wire.AppendBytes(nil, 1, "k"), 2, b)) }
	inEvent := func(b []byte) []byte { return wire.AppendBytes(nil, 11, b) }
	for name, of := range map[string]func(cut []byte) []byte{
		"span": func(b []byte) []byte { return b }, "attribute": inAttribute, "value": inValue, "event": inEvent,
		"attribute of an event": func(b []byte) []byte { return inEvent(wire.AppendBytes(nil, 3, b)) },
	} {
		for _, bad := range [][]byte{{0x0a}, {0x0a, 5, 'x'}, {0x80}, {0x00}, {0x0f}, {0x21, 1, 2}, {0x08, 0xff}, {0x0b}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
			span := append(slices.Clone(good), of(bad)...)
			if got := r.e.Span(slices.Clone(span)); string(got) != string(span) {
				t.Errorf("%s: %x is %x", name, span, got)
			}
		}
	}
	if got := r.e.Span(slices.Clone(good)); string(got) == string(good) {
		t.Error("the good part is not changed")
	}
}
