package spanbuilder

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/wire"
)

func baggageOptions(keys ...string) Options {
	o := options()
	o.Baggage = keys
	return o
}

func baggageOf(s *tracepb.Span) map[string]string {
	found := map[string]string{}
	for _, a := range s.Attributes {
		if key, ok := strings.CutPrefix(a.Key, "baggage."); ok {
			found[key] = a.Value.GetStringValue()
		}
	}
	return found
}

// Only the members that were asked for become attributes, by the values that W3C Baggage gives in its examples.
func TestBaggage(t *testing.T) {
	const examples = "userId=alice,serverNode=DF%2028,isProduction=false"
	type m = map[string]string
	for _, c := range []struct {
		name, header string
		keys         []string
		want         m
	}{
		{"nothing is asked for", examples, nil, m{}},
		{"some", examples, []string{"serverNode", "isProduction", "other"}, m{"serverNode": "DF 28", "isProduction": "false"}},
		{"properties are left out", "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue", []string{"key1", "key2", "key3", "property1", "propertyKey"},
			m{"key1": "value1", "key2": "value2", "key3": "value3"}},
		{"the last of a repeated key", "a=1,b=2,a=3", []string{"a"}, m{"a": "3"}},
		{"a key that is asked for twice", "a=1", []string{"a", "a"}, m{"a": "1"}},
		{"case counts", "UserId=1", []string{"userId"}, m{}},
		{"not UTF-8", "a=%e9t%c3%a9,b=x\xff", []string{"a", "b"}, m{"a": "\uFFFDté", "b": "x\uFFFD"}},
		{"empty", "a=,b=1", []string{"a", "b"}, m{"b": "1"}},
		{"cut", "a=" + strings.Repeat("%41", 5000), []string{"a"}, m{"a": strings.Repeat("A", 4096)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := testEntry(wire.DownstreamEnd, "baggage: "+c.header)
			s, r := server(t, New(baggageOptions(c.keys...)), e, loggerOf("envoy-1", "edge"), testClaim())
			if got := baggageOf(s); !maps.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
			if repaired := strings.Count(fmt.Sprint(c.want), "\uFFFD"); r.UTF8 != repaired || (r.Cut > 0) != (c.name == "cut") {
				t.Errorf("%+v", r)
			}
		})
	}
	s, _ := client(t, New(baggageOptions("userId")), testEntry(wire.DownstreamEnd, "baggage: "+examples, "host"), loggerOf("envoy-1", "edge"), testClaim())
	if got := baggageOf(s); len(got) > 0 {
		t.Errorf("the CLIENT span has %q", got)
	}
}

// Whatever the members are, the span is never longer than Bound: server checks it.
func TestBaggageBound(t *testing.T) {
	var keys []string
	for i := range mostBaggage {
		keys = append(keys, fmt.Sprintf("%s%02d", strings.Repeat("k", 80), i))
	}
	for _, maxValue := range []int{64, 4096} {
		o := baggageOptions(keys...)
		o.MaxValue, o.RequestHeaders = maxValue, []string{"baggage"}
		b := New(o)
		for _, value := range []string{"x", "%ff", "\xff", "%ffx", "%C3%A9\xff"} {
			for _, n := range []int{1, 21, 200, 2000} {
				var members []string
				for _, key := range keys {
					members = append(members, key+"="+strings.Repeat(value, n))
				}
				e := testEntry(wire.DownstreamEnd, "baggage: "+strings.Join(members, ","))
				if s, _ := server(t, b, e, loggerOf("envoy-1", "edge"), testClaim()); len(baggageOf(s)) != mostBaggage {
					t.Errorf("%d members of %d times %q", len(baggageOf(s)), n, value)
				}
			}
		}
	}
}

func TestBaggageAllocatesNothing(t *testing.T) {
	b, l, c := New(baggageOptions("userId", "serverNode")), loggerOf("envoy-1", "edge"), testClaim()
	e := testEntry(wire.DownstreamEnd, "baggage: userId=Am%C3%A9lie,serverNode=DF%2028;p,other=1")
	room := make([]byte, 0, b.Bound(e))
	if n := testing.AllocsPerRun(100, func() { b.Server(room, e, l, c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
