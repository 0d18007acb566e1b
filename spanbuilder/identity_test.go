package spanbuilder

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

const (
	traceA = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceB = "11112222333344445555666677778888"
	idA    = "00f067aa0ba902b7"
	idB    = "b7ad6b7169203331"
	idC    = "c0ffee0123456789"
	uuid   = "ba55356e-8341-9160-83dd-9ff296972004"
)

func options() Options {
	return Options{
		Events: true, MaxValue: 4096, StartMemory: 1 << 20,
		Headers:   []propagation.Format{propagation.TraceParent, propagation.B3Multi, propagation.B3Single},
		TraceTags: []string{"trace_id", "tid"}, SpanTags: []string{"span_id", "sid"},
		RedactQuery: []string{"token", "X-Amz-Signature"},
	}
}

// testEntry makes an entry of one request: "name: value" lines are logged request headers, "tag name: value" custom tags,
// "host" an upstream host, "rid value" the request id.
func testEntry(typ wire.AccessLogType, lines ...string) *wire.Entry {
	e := entryWith(wire.RequestID, uuid, wire.Path, "/ok")
	e.Type, e.Start, e.Method = typ, wire.Time{Seconds: 1795247511, Nanos: 394254000, Set: true}, 1
	if typ != wire.DownstreamStart {
		e.Duration = wire.Time{Nanos: 1_500_000, Set: true}
		e.Code, e.HasCode = 200, true
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "host":
			e.UpstreamRemote = wire.Address{Kind: wire.SocketAddress, Host: e.Keep([]byte("10.0.0.9")), Port: 8080}
		case strings.HasPrefix(line, "rid "):
			e.Set(wire.RequestID, []byte(line[4:]))
		case strings.HasPrefix(key, "tag "):
			e.Add(wire.CustomTags, []byte(key[4:]), []byte(value))
		default:
			e.Add(wire.RequestHeaders, []byte(key), []byte(value))
		}
	}
	return e
}

func claimOf(i *Identity, e *wire.Entry, l *Logger) *Claim {
	c := new(Claim)
	i.Claim(e, l, c)
	return c
}

func learn(i *Identity, e *wire.Entry, l *Logger) {
	i.Headers(e)
	i.Learn(e, l)
}

func tp(trace, span string) string { return "traceparent: 00-" + trace + "-" + span + "-01" }

func testLogger(setting Relation) *Logger {
	s := NewLoggers(NewNodes(), map[string]Relation{"edge": setting})
	return s.Find(&wire.Node{ID: []byte("envoy-1"), Cluster: []byte("edge")}, []byte("edge"), netip.Addr{})
}

// show writes a claim with short names for the ids that the test knows.
func show(c *Claim) string {
	name := func(id fmt.Stringer, zero bool) string {
		switch s := id.String(); {
		case zero:
			return "none"
		case s == traceA:
			return "A"
		case s == traceB:
			return "B"
		case s == idA:
			return "a"
		case s == idB:
			return "b"
		case s == idC:
			return "c"
		}
		return "derived"
	}
	return fmt.Sprintf("%s: trace %s own %s parent %s up %s flags %02x links %d", rows[c.Row].name,
		name(c.Trace, c.Trace.IsZero()), name(c.Own, c.Own.IsZero()), name(c.Parent, c.Parent.IsZero()), name(c.Up, c.Up.IsZero()), c.Flags, c.NumLinks)
}

