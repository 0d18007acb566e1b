package propagation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilterTraceState(t *testing.T) {
	bad := TraceStateLoss{Malformed: true}
	badOT := TraceStateLoss{BadOT: true}
	// All characters of the grammar: W3C's test suite has the same.
	var chars []byte
	for c := byte(' '); c <= '~'; c++ {
		if c != ',' && c != '=' {
			chars = append(chars, c)
		}
	}
	allValue := string(chars)
	const allKey = "0abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/"

	tests := []struct {
		name, in, want string
		loss           TraceStateLoss
	}{
		{"empty", "", "", TraceStateLoss{}},
		{"white space", " \t", "", TraceStateLoss{}},
		{"commas", ", ,\t,,", "", TraceStateLoss{}},
		{"one", "foo=1", "foo=1", TraceStateLoss{}},
		{"order stays", "foo=1,bar=2,a@b=3", "foo=1,bar=2,a@b=3", TraceStateLoss{}},
		{"of Envoy's recordings", "vendor=a1,other@x=b2", "vendor=a1,other@x=b2", TraceStateLoss{}},
		{"empty members", ",foo=1,, ,bar=2,", "foo=1,bar=2", TraceStateLoss{}},
		{"optional white space", "\t foo=1 \t , \t bar=2, \t baz=3 ", "foo=1,bar=2,baz=3", TraceStateLoss{}},
		{"leading space in a value stays", "foo= 1,bar=2", "foo= 1,bar=2", TraceStateLoss{}},
		{"space within a value stays", "foo=1 2", "foo=1 2", TraceStateLoss{}},
		{"b3 is a member like others", "b3=" + traceHex + "-" + spanHex, "b3=" + traceHex + "-" + spanHex, TraceStateLoss{}},
		{"all characters", allKey + "=" + allValue, allKey + "=" + allValue, TraceStateLoss{}},
		{"key starts with a digit", "1a=1", "1a=1", TraceStateLoss{}},
		{"at signs", "foo@=1,foo@@bar=1,foo@bar@baz=1", "foo@=1,foo@@bar=1,foo@bar@baz=1", TraceStateLoss{}},

		{"no equals sign", "foo=1,bar", "", bad},
		{"no key", "=1", "", bad},
		{"no value", "foo=,bar=3", "", bad},
		{"value of spaces", "foo=  ,bar=3", "", bad},
		{"two equals signs", "foo=bar=baz", "", bad},
		{"space before the equals sign", "foo =1", "", bad},
		{"upper case key", "FOO=1", "", bad},
		{"dot in key", "foo.bar=1", "", bad},
		{"key starts with an at sign", "@foo=1,bar=2", "", bad},
		{"key starts with a dash", "-foo=1", "", bad},
		{"key starts with an underscore", "_foo=1", "", bad},
		{"tab in a value", "foo=1\t2", "", bad},
		{"control character", "foo=1\x00", "", bad},
		{"DEL", "foo=\x7f", "", bad},
		{"not ASCII", "foo=\u00e9", "", bad},
		{"not UTF-8", "foo=1,bar=\xff", "", bad},
		{"bad member at the end", "foo=1,bar=2,!", "", bad},

		{"key of 256", long(strings.Repeat("k", 256), 258), long(strings.Repeat("k", 256), 258), TraceStateLoss{}},
		{"key of 257", long(strings.Repeat("k", 257), 259), "", bad},
		{"value of 256", long("k", 258), long("k", 258), TraceStateLoss{}},
		{"value of 257", long("k", 259), "", bad},
		{"32 members", numbered(32), numbered(32), TraceStateLoss{}},
		{"32 members and empty ones", "," + numbered(32) + ",,", numbered(32), TraceStateLoss{}},
		{"33 members", numbered(33), "", bad},
		{"33 members, one of them twice", numbered(32) + ",k01=2", "", bad},

		{"duplicates: the left one is newer", "foo=1,bar=2,foo=3,foo=1", "foo=1,bar=2", TraceStateLoss{Duplicates: 2}},
		{"no prefix match of keys", "foo=1,fo=2,fooo=3", "foo=1,fo=2,fooo=3", TraceStateLoss{}},

		{"ot", "ot=th:8;rv:0123456789abcd,foo=1", "ot=th:8;rv:0123456789abcd,foo=1", TraceStateLoss{}},
		{"ot, keep everything", "ot=th:0", "ot=th:0", TraceStateLoss{}},
		{"ot, longest th", "ot=th:fffffffffffff1", "ot=th:fffffffffffff1", TraceStateLoss{}},
		{"ot, unknown keys survive", "ot=p:8;x1:A.b_c-9;th:c;e:", "ot=p:8;x1:A.b_c-9;th:c;e:", TraceStateLoss{}},
		{"ot, th empty", "foo=1,ot=th:,bar=2", "foo=1,bar=2", badOT},
		{"ot, th of 15", "ot=th:0123456789abcde,foo=1", "foo=1", badOT},
		{"ot, th in upper case", "ot=th:C,foo=1", "foo=1", badOT},
		{"ot, th not hex", "ot=rv:0123456789abcd;th:g,foo=1", "foo=1", badOT},
		{"ot, rv of 13", "ot=rv:0123456789abc", "", badOT},
		{"ot, rv of 15", "ot=rv:0123456789abcde", "", badOT},
		{"ot, rv in upper case", "ot=rv:0123456789ABCD", "", badOT},
		{"ot, no colon", "ot=th", "", badOT},
		{"ot, trailing semicolon", "ot=th:8;", "", badOT},
		{"ot, empty key", "ot=:8", "", badOT},
		{"ot, key starts with a digit", "ot=1a:8", "", badOT},
		{"ot, upper case key", "ot=Th:8", "", badOT},
		{"ot, character", "ot=x:a/b", "", badOT},
		{"ot, two colons", "ot=th:8:8", "", badOT},
		{"ot, value too long is bad syntax", long("ot", 260), "", bad},
		{"ot, th twice", "ot=th:8;x:1;th:8,foo=1", "foo=1", badOT},
		{"ot, rv twice, the first one bad", "ot=rv:0;rv:0123456789abcd,foo=1", "foo=1", badOT},
		{"ot, another key twice", "ot=x:1;x:2,foo=1", "ot=x:1;x:2,foo=1", TraceStateLoss{}},
		{"ot twice: the bad one is not replaced by an older one", "ot=th:x,ot=th:8", "", TraceStateLoss{BadOT: true, Duplicates: 1}},
		{"no hint of another vendor is judged", "tot=th:x,ot@v=th:x", "tot=th:x,ot@v=th:x", TraceStateLoss{}},

		{"512 characters", long("a", 255) + "," + long("b", 256), long("a", 255) + "," + long("b", 256), TraceStateLoss{}},
		{"513: of the long ones the right one", long("a", 256) + "," + long("b", 256) + ",c=1", long("a", 256) + ",c=1", TraceStateLoss{Cut: 1}},
		{"long ones first, though left", long("a", 200) + "," + long("b", 128) + "," + long("c", 128) + "," + long("d", 128), long("b", 128) + "," + long("c", 128) + "," + long("d", 128), TraceStateLoss{Cut: 1}},
		{"128 is not long", long("a", 128) + "," + long("b", 128) + "," + long("c", 128) + "," + long("d", 127), long("a", 128) + "," + long("b", 128) + "," + long("c", 128), TraceStateLoss{Cut: 1}},
		{"129 is long", long("a", 129) + "," + long("b", 128) + "," + long("c", 128) + "," + long("d", 127), long("b", 128) + "," + long("c", 128) + "," + long("d", 127), TraceStateLoss{Cut: 1}},
		{"ot is never cut", long("a", 212) + "," + long("ot=x:1;y:", 200) + "," + long("b", 100), long("ot=x:1;y:", 200) + "," + long("b", 100), TraceStateLoss{Cut: 1}},
		{"then from the right", long("a", 129) + "," + long("b", 100) + "," + long("c", 100) + "," + long("d", 100) + "," + long("e", 100) + "," + long("f", 128),
			long("b", 100) + "," + long("c", 100) + "," + long("d", 100) + "," + long("e", 100), TraceStateLoss{Cut: 2}},
		{"a single member of 513 stays", long(strings.Repeat("k", 256), 513), long(strings.Repeat("k", 256), 513), TraceStateLoss{}},
		{"of 513 and another", long(strings.Repeat("k", 256), 513) + ",a=1", "a=1", TraceStateLoss{Cut: 1}},
		{"white space does not count", long("a", 255) + " \t , " + long("b", 256) + ",", long("a", 255) + "," + long("b", 256), TraceStateLoss{}},
		{"the bad ot does not count", long("a", 255) + ",ot=x," + long("b", 256), long("a", 255) + "," + long("b", 256), badOT},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, loss := FilterTraceState([]byte("before"), []byte(tt.in))
			if string(got) != "before"+tt.want {
				t.Errorf("FilterTraceState(%q)\n got %q\nwant %q", tt.in, got, "before"+tt.want)
			}
			if diff := cmp.Diff(tt.loss, loss); diff != "" {
				t.Errorf("loss (-want +got):\n%s", diff)
			}
			if got := AppendTraceState(nil, []byte(tt.in)); string(got) != tt.want {
				t.Errorf("AppendTraceState(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// long gives a member of n characters that begins with those of key and an equals sign, unless key has one.
func long(key string, n int) string {
	if !strings.Contains(key, "=") {
		key += "="
	}
	return key + strings.Repeat("v", n-len(key))
}

func numbered(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("k%02d=%d", i, i)
	}
	return strings.Join(members, ",")
}

func BenchmarkFilterTraceState(b *testing.B) {
	value, dst := []byte("ot=th:8;rv:0123456789abcd,vendor=a1,other@x=b2"), make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		AppendTraceState(dst, value)
	}
}
