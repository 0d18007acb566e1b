package propagation

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// baggageOf gives what a baggage header says: of a repeated key the last value.
func baggageOf(header string) map[string]string {
	all := map[string]string{}
	for m := ReadBaggage([]byte(header)); m.Next(); {
		if _, later := all[string(m.Key)]; !later {
			all[string(m.Key)] = string(AppendUnescaped(nil, m.Value))
		}
	}
	return all
}

// The examples of W3C Baggage (HTTP_HEADER_FORMAT.md) and the cases of its test/test_baggage.py.
func TestBaggage(t *testing.T) {
	const odd = "\t \"';=asdf!@#$%^&*()"
	type m = map[string]string
	tests := []struct {
		name, header string
		want         m
	}{
		{"properties", "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue", m{"key1": "value1", "key2": "value2", "key3": "value3"}},
		{"three members", "userId=alice,serverNode=DF%2028,isProduction=false", m{"userId": "alice", "serverNode": "DF 28", "isProduction": "false"}},
		{"spaces", "userId =   alice,serverNode = DF%2028, isProduction = false", m{"userId": "alice", "serverNode": "DF 28", "isProduction": "false"}},
		{"percent-encoded UTF-8", "userId=Am%C3%A9lie", m{"userId": "Amélie"}},
		{"one", "SomeKey=SomeValue", m{"SomeKey": "SomeValue"}},
		{"white space everywhere", "SomeKey \t = \t SomeValue \t ; \t SomeProp \t , \t SomeKey2 \t = \t SomeValue2 \t ; \t ValueProp \t = \t PropVal", m{"SomeKey": "SomeValue", "SomeKey2": "SomeValue2"}},
		{"equals signs", "SomeKey=SomeValue=equals", m{"SomeKey": "SomeValue=equals"}},
		{"all kinds of characters", "SomeKey=%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29", m{"SomeKey": odd}},
		{"repeated: the last one", "a=1,b=2,a=3;x", m{"a": "3", "b": "2"}},
		{"case counts", "a=1,A=2", m{"a": "1", "A": "2"}},
		{"empty value", "a=,b=2", m{"a": "", "b": "2"}},
		{"what is no member", ",a=1,, b ,=2,;c=3,", m{"a": "1"}},
		{"what is not encoded", "a=100%,b=%,c=%2,d=%zz%41,e=%e9", m{"a": "100%", "b": "%", "c": "%2", "d": "%zzA", "e": "\xe9"}},
		{"empty", "", m{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, baggageOf(tt.header)); diff != "" {
				t.Errorf("members of %q (-want +got):\n%s", tt.header, diff)
			}
		})
	}
}

// The least that has to be read: 64 members, and 8192 bytes, be they one member or 512.
func TestBaggageLimits(t *testing.T) {
	var list []string
	for i := range 512 {
		list = append(list, fmt.Sprintf("%03d=0123456789a", i))
	}
	if got := baggageOf(strings.Join(list[:64], ",")); len(got) != 64 {
		t.Errorf("%d of 64 members", len(got))
	}
	if header := strings.Join(list, ",") + "b"; len(header) != 8192 || len(baggageOf(header)) != 512 || baggageOf(header)["511"] != "0123456789ab" {
		t.Errorf("%d members in %d bytes", len(baggageOf(header)), len(header))
	}
	long := strings.Repeat("0123456789", 819)
	if got := baggageOf("a=" + long)["a"]; got != long {
		t.Errorf("%d of %d bytes", len(got), len(long))
	}
}

var baggageGrammar = regexp.MustCompile(`^[ \t]*([^=;,]*?)[ \t]*=[ \t]*([^;,]*?)[ \t]*(?:;.*)?$`)

// An independent reader: split, match, unescape with the standard library where that can.
func FuzzBaggage(f *testing.F) {
	for _, header := range []string{"", "userId=Am%C3%A9lie, serverNode=DF%2028;p=1", "a=1,a=%zz,=3,b", "a=%2", "\xff=%ff", "a;b=1,c=\n"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		want := map[string]string{}
		for member := range strings.SplitSeq(header, ",") {
			if strings.ContainsAny(member, "\n") {
				return // a field value has none
			}
			if m := baggageGrammar.FindStringSubmatch(member); m != nil && m[1] != "" {
				want[m[1]] = m[2]
			}
		}
		got := baggageOf(header)
		if len(got) != len(want) {
			t.Fatalf("%q: %q, want the keys of %q", header, got, want)
		}
		for key, raw := range want {
			value, ok := got[key]
			if plain, err := url.PathUnescape(raw); !ok || err == nil && value != plain || len(value) > len(raw) {
				t.Fatalf("%q: %q of %q is %q, %v", header, key, raw, value, ok)
			}
		}
	})
}
