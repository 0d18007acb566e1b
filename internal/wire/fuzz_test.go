package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/alspan/alspan/internal/recordings"
)

// recorded gives each Node and each entry that real Envoys sent.
func recorded(tb testing.TB, entry func(b []byte, tcp bool), node func([]byte)) {
	tb.Helper()
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range frames {
			if f.Kind != recordings.KindALS {
				continue
			}
			split(tb, f.Bytes, func(num protowire.Number, sub []byte) {
				split(tb, sub, func(inner protowire.Number, b []byte) {
					switch {
					case num == 1 && inner == 1:
						node(b)
					case num > 1 && inner == 1:
						entry(b, num == 3)
					}
				})
			})
		}
	}
}

// split gives the length-delimited fields of a message, by the official walker.
func split(tb testing.TB, b []byte, f func(protowire.Number, []byte)) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		v, m := protowire.ConsumeBytes(b[n:])
		if n < 0 || m < 0 || typ != protowire.BytesType {
			tb.Fatalf("a recording has field %d of type %d", num, typ)
		}
		f(num, v)
		b = b[n+m:]
	}
}

// FuzzEntry holds the walk against the official runtime, with any bytes.
func FuzzEntry(f *testing.F) {
	recorded(f, func(b []byte, tcp bool) { f.Add(b, tcp) }, func([]byte) {})
	for _, b := range oddEntries() {
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, tcp bool) {
		var e Entry
		checkEntry(t, &e, b, !tcp) // and leave something to be cleared
		checkEntry(t, &e, b, tcp)
	})
}

// FuzzShapedEntry does the same with messages that are nearly right: the bytes decide which fields there are.
func FuzzShapedEntry(f *testing.F) {
	for _, decisions := range someDecisions(32) {
		f.Add(decisions, len(decisions)%2 == 0)
	}
	f.Fuzz(func(t *testing.T, decisions []byte, tcp bool) {
		var e Entry
		checkEntry(t, &e, shapedEntry(decisions, tcp), tcp)
	})
}

// FuzzNode holds Node.Walk against the official runtime.
func FuzzNode(f *testing.F) {
	recorded(f, func([]byte, bool) {}, func(b []byte) {
		// Without the list of extensions, which is nearly all of it.
		var short []byte
		split(f, b, func(num protowire.Number, v []byte) {
			if num != 9 {
				short = AppendBytes(short, uint32(num), v)
			}
		})
		f.Add(short)
	})
	for _, decisions := range someDecisions(32) {
		f.Add(shapedNode(decisions))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkNode(t, b) })
}

// FuzzText holds the repair of strings against the standard library's.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "grüße", "a\xffb\xff\xfec", "日本語", "\xe6\x97", "\U0001F600\xf0\x9f\x98", "\uFFFD\xff\uFFFD", "\xed\xa0\x80"} {
		f.Add([]byte(s), 4096)
		f.Add([]byte(s+s), 7)
	}
	f.Fuzz(func(t *testing.T, s []byte, limit int) {
		if limit >= 0 {
			checkText(t, s, limit)
		}
	})
}

func checkText(t *testing.T, s []byte, limit int) {
	t.Helper()
	whole := strings.ToValidUTF8(string(s), "\uFFFD")
	want := whole
	for i, r := range whole {
		if i+utf8.RuneLen(r) > limit {
			want = whole[:i]
			break
		}
	}
	// The value was repaired if what is left of it is not what was sent.
	repaired := !bytes.HasPrefix(s, []byte(want))
	text := NewText(s, limit)
	got := text.Append([]byte("before"))
	if string(got) != "before"+want {
		t.Fatalf("%q with limit %d is %q, want %q", s, limit, got[6:], want)
	}
	if text.Len() != len(want) || text.Cut != (len(whole) > limit) || text.Repaired() != repaired {
		t.Fatalf("%q with limit %d: length %d, cut %v, repaired %v; want %d, %v, %v",
			s, limit, text.Len(), text.Cut, text.Repaired(), len(want), len(whole) > limit, repaired)
	}
}
