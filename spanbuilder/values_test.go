package spanbuilder

import (
	"fmt"
	"strings"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// entryWith makes an entry with these strings: fields and values in turn.
func entryWith(pairs ...any) *wire.Entry {
	e := &wire.Entry{}
	for i := 0; i < len(pairs); i += 2 {
		e.Set(pairs[i].(wire.TextField), []byte(pairs[i+1].(string)))
	}
	return e
}

// withTags adds "key=value" tags to e.
func withTags(e *wire.Entry, lines []string) *wire.Entry {
	for _, line := range lines {
		k, v, _ := strings.Cut(line, "=")
		e.Add(wire.CustomTags, []byte(k), []byte(v))
	}
	return e
}

func tagLines(lines ...string) []string { return lines }

// serverOf gives the span of an entry of which only e matters.
func serverOf(t *testing.T, o Options, e *wire.Entry) string {
	t.Helper()
	s, r := server(t, New(o), e, loggerOf("envoy-1", "edge"), testClaim())
	return render(s, r)
}

func TestAuthority(t *testing.T) {
	for authority, want := range map[string]string{
		"shop":                       `"shop" `,
		"shop:80":                    `"shop" 80`,
		"shop:":                      `"shop" `,
		"shop:0":                     `"shop" `,
		"shop:65535":                 `"shop" 65535`,
		"shop:65536":                 `"shop" `,
		"shop:99999999999999999999":  `"shop" `,
		"shop:-1":                    `"shop:-1" `,
		"shop:http":                  `"shop:http" `,
		"[2001:db8::1]:8443":         `"2001:db8::1" 8443`,
		"[2001:db8::1]":              `"2001:db8::1" `,
		"[2001:db8::1]:":             `"2001:db8::1" `,
		"[2001:db8::1]8443":          `"2001:db8::1" `,
		"[2001:db8::1":               `"[2001:db8::1" `,
		"2001:db8::1":                `"2001:db8::1" `,
		"::1":                        `"::1" `,
		"[]:80":                      ` `,
		"user@shop:80":               `"shop" 80`,
		"user:pass@shop":             `"shop" `,
		"user:p@ss@[2001:db8::1]:80": `"2001:db8::1" 80`,
		"user@":                      ` `,
		":80":                        ` `,
		"":                           ` `,
	} {
		s, _ := server(t, New(options()), entryWith(wire.Authority, authority), loggerOf("", ""), testClaim())
		if got := attr(s, "server.address") + " " + attr(s, "server.port"); got != want {
			t.Errorf("%q: got %s, want %s", authority, got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	o := options()
	o.RedactQuery = []string{"token", "X-Amz-Signature", "a b", "k"}
	for path, want := range map[string]string{
		"/p":                                   ``,
		"/p?":                                  ``,
		"/p?a=1&b=2":                           `"a=1&b=2"`,
		"/p?a=1?b=2":                           `"a=1?b=2"`,
		"/p?token=x":                           `"token=REDACTED"`,
		"/p?token=":                            `"token=REDACTED"`,
		"/p?token":                             `"token"`,
		"/p?a=1&ToKeN=x&b=2":                   `"a=1&ToKeN=REDACTED&b=2"`,
		"/p?token=x&token=y&x-amz-signature=z": `"token=REDACTED&token=REDACTED&x-amz-signature=REDACTED"`,
		"/p?tok%65n=x&X%2dAmz-Signature=y":     `"tok%65n=REDACTED&X%2dAmz-Signature=REDACTED"`,
		"/p?%54OKEN=x":                         `"%54OKEN=REDACTED"`,
		"/p?a+b=x&a%20b=y":                     `"a+b=REDACTED&a%20b=REDACTED"`,
		"/p?token%zz=x&token%=y":               `"token%zz=x&token%=y"`,
		"/p?mytoken=x&tokens=y":                `"mytoken=x&tokens=y"`,
		"/p?token=a=b&c":                       `"token=REDACTED&c"`,
		"/p?&&token=x&":                        `"&&token=REDACTED&"`,
		"/p?=x":                                `"=x"`,
		"/p?token=x#f":                         `"token=REDACTED"`,
		"/token=x?k=1":                         `"k=REDACTED"`,
	} {
		e := entryWith(wire.Path, path, wire.Scheme, "http", wire.Authority, "u:p@shop")
		s, _ := server(t, New(o), e, loggerOf("", ""), testClaim())
		if got := attr(s, "url.query"); got != want {
			t.Errorf("%s: url.query is %s, want %s", path, got, want)
		}
		c, _ := client(t, New(o), e, loggerOf("", ""), testClaim())
		bare, _, _ := strings.Cut(path, "?")
		full := "http://shop" + bare
		if want != "" {
			full += "?" + strings.Trim(want, `"`)
		}
		if got := attr(c, "url.full"); got != fmt.Sprintf("%q", full) {
			t.Errorf("%s: url.full is %s, want %q", path, got, full)
		}
		if string(e.Text(wire.Path)) != path {
			t.Errorf("the entry's path was changed to %s", e.Text(wire.Path))
		}
	}
}

func TestCustomTags(t *testing.T) {
	for name, c := range map[string]struct {
		tags []string
		want string
	}{
		"the last counts":            {tagLines("a=1", "b=2", "a=3"), "b=\"2\" a=\"3\""},
		"an empty one is the last":   {tagLines("a=1", "a="), ""},
		"no key":                     {tagLines("=1"), ""},
		"ids":                        {tagLines("trace_id=x", "tid=x", "span_id=x", "sid=x", "SID=x"), `SID="x"`},
		"the same once repaired":     {tagLines("a\xff=1", "b=2", "a\xfe=3"), "b=\"2\" a\uFFFD=\"3\""},
		"the same once cut":          {tagLines(strings.Repeat("k", 64)+"a=1", strings.Repeat("k", 64)+"b=2"), strings.Repeat("k", 64) + `="2"`},
		"different bytes after cuts": {tagLines("é=1", "e=2"), `é="1" e="2"`},
	} {
		o := options()
		o.MaxValue = 64
		s, _ := server(t, New(o), withTags(&wire.Entry{}, c.tags), loggerOf("", ""), testClaim())
		var got []string
		for _, a := range s.Attributes {
			if key, ok := strings.CutPrefix(a.Key, "envoy.tag."); ok {
				got = append(got, key+"="+valueText(a.Value))
			}
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The limit is never passed and never splits a character.
func TestValuesAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		value, want string
		r           Repairs
	}{
		"at the limit":       {strings.Repeat("x", 64), strings.Repeat("x", 64), Repairs{}},
		"one more":           {strings.Repeat("x", 65), strings.Repeat("x", 64), Repairs{Cut: 1}},
		"two-byte character": {strings.Repeat("x", 63) + "é", strings.Repeat("x", 63), Repairs{Cut: 1}},
		"it just fits":       {strings.Repeat("x", 62) + "é", strings.Repeat("x", 62) + "é", Repairs{}},
		"four bytes":         {strings.Repeat("x", 61) + "😀x", strings.Repeat("x", 61), Repairs{Cut: 1}},
		"a bad byte grows":   {strings.Repeat("x", 62) + "\xff", strings.Repeat("x", 62), Repairs{Cut: 1}},
		"a run of bad bytes": {strings.Repeat("x", 61) + strings.Repeat("\xff", 50), strings.Repeat("x", 61) + "\uFFFD", Repairs{UTF8: 1}},
	} {
		o := options()
		o.MaxValue = 64
		s, r := server(t, New(o), entryWith(wire.UserAgent, c.value), loggerOf("", ""), testClaim())
		if got, want := attr(s, "user_agent.original"), fmt.Sprintf("%q", c.want); got != want || r != c.r {
			t.Errorf("%s: got %s %+v, want %s %+v", name, got, r, want, c.r)
		}
	}
}

func TestQueryIsRedactedBeforeItIsCut(t *testing.T) {
	o := options()
	o.MaxValue = 64
	secret := strings.Repeat("s", 60)
	got := serverOf(t, o, entryWith(wire.Path, "/?token="+secret+"&b="+strings.Repeat("x", 100)))
	if !strings.Contains(got, `url.query = "token=REDACTED&b=xx`) || strings.Contains(got, "sss") || !strings.Contains(got, "(cut 1)") {
		t.Errorf("got %s", got)
	}
}

func TestTooManyAttributes(t *testing.T) {
	e := entryWith(wire.RouteName, "r")
	e.Code, e.HasCode = 503, true
	var tags []string
	for i := range 300 {
		tags = append(tags, fmt.Sprint("tag", i, "=v"))
	}
	withTags(e, tags)
	s, _ := server(t, New(options()), e, loggerOf("envoy-1", "edge"), testClaim())
	if len(s.Attributes) != maxAttributes || len(s.Attributes)+int(s.DroppedAttributesCount) != 300+7 {
		t.Errorf("%d attributes and %d dropped, want %d and %d", len(s.Attributes), s.DroppedAttributesCount, maxAttributes, 300+7-maxAttributes)
	}
	// Nothing but tags may be dropped for tags.
	if attr(s, "error.type") != `"503"` || attr(s, "envoy.route_name") != `"r"` || attr(s, "envoy.tag.tag0") == "" || attr(s, "envoy.tag.tag200") != "" {
		t.Errorf("the wrong ones were dropped: %s", render(s, Repairs{}))
	}
	s, _ = server(t, New(options()), withTags(&wire.Entry{}, tags[:100]), loggerOf("envoy-1", "edge"), testClaim())
	if s.DroppedAttributesCount != 0 {
		t.Errorf("%d of 100 tags were dropped", s.DroppedAttributesCount)
	}
}

func TestMethodsAreBounded(t *testing.T) {
	b, l, c := New(options()), loggerOf("envoy-1", "edge"), testClaim()
	call := func(method string) string {
		e := entryWith(wire.Path, "/"+method)
		e.Add(wire.RequestHeaders, []byte("content-type"), []byte("application/grpc"))
		s, _ := server(t, b, e, l, c)
		return s.Name + " " + attr(s, "rpc.method") + " " + attr(s, "rpc.method_original")
	}
	for i := range maxMethods {
		m := fmt.Sprintf("pkg.Service/Method%d", i)
		if got, want := call(m), fmt.Sprintf("%s %q ", m, m); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for m, want := range map[string]string{
		"pkg.Service/Method0":              `pkg.Service/Method0 "pkg.Service/Method0" `,
		"pkg.Service/OneMore":              `_OTHER "_OTHER" "pkg.Service/OneMore"`,
		"pkg.Service/Method0?token=secret": `pkg.Service/Method0 "pkg.Service/Method0" `,
	} {
		if got := call(m); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := New(options()).methods.name([]byte("s/"+strings.Repeat("m", maxMethodLen)), true); got != otherMethod {
		t.Errorf("a method of %d bytes is named %s", maxMethodLen+2, got)
	}
}

func TestPlace(t *testing.T) {
	link := func(span string, flags byte) propagation.Context {
		return propagation.Context{Trace: mustTrace(traceB), Span: mustSpan(span), Flags: flags}
	}
	base := traceA + " " + idA + " "
	for name, c := range map[string]struct {
		change         func(*Claim)
		server, client string
	}{
		"sampled, parent from a header": {func(*Claim) {}, base + idB + " flags 301", traceA + " " + idC + " " + idA + " flags 101"},
		"not sampled":                   {func(c *Claim) { c.Flags = 0 }, base + idB + " flags 300", traceA + " " + idC + " " + idA + " flags 100"},
		"random bit":                    {func(c *Claim) { c.Flags = 3 }, base + idB + " flags 303", traceA + " " + idC + " " + idA + " flags 103"},
		"no parent":                     {func(c *Claim) { c.Parent = propagation.SpanID{} }, base + " flags 001", traceA + " " + idC + " " + idA + " flags 101"},
		"nothing known":                 {func(c *Claim) { c.Parent, c.Flags = propagation.SpanID{}, 0 }, base + " flags 000", traceA + " " + idC + " " + idA + " flags 100"},
		"trace state": {func(c *Claim) { c.TraceState = []byte(" a=1 ,, ot=th:8;rv:1 ,b=2,a=3") },
			base + idB + " flags 301 state a=1,b=2", traceA + " " + idC + " " + idA + " flags 101 state a=1,b=2"},
		"bad trace state": {func(c *Claim) { c.TraceState = []byte("A=\xff") }, base + idB + " flags 301", traceA + " " + idC + " " + idA + " flags 101"},
		"links": {func(c *Claim) { c.Links[0], c.Links[1], c.NumLinks = link(idC, 1), link(idB, 0), 2 },
			base + idB + " flags 301 link " + traceB + "/" + idC + " 301 link " + traceB + "/" + idB + " 300",
			traceA + " " + idC + " " + idA + " flags 101"},
	} {
		claim := testClaim()
		c.change(claim)
		e, l, b := testEntry(wire.DownstreamEnd, "host"), loggerOf("envoy-1", "edge"), New(options())
		s, _ := server(t, b, e, l, claim)
		if diff := cmp.Diff(c.server, place(s)); diff != "" {
			t.Errorf("%s: server (-want +got):\n%s", name, diff)
		}
		s, _ = client(t, b, e, l, claim)
		if diff := cmp.Diff(c.client, place(s)); diff != "" {
			t.Errorf("%s: client (-want +got):\n%s", name, diff)
		}
	}
}

// The length of a span takes one byte below 128, two up to 16383, else three: its bytes are moved for it, and none may be
// lost. server and decodeSpan check that.
func TestSpanLengths(t *testing.T) {
	seen := map[int]int{}
	check := func(size int, got, again string) {
		seen[size]++
		if got != again {
			t.Errorf("a length of %d bytes lost something (-beside another span +alone):\n%s", size, cmp.Diff(again, got))
		}
	}
	o := options()
	o.MaxValue = 32 << 10
	b, l, c := New(o), loggerOf("", ""), testClaim()
	for n := range 17_000 {
		if n > 40 && n < 16_000 {
			continue
		}
		e := entryWith(wire.UpstreamCluster, strings.Repeat("c", n))
		e.Method, e.Flags = 1, wire.DownstreamTermination
		room := make([]byte, 0, b.Bound(e)+3)
		alone, _ := b.Client(room, e, l, c, mustSpan(idC))
		span := decodeSpan(t, alone)
		after, _ := b.Client(append(make([]byte, 0, b.Bound(e)+3), "abc"...), e, l, c, mustSpan(idC))
		if string(after[:3]) != "abc" {
			t.Fatalf("bytes before the span were changed to %q", after[:3])
		}
		if want := fmt.Sprintf("%q", strings.Repeat("c", n)); n > 0 && n <= 200 && attr(span, "envoy.upstream_cluster") != want {
			t.Errorf("got %s, want %s", attr(span, "envoy.upstream_cluster"), want)
		}
		check(varintSize(len(alone)), render(span, Repairs{}), render(decodeSpan(t, after[3:]), Repairs{}))
	}
	for size := 1; size <= 3; size++ {
		if seen[size] == 0 {
			t.Errorf("no span has a length of %d bytes: %v", size, seen)
		}
	}
}

// varintSize gives the bytes of the length in a field of n bytes whose tag has one.
func varintSize(n int) int {
	for size := 1; ; size++ {
		if n-1-size < 1<<(7*size) {
			return size
		}
	}
}

func TestUnknownEnums(t *testing.T) {
	got := serverOf(t, options(), walked(t, &alsdata.HTTPAccessLogEntry{
		ProtocolVersion: 99, Request: &alsdata.HTTPRequestProperties{RequestMethod: 77},
		CommonProperties: &alsdata.AccessLogCommon{TlsProperties: &alsdata.TLSProperties{TlsVersion: -5}},
	}))
	if !strings.Contains(got, `SERVER "HTTP"`) || !strings.Contains(got, `"_OTHER"`) || strings.Contains(got, "tls") || strings.Contains(got, "network.") {
		t.Errorf("got %s", got)
	}
}

// Calls of methods that nobody implements fill only a half of the set of names.
func TestUnimplementedMethodsLeaveRoom(t *testing.T) {
	s := methodSet{longest: maxMethodLen}
	known := 0
	for i := range maxMethods {
		if s.name(fmt.Appendf(nil, "junk.Service/M%d", i), false) != otherMethod {
			known++
		}
	}
	if got := s.name([]byte("shop.Cart/Get"), true); known != maxMethods/2 || got != "shop.Cart/Get" {
		t.Errorf("%d names of junk are known, and a real method is %s", known, got)
	}
}

// An attempt that Envoy gave up has neither code nor flags: whether that is an error is in the record of its request.
func TestGivenUpAttempt(t *testing.T) {
	b := New(options())
	for _, c := range []struct {
		name string
		set  func(*wire.Entry, *Claim)
		want string
	}{
		{"caller left, or not known", func(*wire.Entry, *Claim) {}, ""},
		{"timeout", func(_ *wire.Entry, c *Claim) { c.TimedOut = true }, `"UT"`},
		{"reset before the timeout", func(e *wire.Entry, c *Claim) { e.Flags, c.TimedOut = 1<<4, true }, `"UR"`},
		{"answered before the timeout", func(e *wire.Entry, c *Claim) { e.Code, e.HasCode, c.TimedOut = 200, true, true }, ""},
		{"details", func(e *wire.Entry, _ *Claim) { e.Set(wire.CodeDetails, []byte("route_not_found")) }, `"route_not_found"`},
		{"the request itself", func(e *wire.Entry, _ *Claim) { e.Type = wire.DownstreamEnd }, `"_OTHER"`},
	} {
		e := testEntry(wire.UpstreamEnd, "host")
		e.Code, e.HasCode = 0, false
		claim := fullClaim()
		c.set(e, claim)
		got, _ := b.Attempt(make([]byte, 0, b.Bound(e)), e, testLogger(0), claim)
		if text := attr(decodeSpan(t, got), "error.type"); text != c.want {
			t.Errorf("%s: error.type is %s, want %s", c.name, text, c.want)
		}
	}
}
