package wire

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func TestAppend(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 300, 1<<14 - 1, 1 << 14, math.MaxUint32, 1 << 56, 1 << 63, math.MaxUint64} {
		if got, want := AppendVarint([]byte("x"), v), protowire.AppendVarint([]byte("x"), v); !bytes.Equal(got, want) {
			t.Errorf("%d is %x", v, got)
		}
		if got := SizeVarint(v); got != protowire.SizeVarint(v) {
			t.Errorf("%d has %d bytes", v, got)
		}
		for _, num := range []protowire.Number{1, 15, 16, 2047, 2048, protowire.MaxValidNumber} {
			n := uint32(num)
			got := AppendFixed32(AppendFixed64(AppendUint(nil, n, v), n, v), n, uint32(v))
			want := protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
			want = protowire.AppendFixed64(protowire.AppendTag(want, num, protowire.Fixed64Type), v)
			want = protowire.AppendFixed32(protowire.AppendTag(want, num, protowire.Fixed32Type), uint32(v))
			if !bytes.Equal(got, want) {
				t.Errorf("field %d with %d is %x, want %x", num, v, got, want)
			}
		}
	}
	for _, s := range []string{"", "x", strings.Repeat("long", 100)} {
		want := protowire.AppendString(protowire.AppendTag(nil, 7, protowire.BytesType), s)
		if !bytes.Equal(AppendBytes(nil, 7, s), want) || !bytes.Equal(AppendBytes(nil, 7, []byte(s)), want) {
			t.Errorf("%q is %x", s, AppendBytes(nil, 7, s))
		}
	}
}

func TestText(t *testing.T) {
	check := func(in string, limit int, want string, cut, repaired bool) {
		t.Helper()
		text := NewText([]byte(in), limit)
		if got := string(text.Append(nil)); got != want || text.Len() != len(want) || text.Cut != cut || text.Repaired() != repaired {
			t.Errorf("%q with limit %d is %q, length %d, cut %v, repaired %v", in, limit, got, text.Len(), text.Cut, text.Repaired())
		}
	}
	check("", 0, "", false, false)
	check("a", 0, "", true, false)
	check("plain ASCII of more than 8", 8, "plain AS", true, false)
	check("grüße", 7, "grüße", false, false)
	check("grüße", 3, "gr", true, false) // the limit is inside of ü
	check("grüße", 4, "grü", true, false)
	check("a\xffb", 9, "a\uFFFDb", false, true)
	check("a\xff\xfe\xfdb", 5, "a\uFFFDb", false, true) // one replacement for the run
	check("a\xff\xfe\xfdb", 4, "a\uFFFD", true, true)   // only b is cut
	check("a\xff\xfe\xfd", 4, "a\uFFFD", false, true)
	check("a\xff\xfe\xfd", 3, "a", true, false) // the replacement has no room: nothing that is left was repaired
	check("abc\xff", 2, "ab", true, false)
	check("\xff", 0, "", true, false)
	check("\xe6\x97", 3, "\uFFFD", false, true)         // a cut character
	check("\uFFFD\xff", 6, "\uFFFD\uFFFD", false, true) // one that was sent, one that was made
	check("\uFFFD", 3, "\uFFFD", false, false)
	check("\xed\xa0\x80", 9, "\uFFFD", false, true) // a surrogate
}

// Every limit of strings from an alphabet of what can go wrong.
func TestTextLimits(t *testing.T) {
	pieces := []string{"a", "\xff", "\xc3", "ü", "日", "\xe6\x97", "\U0001F600", "\uFFFD", "12345678"}
	var all []string
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				all = append(all, a+b+c, a+b+b+c)
			}
		}
	}
	for _, s := range slices.Compact(all) {
		for limit := range 3*len(s) + 2 {
			checkText(t, []byte(s), limit)
		}
	}
}

func TestCopyASCII(t *testing.T) {
	for n := range 80 {
		s := bytes.Repeat([]byte("abcdefg"), 12)[:n]
		dst := bytes.Repeat([]byte{'.'}, n+8)
		if !CopyASCII(dst, s) || !bytes.Equal(dst[:n], s) || string(dst[n:]) != "........" {
			t.Errorf("%d bytes: %q", n, dst)
		}
		for i := range n {
			bad := bytes.Clone(s)
			bad[i] = 0x80
			if CopyASCII(dst, bad) || ASCII(bad) || Printable(bad) {
				t.Errorf("%d bytes, byte %d is 0x80", n, i)
			}
			for _, c := range []byte{0, 0x1f, 0x7f} {
				bad[i] = c
				if Printable(bad) || !ASCII(bad) {
					t.Errorf("%d bytes, byte %d is %#x", n, i, c)
				}
			}
		}
		if !Printable(s) || !ASCII(s) {
			t.Errorf("%d bytes are not printable", n)
		}
	}
}
