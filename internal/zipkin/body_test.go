package zipkin

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func object(fields string) string { return "{" + fields + "}" }

// TestBody: what of a body is taken, or why it is refused.
func TestBody(t *testing.T) {
	sound := object(base)
	v1 := `{"traceId":"1","id":"2","annotations":[{"timestamp":1,"value":"sr","endpoint":{"serviceName":"s"}}]}`
	binary := `{"traceId":"1","id":"2","binaryAnnotations":[{"key":"k","value":"v","endpoint":{"serviceName":"s"}}]}`
	one := string(listOf([]byte("\x0a\x01\x01\x1a\x01\x02")))
	deep := strings.Repeat(`{"a":`, 9000) + `1` + strings.Repeat(`}`, 9000)
	tooDeep := strings.Repeat(`[`, 1e6)
	for _, c := range []struct{ name, form, body, want string }{
		{"empty", "json", "", "0 spans"},
		{"white space", "json", " \r\n\t", "0 spans"},
		{"empty list", "json", "[]", "0 spans"},
		{"one", "json", "[" + sound + "]", "1 spans"},
		{"space around", "json", "\uFEFF\n [ " + sound + " , " + sound + "\n]\n ", "2 spans"},
		{"bad ones between good ones", "json", "[" + strings.Join([]string{sound, object(`"traceId":"0","id":"1"`), "null", "1", `"x"`, "[]", object(`"traceId":"1"`), sound}, ",") + "]",
			"2 spans, trace_id 1, span_id 1, malformed 4"},
		{"cut in a span", "json", "[" + sound + "," + sound + "," + sound[:40], "2 spans, truncated"},
		{"cut behind a span", "json", "[" + sound, "1 spans, truncated"},
		{"cut at once", "json", "[", "0 spans, truncated"},
		{"broken", "json", "[" + sound + `,{"traceId":"1","id":"2","name":NaN},` + sound + "]", "1 spans, truncated"},
		{"line feed in a string", "json", "[" + sound + `,{"name":"` + "\n" + `"},` + sound + "]", "1 spans, truncated"},
		{"more behind the list", "json", "[" + sound + "]]", "1 spans, truncated"},
		{"two lists", "json", "[" + sound + "][" + sound + "]", "1 spans, truncated"},
		{"comma at the end", "json", "[" + sound + ",]", "1 spans, truncated"},
		{"deep", "json", "[" + object(base+`,"tags":{"k":`+deep+"}") + "," + sound + "]", "2 spans"},
		{"too deep", "json", "[" + sound + "," + object(base+`,"tags":{"k":`+tooDeep), "1 spans, truncated"},
		{"an object", "json", sound, "one JSON object"},
		{"text", "json", "hello", "no JSON list"},
		{"null", "json", "null", "no JSON list"},
		{"zeros", "json", "\x00\x00", "no JSON list"},
		{"v1", "json", "[" + v1 + "]", "this is Zipkin v1: send v2 to /api/v2/spans"},
		{"v1 with binary annotations", "json", "[" + binary + "]", "this is Zipkin v1"},
		{"v1 with a span that could be v2", "json", "[" + sound + "," + binary + "]", "this is Zipkin v1"},
		{"v1 with tags in it", "json", "[" + object(base+`,"binaryAnnotations":[],"tags":{}`) + "]", "this is Zipkin v1"},
		{"v1 that is cut", "json", "[" + v1 + ",{", "this is Zipkin v1"},
		{"v1 among v2", "json", "[" + object(base+`,"kind":"SERVER"`) + "," + v1 + "]", "1 spans, version_1 1"},
		{"Thrift", "json", "\x0c\x00\x00\x00\x01\x0a", "the body is Thrift; this is Zipkin v1"},
		{"protobuf as JSON", "json", one, "Content-Type: application/x-protobuf"},

		{"empty", "proto", "", "0 spans"},
		{"one", "proto", one, "1 spans"},
		{"unknown fields", "proto", "\x10\x05" + one + "\x7a\x01x", "1 spans"},
		{"bad ones between good ones", "proto", one + "\x0a\x02\x0a\x00" + "\x0a\x01\x0f" + one, "2 spans, trace_id 1, malformed 1"},
		{"cut", "proto", one + one + one[:4], "2 spans, truncated"},
		{"cut in the first", "proto", one[:4], "0 spans, truncated"},
		{"broken", "proto", one + "\x0f" + one, "1 spans, truncated"},
		{"Thrift", "proto", "\x0c\x00\x00\x00\x01\x0a", "the body is Thrift"},
		{"JSON as protobuf", "proto", "[" + sound + "]", "Content-Type: application/json"},
		{"JSON with a line feed", "proto", "\n[ " + sound + "]", "Content-Type: application/json"},
		{"JSON object", "proto", " " + sound, "Content-Type: application/json"},
		{"text", "proto", "hello", "no protobuf ListOfSpans"},
	} {
		t.Run(c.form+"/"+c.name, func(t *testing.T) {
			d := new(Decoder)
			decode := d.JSON
			if c.form == "proto" {
				decode = d.Proto
			}
			got, err := decode([]byte(c.body), received)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot decode Zipkin spans: ") {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			check(t, got)
			text := fmt.Sprintf("%d spans", got.Spans)
			for r, n := range got.Invalid {
				if n > 0 {
					text += fmt.Sprintf(", %v %d", Reason(r), n)
				}
			}
			if got.Truncated {
				text += ", truncated"
			}
			if text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

// TestGroups: spans are grouped by their whole Resource and scope, and marks stand in the order of the output.
func TestGroups(t *testing.T) {
	of := func(id int, service, tags, more string) string {
		return fmt.Sprintf(`{"traceId":"1","id":"%x","timestamp":1,"localEndpoint":{"serviceName":"%s"},"tags":{%s}%s}`, id, service, tags, more)
	}
	body := "[" + strings.Join([]string{
		of(1, "cart", `"k8s.pod.name":"a","host.name":"h"`, ""),
		of(2, "cart", `"k8s.pod.name":"b"`, `,"debug":true`),
		of(3, "cart", `"host.name":"h","k8s.pod.name":"a"`, `,"shared":true`),
		of(4, "shop", ``, ""),
		of(5, "cart", `"k8s.pod.name":"a","host.name":"h","otel.scope.name":"s"`, `,"debug":true,"shared":true`),
		of(6, "cart", `"k8s.pod.name":"b"`, ""),
		of(7, "cart", `"k8s.pod.name":"a","host.name":"h"`, ""),
	}, ",") + "]"
	var d Decoder
	for range 2 { // a Decoder is reused
		got, err := d.JSON([]byte(body), received)
		if err != nil {
			t.Fatal(err)
		}
		check(t, got)
		var groups []string
		for _, r := range decode(t, got).ResourceSpans {
			for _, c := range r.ScopeSpans {
				text := attributes(r.Resource.Attributes) + " " + c.Scope.GetName() + ":"
				for _, s := range c.Spans {
					text += fmt.Sprint(s.SpanId[7])
				}
				groups = append(groups, text)
			}
		}
		want := []string{
			` host.name="h" k8s.pod.name="a" service.name="cart" :137`,
			` host.name="h" k8s.pod.name="a" service.name="cart" s:5`,
			` k8s.pod.name="b" service.name="cart" :26`,
			` service.name="shop" :4`,
		}
		if diff := cmp.Diff(want, groups); diff != "" {
			t.Error(diff)
		}
		if want := []Mark{Zipkin, Zipkin | Shared, Zipkin, Zipkin | Shared | Debug, Zipkin | Debug, Zipkin, Zipkin}; !slices.Equal(got.Marks, want) {
			t.Errorf("marks %v, want %v", got.Marks, want)
		}
	}
}

// TestBorrow: strings with escapes and without, kept until the end of a span, do not disturb each other.
func TestBorrow(t *testing.T) {
	var b, want strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, `,"k\u%04x":"v\t%d","p%d":"%d"`, 'a'+i, i, i, i)
		fmt.Fprintf(&want, "k%c=v\t%d;p%d=%d;", 'a'+i, i, i, i)
	}
	var d Decoder
	got, err := d.JSON([]byte("["+object(base+`,"tags":{`+b.String()[1:]+"}")+"]"), received)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, a := range decode(t, got).ResourceSpans[0].ScopeSpans[0].Spans[0].Attributes {
		fmt.Fprintf(&text, "%s=%s;", a.Key, a.Value.GetStringValue())
	}
	if text.String() != want.String() {
		t.Errorf("is %q\nnot %q", text.String(), want.String())
	}
}

// TestLengths: keys and values of any length.
func TestLengths(t *testing.T) {
	var d Decoder
	for n := 1; n < 300; n++ {
		for _, key := range []int{1, n / 2, n} {
			tag := fmt.Sprintf(`"%s":"%s"`, strings.Repeat("k", max(key, 1)), strings.Repeat("v", n-key+1))
			got, err := d.JSON([]byte("["+object(base+`,"tags":{`+tag+"}")+"]"), received)
			if err != nil {
				t.Fatal(err)
			}
			if text := outcome(t, got); text != baseOut+" "+strings.NewReplacer(`":`, "=", `"k`, "k").Replace(tag)+local {
				t.Fatalf("%s is %s", tag, text)
			}
		}
	}
}

// TestVersionOfEach: what one body was says nothing of the next.
func TestVersionOfEach(t *testing.T) {
	var d Decoder
	if got, err := d.JSON([]byte("["+object(base+`,"tags":{}`)+"]"), received); err != nil || got.Spans != 1 {
		t.Error(got, err)
	}
	if got, err := d.JSON([]byte("["+object(base+`,"binaryAnnotations":[]`)+"]"), received); err == nil {
		t.Error(got)
	}
}

// TestLarge: bodies that are made to be slow are not. Twice the body may take twice the time, with some room for noise.
func TestLarge(t *testing.T) {
	for name, body := range map[string]func(n int) string{
		"spans": func(n int) string { return strings.Repeat(object(base)+",", n) },
		"services": func(n int) string {
			return repeat(n, `{"traceId":"1","id":"1","localEndpoint":{"serviceName":"s%d"}},`)
		},
		"tags":     func(n int) string { return object(base + `,"tags":{` + repeat(n, `"t%d":"",`) + `"x":""}`) },
		"same tag": func(n int) string { return object(base + `,"tags":{` + strings.Repeat(`"t":"",`, n) + `"x":""}`) },
		"resource": func(n int) string { return object(base + `,"tags":{` + repeat(n, `"k8s.t%d":"",`) + `"x":""}`) },
		"annotations": func(n int) string {
			return object(base + `,"annotations":[` + strings.Repeat(`{"value":"x"},`, n) + `{}]`)
		},
		"escapes":   func(n int) string { return object(base + `,"name":"` + strings.Repeat(`\u0041`, n) + `"`) },
		"bad bytes": func(n int) string { return object(base + `,"name":"` + strings.Repeat("\xff", n) + `"`) },
	} {
		t.Run(name, func(t *testing.T) {
			took := func(n int) time.Duration {
				text := strings.TrimSuffix(body(n), ",")
				in := []byte("[" + text + "]")
				best := time.Hour
				for range 3 {
					start := time.Now()
					got, err := new(Decoder).JSON(in, received)
					if err != nil || got.Spans == 0 || got.Truncated {
						t.Fatal(got.Spans, err)
					}
					if len(got.Request) > 12*len(in) {
						t.Errorf("%d bytes became %d", len(in), len(got.Request))
					}
					best = min(best, time.Since(start))
				}
				return best
			}
			var few, many time.Duration
			for range 10 { // a machine that is busy is slow now and then, a bad algorithm always
				if few, many = took(5000), took(80000); many <= 100*few {
					return
				}
			}
			t.Errorf("5000 took %v, 80000 took %v", few, many)
		})
	}
}

func repeat(n int, format string) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestForgets: a Decoder at rest has nothing of the last body.
func TestForgets(t *testing.T) {
	body := []byte("[" + object(base+`,"name":"n","annotations":[{"value":"a"}],"tags":{"k":"v","otel.status_description":"d","host.name":"h"}`) + "]")
	var d Decoder
	if _, err := d.JSON(body, received); err != nil {
		t.Fatal(err)
	}
	g := &d.groups.meaning
	if d.span.name != nil || g.message != nil || g.service.value != nil || d.span.annotations[:1][0].value != nil ||
		d.span.tags.list[:1][0].value != nil || g.resource[:1][0] != nil {
		t.Error("the Decoder holds parts of the body")
	}
}
