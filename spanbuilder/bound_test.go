package spanbuilder

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/alspan/alspan/internal/wire"
)

// fill sets every field of m: texts to text, numbers to 1. Of a oneof its first member is set; maps have the given keys.
func fill(m protoreflect.Message, text string, keys ...string) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if o := f.ContainingOneof(); o != nil && o.Fields().Get(0) != f && !o.IsSynthetic() {
			continue
		}
		switch {
		case f.IsMap() && f.MapValue().Kind() == protoreflect.StringKind:
			for _, k := range keys {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(text))
			}
		case f.IsMap(), f.Name() == "metadata": // of any type; never read
		case f.IsList() && f.Message() != nil:
			fill(m.Mutable(f).List().AppendMutable().Message(), text, keys...)
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), text, keys...)
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(text))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(1))
		case f.Kind() == protoreflect.Uint32Kind:
			m.Set(f, protoreflect.ValueOfUint32(1))
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(1))
		case f.Kind() == protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(1))
		case f.Kind() == protoreflect.Uint64Kind:
			m.Set(f, protoreflect.ValueOfUint64(1))
		}
	}
}

// greedy are options under which a span says as much as it can.
func greedy(maxValue int) Options {
	o := options()
	o.MaxValue = maxValue
	o.RedactQuery = []string{"a", ""}
	o.RequestHeaders = []string{":method", "content-type", "x-a", "x-a", strings.Repeat("long-", 60)}
	o.ResponseHeaders = []string{"x-a", "grpc-status", strings.Repeat("long-", 60)}
	return o
}

// Bytes that are not UTF-8 in every text of an entry: each that is written is repaired and counted, and nothing is lost.
func TestEverythingIsRepaired(t *testing.T) {
	for _, text := range []string{bad, "x" + bad, bad + "x", "é" + bad + "é" + bad} {
		m := &alsdata.HTTPAccessLogEntry{}
		fill(m.ProtoReflect(), text, ":method", "x-a", bad+"tag")
		m.Request.RequestMethod, m.Request.OriginalPath = 0, "/"+text+"?q="+text
		e := walked(t, m)
		b, l, c := New(greedy(4096)), loggerOf("envoy-1", "\xff"), testClaim()
		for kind, f := range map[string]func(testing.TB, *Builder, *wire.Entry, *Logger, *Claim) (*tracepb.Span, Repairs){"server": server, "client": client} {
			s, r := f(t, b, e, l, c)
			repaired := 0
			for _, a := range s.Attributes {
				v := a.Value.GetStringValue()
				if inner := a.Value.GetArrayValue().GetValues(); len(inner) == 1 {
					v = inner[0].GetStringValue()
				}
				repaired += min(strings.Count(v, "\uFFFD"), 1) + min(strings.Count(a.Key, "\uFFFD"), 1)
				if strings.Contains(v, "\uFFFD\uFFFD") {
					t.Errorf("%s: a run of bad bytes in %s is more than one replacement: %q", kind, a.Key, v)
				}
			}
			if want := map[string]int{"server": 25, "client": 6}[kind]; repaired != want || r.UTF8 != want {
				t.Errorf("%s: %d texts were repaired and %d counted, want %d:\n%s", kind, repaired, r.UTF8, want, render(s, r))
			}
		}
	}
}

// fullEntry gives an entry whose span has every attribute: as a sidecar's, Server's span has what Client's has.
func fullEntry() *alsdata.HTTPAccessLogEntry {
	m := &alsdata.HTTPAccessLogEntry{}
	fill(m.ProtoReflect(), "t", "a")
	m.Request.RequestMethod, m.Request.Path, m.Request.OriginalPath = 0, "/t/t", "/t/t"
	m.CommonProperties.UpstreamCluster = "outbound|t"
	m.Request.RequestHeaders = map[string]string{"content-type": "application/grpc", ":method": "t", "x-a": "t"}
	m.Response.ResponseTrailers = map[string]string{"grpc-status": "14", "x-a": "t"}
	return m
}

// fullClaim gives the most that a place in a trace can be.
func fullClaim() *Claim {
	c := testClaim()
	c.TraceState = []byte(strings.Repeat("k", 256) + "=" + strings.Repeat("v", 256))
	c.NumLinks = len(c.Links)
	return c
}

