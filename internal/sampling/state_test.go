package sampling

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/propagation"
)

const rv = "0123456789abcd"

// numbered gives n members.
func numbered(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("k%02d=%d", i, i)
	}
	return strings.Join(members, ",")
}

func TestReadState(t *testing.T) {
	th := State{Threshold: quarter, HasThreshold: true}
	r := State{Randomness: 0x0123456789abcd, HasRandomness: true}
	both := State{quarter, r.Randomness, true, true}
	tests := []struct {
		in   string
		want State
		bad  bool
	}{
		{"", State{}, false},
		{"foo=1,bar=2", State{}, false},
		{"ot", State{}, false},
		{"foo,bar", State{}, false}, // not looked at
		{"ot=th:c", th, false},
		{"ot=th:c0000000000000", th, false},
		{"ot=th:0", State{HasThreshold: true}, false},
		{"ot=rv:" + rv, r, false},
		{"ot=th:c;rv:" + rv, both, false},
		{"foo=1, ot=x:1;rv:" + rv + ";y:2;th:c ,bar=2", both, false},
		{"rot=th:c", State{}, false},
		{"foo=1,ot@v=th:c", State{}, false},
		{"ot=x:1", State{}, false},
		{"ot=th:c,ot=th:8", th, false},

		// A hint that is malformed, or there twice, takes the others with it.
		{"ot=th:", State{}, true},
		{"ot=th:;rv:" + rv, State{}, true},
		{"ot=th:C;rv:" + rv, State{}, true},
		{"ot=th:c;th:c;rv:" + rv, State{}, true},
		{"ot=th:c;rv:" + rv + ";rv:" + rv, State{}, true},
		{"ot=th:c;rv:0123", State{}, true},
		{"ot=th:c;rv:" + rv + "e", State{}, true},
		{"ot=th:c;rv:1,ot=th:8", State{}, true},

		{"ot=th:c;", State{}, true},
		{"ot=th", State{}, true},
		{"ot=th:c;X:1", State{}, true},
		{"ot=x,ot=th:8", State{}, true},
		{"ot=th:c,foo", State{}, true},
		{"ot=", State{}, true},
		{"FOO=1,ot=th:c", State{}, true},
		{"ot=th:c," + numbered(31), th, false},
		{"ot=th:c," + numbered(32), State{}, true},
	}
	for _, tt := range tests {
		if got, bad := ReadState([]byte(tt.in)); got != tt.want || bad != tt.bad {
			t.Errorf("ReadState(%q) = %+v, %v, want %+v, %v", tt.in, got, bad, tt.want, tt.bad)
		}
	}
}