// Each row of the table, at least once; a start entry, when there is one, comes before its end.
func TestRows(t *testing.T) {
	none := []string(nil)
	tags := func(trace, span string) []string { return []string{"tag trace_id: " + trace, "tag span_id: " + span} }
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	one := func(lines ...string) []string { return lines }
	b3 := func(trace, span string, more ...string) []string {
		return append([]string{"x-b3-traceid: " + trace, "x-b3-spanid: " + span, "x-b3-sampled: 1"}, more...)
	}
	for _, c := range []struct {
		name       string
		setting    Relation
		start, end []string // start nil: no start entry
		want       string
	}{
		{"nothing at all", 0, nil, none, "no_context: trace derived own derived parent none up none flags 00 links 0"},
		{"tags without a context", 0, nil, tags(traceA, idA), "id_tags_alone: trace A own a parent none up none flags 00 links 0"},
		{"local reply in another trace than Envoy's", 0, nil, join(tags(traceA, idA), b3(traceB, idB)), "id_tags_other_trace: trace A own a parent none up none flags 00 links 1"},
		{"tag is the logged id", 0, nil, join(tags(traceA, idA), one(tp(traceA, idA), "tracestate: ", "host")), "id_tag_is_logged_id: trace A own a parent none up none flags 01 links 0"},
		{"local reply", 0, nil, one(tp(traceA, idA)), "no_upstream_host: trace A own derived parent a up none flags 01 links 0"},
		{"local reply, tag", 0, nil, join(tags(traceA, idB), one(tp(traceA, idA))), "no_upstream_host: trace A own b parent a up none flags 01 links 0"},
		{"local reply although configured own", OwnID, nil, one(tp(traceA, idA)), "no_upstream_host: trace A own derived parent a up none flags 01 links 0"},
		{"configured parent", ParentID, nil, one(tp(traceA, idA), "host"), "configured_parent: trace A own derived parent a up none flags 01 links 0"},
		{"configured own", OwnID, nil, one(tp(traceA, idA), "host"), "configured_own: trace A own a parent none up none flags 01 links 0"},
		{"configured own, B3 parent", OwnID, nil, join(b3(traceA, idA, "x-b3-parentspanid: "+idB), one("host")), "configured_own: trace A own a parent b up none flags 01 links 0"},
		{"configured own, start", OwnID, one(tp(traceA, idB)), one(tp(traceA, idA), "host"), "configured_own: trace A own a parent b up none flags 01 links 0"},
		{"configured upstream", UpstreamID, nil, one(tp(traceA, idA), "host"), "configured_upstream: trace A own derived parent none up a flags 01 links 0"},
		{"configured upstream, tag, start", UpstreamID, one(tp(traceA, idB)), join(tags(traceA, idC), one(tp(traceA, idA), "host")), "configured_upstream: trace A own c parent b up a flags 01 links 0"},
		{"configured upstream, B3", UpstreamID, nil, join(b3(traceA, idA, "x-b3-parentspanid: "+idB), one("host")), "configured_upstream: trace A own b parent none up a flags 01 links 0"},
		{"start, not injected", 0, one(tp(traceA, idA)), one(tp(traceA, idA), "host"), "start_same_id: trace A own derived parent a up none flags 01 links 0"},
		{"start, not injected, tag", 0, one(tp(traceA, idA)), join(tags(traceA, idB), one(tp(traceA, idA), "tracestate: x=y", "host")), "start_same_id: trace A own b parent a up none flags 01 links 0"},
		{"start, injected", 0, one(tp(traceA, idB)), one(tp(traceA, idA), "host"), "start_other_id: trace A own derived parent b up a flags 01 links 0"},
		{"start, injected, tag", 0, one(tp(traceA, idB)), join(tags(traceA, idC), one(tp(traceA, idA), "host")), "start_other_id: trace A own c parent b up a flags 01 links 0"},
		{"start, injected, tag is the id", 0, one(tp(traceA, idB)), join(tags(traceA, idA), one(tp(traceA, idA), "host")), "id_tag_is_logged_id: trace A own a parent b up none flags 01 links 0"},
		{"start without context: a root", 0, one("x-request-id: " + uuid), one(tp(traceA, idA), "host"), "start_other_id: trace A own derived parent none up a flags 01 links 0"},
		{"start, B3, a child's id", 0, b3(traceA, idB), join(b3(traceA, idA, "x-b3-parentspanid: "+idC), one("host")), "start_b3_child: trace A own c parent b up a flags 01 links 0"},
		{"start, B3, own or child", 0, b3(traceA, idB), join(b3(traceA, idA, "x-b3-parentspanid: "+idB), one("host")), "start_other_id: trace A own derived parent b up a flags 01 links 0"},
		{"start tells the tracer's format", 0, one(tp(traceA, idA)), join(b3(traceB, idB), one(tp(traceA, idA), "host")), "start_other_id: trace B own derived parent none up b flags 01 links 1"},
		{"tag tells the tracer's format", 0, nil, join(one("tag trace_id: "+traceB), b3(traceB, idB), one(tp(traceA, idA), "host")), "unproven: trace B own derived parent b up none flags 01 links 1"},
		{"tag and trace state", 0, nil, join(tags(traceA, idB), one(tp(traceA, idA), "tracestate: ", "host")), "id_tag_trace_state: trace A own b parent none up a flags 01 links 0"},
		{"tag, no trace state", 0, nil, join(tags(traceA, idB), one(tp(traceA, idA), "host")), "id_tag: trace A own b parent a up none flags 01 links 0"},
		{"nothing proven", 0, nil, one(tp(traceA, idA), "host"), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"a trace state proves nothing", 0, nil, one(tp(traceA, idA), "tracestate: ", "host"), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"x-b3-parentspanid proves nothing", 0, nil, join(b3(traceA, idA, "x-b3-parentspanid: "+idB), one("host")), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"absent tags", 0, nil, join(tags("-", "-"), one(tp(traceA, idA), "host")), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"zero tags", 0, nil, join(tags(strings.Repeat("0", 32), strings.Repeat("0", 16)), one(tp(traceA, idA), "host")), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"not sampled", 0, nil, one("traceparent: 00-"+traceA+"-"+idA+"-00", "host"), "unproven: trace A own derived parent a up none flags 00 links 0"},
		{"B3 deferred", 0, nil, one("b3: "+traceA+"-"+idA, "host"), "unproven: trace A own derived parent a up none flags 00 links 0"},
		{"two contexts of one trace", 0, nil, join(b3(traceA, idB), one(tp(traceA, idA), "host")), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"two contexts of two traces", 0, nil, join(b3(traceB, idB), one(tp(traceA, idA), "host")), "unproven: trace A own derived parent a up none flags 01 links 1"},
		{"invalid context", 0, nil, one("traceparent: 00-"+traceA+"-0000000000000000-01", "host"), "no_context: trace derived own derived parent none up none flags 00 links 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(options())
			i, l := b.Identity(), testLogger(c.setting)
			if c.start != nil {
				learn(i, testEntry(wire.DownstreamStart, c.start...), l)
			}
			got := *claimOf(i, testEntry(wire.DownstreamEnd, c.end...), l)
			if s := show(&got); s != c.want {
				t.Errorf("\n got %s\nwant %s", s, c.want)
			}
		})
	}
}