// What Server and Client append is never longer than Bound: one text of an entry after the other is long, so that no other
// leaves it room. How it grows is up to what it is: a bad byte becomes three, a redacted parameter grows by eight.
func TestBound(t *testing.T) {
	connection := &alsdata.TCPAccessLogEntry{}
	fill(connection.ProtoReflect(), "t", "a")
	m, claim := fullEntry(), fullClaim()
	shapes := []string{"x", "\xff", "\xffx", "é\xff", "=&", "a=&", "\xff=&", "?a=&\xff"}
	for _, maxValue := range []int{64, 4096, 32 << 10} {
		b := New(greedy(maxValue))
		for _, n := range []int{1, 30, 100, 1500, 5000, 40_000} {
			for _, shape := range shapes {
				long := []byte(strings.Repeat(shape, n/len(shape)+1))
				for _, logName := range []string{"t", string(long)} {
					l := loggerOf("sidecar~10.0.0.1~p.ns~d", logName)
					for _, m := range []proto.Message{m, connection} {
						e := walked(t, m)
						for e := range lengthened(e, long) {
							server(t, b, e, l, claim)
							client(t, b, e, l, claim)
						}
					}
				}
			}
		}
	}
}

// The same for many texts at once, with the keys and lengths around them. A text as long as the limit leaves no room.
func TestBoundOfLists(t *testing.T) {
	const limit = 64
	o, l := options(), loggerOf("sidecar~10.0.0.1~p.ns~d", strings.Repeat("\xff-", 1000))
	o.MaxValue = limit
	var names []string
	for i := range maxAttributes + 10 {
		names = append(names, fmt.Sprintf("%0*d", limit, i))
	}
	with := func(m wire.MapField, n int) *wire.Entry {
		e := walked(t, fullEntry())
		e.Clear(wire.CustomTags)
		e.Clear(wire.RequestHeaders)
		for _, name := range names[:n] {
			e.Add(m, []byte(name), []byte(name))
		}
		return e
	}
	server(t, New(o), with(wire.CustomTags, len(names)), l, fullClaim())
	o.RequestHeaders = names
	server(t, New(o), with(wire.RequestHeaders, len(names)), l, fullClaim())

	e := with(wire.CustomTags, maxAttributes)
	e.Add(wire.CustomTags, []byte("a"), make([]byte, 1<<20))
	if got := New(options()).Bound(e); got > 64<<10 {
		t.Errorf("Bound counts %d bytes for tags that are not written", got)
	}
}

// What is counted once for all spans is not far from what a span can take, and enough by itself for one without texts.
func TestFixedBound(t *testing.T) {
	e, l := walked(t, fullEntry()), loggerOf("sidecar~10.0.0.1~p.ns~d", strings.Repeat("l", 1000))
	got, _ := New(options()).Server(nil, e, l, fullClaim())
	if len(got) > fixedBound || len(got) < fixedBound/3 {
		t.Errorf("the largest span with short texts has %d bytes, fixedBound is %d", len(got), fixedBound)
	}
}

// lengthened gives e with one text after the other longer by that much.
func lengthened(e *wire.Entry, by []byte) iter.Seq[*wire.Entry] {
	return func(yield func(*wire.Entry) bool) {
		for f := range wire.NumTexts {
			c := *e
			c.Set(f, slices.Concat(e.Text(f), by))
			yield(&c)
		}
		for i := range 3 {
			c := *e
			host := []*wire.Address{&c.DownstreamRemote, &c.DownstreamDirect, &c.UpstreamRemote}[i]
			host.Host = c.Keep(slices.Concat(e.Bytes(host.Host), by))
			yield(&c)
		}
		for m := range wire.NumMaps {
			for i := range 2 * e.Fields(m).Len() {
				c := *e
				c.Clear(m)
				for j, f := 0, e.Fields(m); j < f.Len(); j++ {
					k, v := f.Key(j), f.Value(j)
					switch {
					case i == 2*j:
						k = slices.Concat(k, by)
					case i == 2*j+1:
						v = slices.Concat(v, by)
					}
					c.Add(m, k, v)
				}
				yield(&c)
			}
		}
	}
}