func TestAppendTraceState(t *testing.T) {
	tests := []struct {
		in    string
		t     Threshold
		write bool
		want  string
	}{
		{"", quarter, true, "ot=th:c"},
		{"", quarter, false, ""},
		{"foo=1,bar=2", quarter, true, "ot=th:c,foo=1,bar=2"},
		{"foo=1,bar=2", quarter, false, "foo=1,bar=2"},
		{"foo=1,ot=th:8,bar=2", quarter, true, "ot=th:c,foo=1,bar=2"},
		{"foo=1,ot=th:8,bar=2", quarter, false, "foo=1,bar=2"},
		{"ot=rv:" + rv, quarter, true, "ot=rv:" + rv + ";th:c"},
		{"ot=th:8;rv:" + rv, quarter, true, "ot=rv:" + rv + ";th:c"},
		{"foo=1,ot=th:8;rv:" + rv, quarter, false, "ot=rv:" + rv + ",foo=1"},
		{"ot=rv:00000000000001", quarter, true, "ot=rv:00000000000001;th:c"},
		{"foo=1,ot=x:1;th:8;y:;tht:2;rv:" + rv, 0xfd70a << 36, true, "ot=rv:" + rv + ";th:fd70a;x:1;y:;tht:2,foo=1"},
		{"foo=1,ot=x:1;th:8;y:", 0, false, "ot=x:1;y:,foo=1"},

		// What does not change stays where and as it is.
		{"foo=1,ot=x:1;th:c", quarter, true, "foo=1,ot=x:1;th:c"},
		{"foo=1,ot=th:c00", quarter, true, "foo=1,ot=th:c00"},
		{"foo=1,ot=x:1;rv:" + rv, 0, false, "foo=1,ot=x:1;rv:" + rv},
		{"foo=1,ot=x:1", Always, true, "foo=1,ot=x:1"},
		{"foo=1, ,ot=th:c ", quarter, true, "foo=1,ot=th:c"},

		// No th:0 is written, one that is there may stay.
		{"", Always, true, ""},
		{"foo=1", Always, true, "foo=1"},
		{"foo=1,ot=th:0", Always, true, "foo=1,ot=th:0"},
		{"foo=1,ot=th:0", Always, false, "foo=1"},
		{"foo=1,ot=th:0", half, true, "ot=th:8,foo=1"},
		{"foo=1,ot=th:c", Always, true, "foo=1"},
		{"foo=1,ot=th:c;rv:" + rv, Never, true, "ot=rv:" + rv + ",foo=1"},
		{"", Never, true, ""},

		// Malformed are a hint, the member, the list.
		{"foo=1,ot=th:x;rv:" + rv, quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=th:x;rv:" + rv, quarter, false, "foo=1"},
		{"foo=1,ot=th:x;y:1", quarter, false, "foo=1"},
		{"foo=1,ot=th:x", quarter, false, "foo=1"},
		{"foo=1,ot=th:c;rv:1;y:1", quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=th:c;rv:1;y:1", quarter, false, "foo=1"},
		{"foo=1,ot=th:0;rv:1", Always, true, "foo=1"},
		{"foo=1,ot=th:8;th:c", quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=y:1;rv:" + rv + ";rv:" + rv, quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=th:8;rv:1,ot=rv:" + rv, quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=th:8;", quarter, true, "ot=th:c,foo=1"},
		{"foo=1,ot=th:8;", quarter, false, "foo=1"},
		{"foo=1,ot=x,ot=th:8", quarter, false, "foo=1"},
		{"foo,ot=th:8;rv:" + rv, quarter, true, "ot=th:c"},
		{"foo,ot=th:8", quarter, false, ""},

		{numbered(32), quarter, true, "ot=th:c," + numbered(31)},
		{numbered(31) + ",ot=th:8", quarter, true, "ot=th:c," + numbered(31)},
		{numbered(33), quarter, true, "ot=th:c"},
		{"ot=x:1;y:" + strings.Repeat("v", 250), quarter, true, "ot=th:c;x:1"},
		{"ot=x:1;y:" + strings.Repeat("v", 245), quarter, true, "ot=th:c;x:1;y:" + strings.Repeat("v", 245)},
		{"ot=y:" + strings.Repeat("v", 250) + ";x:1", 0xfd70a << 36, true, "ot=th:fd70a;x:1"},
		{"a=" + strings.Repeat("v", 250) + ",b=" + strings.Repeat("v", 249), quarter, true, "ot=th:c,a=" + strings.Repeat("v", 250) + ",b=" + strings.Repeat("v", 249)},
		{"a=" + strings.Repeat("v", 250) + ",b=" + strings.Repeat("v", 249), 0xfd << 48, true, "ot=th:fd,a=" + strings.Repeat("v", 250)},
	}
	for _, tt := range tests {
		got := string(AppendTraceState([]byte("before"), []byte(tt.in), tt.t, tt.write))
		if got != "before"+tt.want {
			t.Errorf("AppendTraceState(%q, %014x, %v)\n got %q\nwant %q", tt.in, uint64(tt.t), tt.write, got, "before"+tt.want)
		}
	}
}

// checkState reports what is wrong with the tracestate that was made of in.
func checkState(t *testing.T, in []byte, threshold Threshold, write bool, out []byte) {
	t.Helper()
	if again, loss := propagation.FilterTraceState(nil, out); string(again) != string(out) || loss != (propagation.TraceStateLoss{}) {
		t.Fatalf("%q becomes %q, and that is forwarded as %q with %+v", in, out, again, loss)
	}
	want, bad := ReadState(in)
	without := propagation.AppendTraceState(nil, in) // as what is made from an entry has it
	if s, b := ReadState(without); s != want || b {
		t.Fatalf("%q says %+v, and %q, which is forwarded of it, %+v, %v", in, want, without, s, b)
	}
	kept := write && (threshold > Always && threshold < Never || want.HasThreshold && want.Threshold == threshold)
	if want.HasThreshold, want.Threshold = kept, 0; kept {
		want.Threshold = threshold
	}
	if got, bad := ReadState(out); got != want || bad {
		t.Fatalf("%q with %014x, %v becomes %q, and that says %+v, %v, not %+v", in, uint64(threshold), write, out, got, bad, want)
	}
	if again := AppendTraceState(nil, out, threshold, write); string(again) != string(out) {
		t.Fatalf("%q with %014x, %v becomes %q, and that %q", in, uint64(threshold), write, out, again)
	}
	after, _ := propagation.OT(out)
	if bad { // th is all that ot says then, and the rest is as if there had been none
		th := ""
		if kept {
			th = "th:" + string(threshold.AppendText(nil))
		}
		if again := AppendTraceState(nil, without, threshold, write); string(again) != string(out) || string(after) != th {
			t.Fatalf("%q with %014x, %v becomes %q, and what is forwarded of it %q", in, uint64(threshold), write, out, again)
		}
		return
	}
	// Unless ot gets too long, what else it says is there.
	ot, _ := propagation.OT(in)
	if h, ok := propagation.ReadHints(ot); !ok || h.Bad || len(ot) > 200 {
		return
	}
	for pair := range strings.SplitSeq(string(ot), ";") {
		if key, _, _ := strings.Cut(pair, ":"); key != "th" && key != "rv" && !strings.Contains(";"+string(after)+";", ";"+pair+";") {
			t.Fatalf("%q becomes %q: %q is gone", in, out, pair)
		}
	}
}