// Every row is reached by the cases above.
func TestRowNamesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range Rows() {
		if seen[n] {
			t.Errorf("two rows are named %s", n)
		}
		seen[n] = true
	}
}

// A logger that has shown its tracestate header and then a tagged request that went upstream without one does not inject.
func TestLoggerThatNeverInjects(t *testing.T) {
	b := New(options())
	i, l := b.Identity(), testLogger(0)
	tags := []string{"tag trace_id: " + traceA, "tag span_id: " + idB, "host", tp(traceA, idA)}
	with := append([]string{"tracestate: vendor=1"}, tags...)
	claim := func(lines []string) string {
		c := *claimOf(i, testEntry(wire.DownstreamEnd, lines...), l)
		return rows[c.Row].name
	}
	type step struct {
		lines []string
		want  string
	}
	// Until both have been seen, a tracestate that the caller sent looks like one that Envoy wrote.
	for _, steps := range [][]step{
		{{with, "id_tag_trace_state"}, {tags, "id_tag"}, {with, "id_tag"}},
		{{tags, "id_tag"}, {with, "id_tag"}, {tags, "id_tag"}},
	} {
		l = testLogger(0)
		for n, s := range steps {
			if got := claim(s.lines); got != s.want {
				t.Errorf("step %d: %s, want %s", n, got, s.want)
			}
		}
	}
}

// A log that does not list the tracestate shows that by and by; one of an Envoy that does not inject shows requests without
// any context.
func TestLogWithoutTraceState(t *testing.T) {
	i := New(options()).Identity()
	tags := []string{"tag trace_id: " + traceA, "tag span_id: " + idB, "host"}
	with := append([]string{tp(traceA, idA)}, tags...)
	claim := func(l *Logger, lines []string) string {
		return rows[claimOf(i, testEntry(wire.DownstreamEnd, lines...), l).Row].name
	}
	l := testLogger(0)
	for n := range 2 * enoughStateless {
		want := "id_tag"
		if n >= enoughStateless-1 {
			want = "id_tag_trace_state"
		}
		if got := claim(l, with); got != want {
			t.Errorf("entry %d: %s, want %s", n, got, want)
		}
	}
	if claim(l, tags); claim(l, with) != "id_tag" {
		t.Error("a request went upstream without any context, so nothing is injected")
	}
}

// Once a start entry has shown the tracer's format, it holds for the logger's other entries.
func TestTracerFormatIsRemembered(t *testing.T) {
	b := New(options())
	i, l := b.Identity(), testLogger(0)
	both := []string{tp(traceA, idA), "x-b3-traceid: " + traceB, "x-b3-spanid: " + idB, "x-b3-sampled: 1"}
	c := *claimOf(i, testEntry(wire.DownstreamEnd, both...), l)
	if got := show(&c); !strings.Contains(got, "trace A") {
		t.Errorf("before: %s, want the configured order", got)
	}
	learn(i, testEntry(wire.DownstreamStart, tp(traceA, idA)), l)
	claimOf(i, testEntry(wire.DownstreamEnd, append([]string{"host"}, both...)...), l)
	c = *claimOf(i, testEntry(wire.DownstreamEnd, both...), l)
	if got := show(&c); !strings.Contains(got, "trace B") {
		t.Errorf("after: %s, want the tracer's format", got)
	}
}

