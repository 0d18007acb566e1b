package propagation

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestReadHints(t *testing.T) {
	const rv = 0x0123456789abcd
	tests := []struct {
		in   string
		want Hints
		ok   bool
	}{
		{"th:c", Hints{Threshold: 0xc0 << 48, HasThreshold: true}, true},
		{"th:0", Hints{HasThreshold: true}, true},
		{"th:00", Hints{HasThreshold: true}, true},
		{"th:fd70a", Hints{Threshold: 0xfd70a << 36, HasThreshold: true}, true},
		{"th:ffffffffffffff", Hints{Threshold: 1<<56 - 1, HasThreshold: true}, true},
		{"rv:0123456789abcd", Hints{Randomness: rv, HasRandomness: true}, true},
		{"x:1;th:8;y:;rv:0123456789abcd", Hints{Threshold: 0x80 << 48, Randomness: rv, HasThreshold: true, HasRandomness: true}, true},
		{"p:8", Hints{}, true},
		{"tht:8;ath:8;rv2:1", Hints{}, true},

		{"th:;rv:0123456789abcd", Hints{Randomness: rv, HasRandomness: true, Bad: true}, true},
		{"th:C;rv:0123456789abcd", Hints{Randomness: rv, HasRandomness: true, Bad: true}, true},
		{"th:0123456789abcde", Hints{Bad: true}, true},
		{"th:8;rv:0123456789abc", Hints{Threshold: 0x80 << 48, HasThreshold: true, Bad: true}, true},
		{"th:8;rv:0123456789abcg", Hints{Threshold: 0x80 << 48, HasThreshold: true, Bad: true}, true},
		{"th:8;th:8", Hints{Bad: true}, true},
		{"th:x;th:8", Hints{Bad: true}, true},
		{"rv:0123456789abcd;rv:0123456789abcd;th:8", Hints{Threshold: 0x80 << 48, HasThreshold: true, Bad: true}, true},

		{"", Hints{}, false},
		{"th", Hints{}, false},
		{"th:8;", Hints{}, false},
		{"th:8;;x:1", Hints{}, false},
		{"th:8;X:1", Hints{}, false},
		{"th:8;x:a/b", Hints{}, false},
		{"th:8 ", Hints{}, false},
	}
	for _, tt := range tests {
		if got, ok := ReadHints([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("ReadHints(%q) = %+v, %v, want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestOT(t *testing.T) {
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{" ,", "", true},
		{"foo=1", "", true},
		{"ot=th:8", "th:8", true},
		{"foo=1, ot=th:8\t,bar=2", "th:8", true},
		{"ot=th:x,ot=th:8", "th:x", true},
		{"tot=1,ot@v=2,o=t,ot/=1", "", true},
		{numbered(31) + ",,,ot=x:1", "x:1", true},
		{"ot=th:8," + numbered(32), "", false},
		{"ot=th:8,foo", "", false},
		{"ot=", "", false},
		{"ot=th:8,FOO=1", "", false},
	}
	for _, tt := range tests {
		if got, ok := OT([]byte(tt.in)); string(got) != tt.want || ok != tt.ok || (got != nil) != (tt.want != "") {
			t.Errorf("OT(%q) = %q, %v, want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestReplaceOT(t *testing.T) {
	ot256 := "x:" + strings.Repeat("v", 254)
	tests := []struct{ name, in, ot, want string }{
		{"into nothing", "", "th:8", "ot=th:8"},
		{"nothing into nothing", "", "", ""},
		{"in front", "foo=1,bar=2", "th:8", "ot=th:8,foo=1,bar=2"},
		{"moves to the front", "foo=1,ot=th:4,bar=2", "th:8", "ot=th:8,foo=1,bar=2"},
		{"taken away", "foo=1,ot=th:4,bar=2", "", "foo=1,bar=2"},
		{"taken away and nothing left", " ot=th:4", "", ""},
		{"one that is bad", "foo=1,ot=th:x", "th:8", "ot=th:8,foo=1"},
		{"two, both go", "ot=th:4,foo=1,ot=th:c", "", "foo=1"},
		{"malformed", "foo=1,bar", "th:8", "ot=th:8"},
		{"malformed, nothing to add", "foo=1,bar", "", ""},
		{"33 members", numbered(33), "th:8", "ot=th:8"},
		{"32 members and ot", numbered(32), "th:8", "ot=th:8," + numbered(31)},
		{"31 members and another ot", numbered(31) + ",ot=x:1", "th:8", "ot=th:8," + numbered(31)},
		{"32 members, two alike", numbered(31) + ",k00=9", "th:8", "ot=th:8," + numbered(31)},
		{"512 characters", long("a", 256) + "," + long("b", 247), "th:8", "ot=th:8," + long("a", 256) + "," + long("b", 247)},
		{"513 characters", long("a", 256) + "," + long("b", 248), "th:8", "ot=th:8," + long("a", 256)},
		{"long ones first", long("a", 256) + "," + long("b", 100) + "," + long("c", 100) + "," + long("d", 100), "th:8",
			"ot=th:8," + long("b", 100) + "," + long("c", 100) + "," + long("d", 100)},
		{"a single one that is too long beside ot", long(strings.Repeat("k", 256), 513), "th:8", "ot=th:8"},
		{"a single one that is too long without ot", "ot=th:4," + long(strings.Repeat("k", 256), 513), "", long(strings.Repeat("k", 256), 513)},
		{"the longest ot stays", long("a", 100) + "," + long("b", 151), ot256, "ot=" + ot256 + "," + long("a", 100) + "," + long("b", 151)},
		{"the longest ot stays, the last goes", long("a", 100) + "," + long("b", 152), ot256, "ot=" + ot256 + "," + long("a", 100)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ReplaceOT([]byte("before"), []byte(tt.in), []byte(tt.ot))
			if string(got) != "before"+tt.want {
				t.Errorf("ReplaceOT(%q, %q)\n got %q\nwant %q", tt.in, tt.ot, got, "before"+tt.want)
			}
		})
	}
}

func FuzzReplaceOT(f *testing.F) {
	for _, value := range []string{"", "foo=1,bar=2", "ot=th:8;rv:0123456789abcd,a@b=c", "a=1,ot=th:x,ot=y:1", "FOO=1", numbered(31) + ",ot=th:1", numbered(32), numbered(33),
		"a=" + strings.Repeat("v", 255) + ",b=" + strings.Repeat("v", 255) + ",c=1", long(strings.Repeat("k", 256), 513)} {
		for _, ot := range []string{"", "th:8", "x:" + strings.Repeat("v", 254)} {
			f.Add([]byte(value), []byte(ot))
		}
	}
	f.Fuzz(func(t *testing.T, value, ot []byte) {
		if h, ok := ReadHints(ot); len(ot) > 0 && (!ok || h.Bad || len(ot) > maxValueLen) {
			return
		}
		input := bytes.Clone(value)
		out := ReplaceOT(nil, value, ot)
		if !bytes.Equal(input, value) {
			t.Fatal("the input was changed")
		}
		checkForwarded(t, string(out))
		got, ok := OT(out)
		if !ok || !bytes.Equal(got, ot) {
			t.Fatalf("%q with %q is %q: ot reads as %q, %v", value, ot, out, got, ok)
		}
		if again, loss := FilterTraceState(nil, out); !bytes.Equal(again, out) || loss != (TraceStateLoss{}) {
			t.Fatalf("%q with %q is %q, and that is forwarded as %q with %+v", value, ot, out, again, loss)
		}
		// The other members are in the list, in that order.
		in := strings.Split(string(value), ",")
		for _, m := range members(string(out)) {
			if strings.HasPrefix(m, "ot=") {
				continue
			}
			i := slices.IndexFunc(in, func(s string) bool { return strings.Trim(s, " \t") == m })
			if i < 0 {
				t.Fatalf("%q with %q is %q: %q does not belong there", value, ot, out, m)
			}
			in = in[i+1:]
		}
	})
}