// What a meeting shows holds for the format of the header: callers with another one have none to forget it by.
func TestRelationIsOfTheFormat(t *testing.T) {
	b := New(options())
	i, l := b.Identity(), testLogger(0)
	single, multi := []string{"host", "b3: " + traceA + "-" + idA + "-1"}, []string{"host", "x-b3-traceid: " + traceA, "x-b3-spanid: " + idA, "x-b3-sampled: 1"}
	meet := func(lines []string, own, parent string) {
		t.Helper()
		claimOf(i, testEntry(wire.DownstreamEnd, lines...), l)
		s := Item{facts: facts{Tracer: propagation.B3Multi, ID: mustSpan(own)}, Parent: mustSpan(parent)}
		i.learnRelation(&s)
	}
	row := func(lines []string) string {
		return rows[claimOf(i, testEntry(wire.DownstreamEnd, lines...), l).Row].name
	}
	meet(multi, idA, idB)
	meet(single, idB, idA)
	if a, b := row(multi), row(single); a != "met_own" || b != "met_parent" {
		t.Errorf("x-b3-* is %s and b3 %s, want met_own and met_parent", a, b)
	}
	meet(multi, idB, idA)
	if a := row(multi); a != "met_parent" {
		t.Errorf("x-b3-* is %s, but the last meeting showed the parent", a)
	}
}

func TestDerivedIDs(t *testing.T) {
	b := New(options())
	i, l := b.Identity(), testLogger(0)
	claim := func(e *wire.Entry) Claim { return *claimOf(i, e, l) }
	first := claim(testEntry(wire.DownstreamEnd, tp(traceA, idA), "host"))
	// The ids are part of the product: copies at other agents and in other releases must get the same.
	if got, want := first.Own.String(), "8739a7ca049bd25f"; got != want {
		t.Errorf("derived span id %s, want %s", got, want)
	}
	root := claim(testEntry(wire.DownstreamEnd))
	if got, want := root.Trace.String(), "51243eebae1fa3add2409bc4cca360a3"; got != want {
		t.Errorf("derived trace id %s, want %s", got, want)
	}
	if again := claim(testEntry(wire.DownstreamEnd, tp(traceA, idA), "host")); again.Own != first.Own {
		t.Error("the same entry got two ids")
	}
	// The second pass of a redirect shares the start, the request id and, behind some tracers, the logged id.
	pass := testEntry(wire.DownstreamEnd, tp(traceA, idA), "host")
	pass.Duration.Nanos++
	if second := claim(pass); second.Own == first.Own {
		t.Error("two passes of a redirect got one id")
	}
	// The trace reason may change on the way; the next hop is another node with another start.
	hop := testEntry(wire.DownstreamEnd, "rid "+uuid[:14]+"4"+uuid[15:])
	hop.Start.Seconds++
	if c := claim(hop); c.Trace != root.Trace || c.Own == root.Own {
		t.Error("two hops of a request id do not share a trace, or share a span id")
	}
	odd := claim(testEntry(wire.DownstreamEnd, "rid caf\xe9-\xff\xfe"))
	if c := claim(testEntry(wire.DownstreamEnd, "rid caf!-!!")); c.Trace != odd.Trace || odd.Trace == root.Trace {
		t.Error("a request id that is not UTF-8 differs from the form that ALS gives it")
	}
	other := testEntry(wire.DownstreamEnd, "rid not-a-uuid")
	other.Start.Nanos++
	if a, b := claim(testEntry(wire.DownstreamEnd, "rid not-a-uuid")), claim(other); a.Trace == b.Trace {
		t.Error("a request id that is no UUID made one trace of two requests")
	}
}

// The tables for operators have every row and every format, in order.
func TestRowsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(doc)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ = strings.Cut(name, "`")
			listed = append(listed, name)
		}
	}
	want := Rows()
	for f := range propagation.NumFormats {
		want = append(want, f.String())
	}
	if !slices.Equal(listed, want) {
		t.Errorf("docs/identity.md lists %v, the tables have %v", listed, want)
	}
}
