package spanbuilder

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	alsdata "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// allFormats are options that read every format.
func allFormats() Options {
	o := options()
	o.Headers = nil
	for f := range propagation.NumFormats {
		o.Headers = append(o.Headers, f)
	}
	return o
}

// xray gives a header with that trace, and with a span unless that is empty.
func xray(trace, span string) string {
	value := "x-amzn-trace-id: Root=1-" + trace[:8] + "-" + trace[8:]
	if span != "" {
		value += ";Parent=" + span
	}
	return value + ";Sampled=1"
}

// A context may name a trace alone, as load balancers write it: there is no parent then, nothing was injected, and there is nothing to link.
func TestTraceAlone(t *testing.T) {
	alone := xray(traceA, "")
	tags := []string{"tag trace_id: " + traceA, "tag span_id: " + idB}
	one := func(lines ...string) []string { return lines }
	for _, c := range []struct {
		name       string
		setting    Relation
		met        Relation
		start, end []string
		want       string
	}{
		{"local reply", 0, 0, nil, one(alone), "no_upstream_host: trace A own derived parent none up none flags 01 links 0"},
		{"nothing proven", 0, 0, nil, one(alone, "host"), "unproven: trace A own derived parent none up none flags 01 links 0"},
		{"a trace state", 0, 0, nil, one(alone, "tracestate: ", "host"), "unproven: trace A own derived parent none up none flags 01 links 0"},
		{"configured parent", ParentID, 0, nil, one(alone, "host"), "configured_parent: trace A own derived parent none up none flags 01 links 0"},
		{"configured own", OwnID, 0, nil, one(alone, "host"), "configured_own: trace A own derived parent none up none flags 01 links 0"},
		{"configured upstream", UpstreamID, 0, nil, one(alone, "host"), "configured_upstream: trace A own derived parent none up none flags 01 links 0"},
		{"met own", 0, OwnID, nil, one(alone, "host"), "met_own: trace A own derived parent none up none flags 01 links 0"},
		{"met upstream", 0, UpstreamID, nil, one(alone, "host"), "met_upstream: trace A own derived parent none up none flags 01 links 0"},
		{"met parent", 0, ParentID, nil, one(alone, "host"), "met_parent: trace A own derived parent none up none flags 01 links 0"},
		{"a trace tag alone", 0, 0, nil, one(alone, "host", tags[0]), "unproven: trace A own derived parent none up none flags 01 links 0"},
		{"tags", 0, 0, nil, append(tags, alone, "host"), "id_tag: trace A own b parent none up none flags 01 links 0"},
		{"tags and a trace state", 0, 0, nil, append(tags, alone, "host", "tracestate: "), "id_tag_trace_state: trace A own b parent none up none flags 01 links 0"},
		{"tags of another trace", 0, 0, nil, append(tags, xray(traceB, ""), "host"), "id_tags_other_trace: trace A own b parent none up none flags 00 links 0"},
		{"the same at the start", 0, 0, one(alone), one(alone, "host"), "start_same_id: trace A own derived parent none up none flags 01 links 0"},
		{"injected since", 0, 0, one(alone), one(xray(traceA, idA), "host"), "start_other_id: trace A own derived parent none up a flags 01 links 0"},
		{"the span is gone", 0, 0, one(xray(traceA, idA)), one(alone, "host"), "start_other_id: trace A own derived parent a up none flags 01 links 0"},
		{"beside a context that counts", 0, 0, nil, one(tp(traceA, idA), xray(traceB, ""), "host"), "unproven: trace A own derived parent a up none flags 01 links 0"},
		{"with a span beside one", 0, 0, nil, one(tp(traceA, idA), xray(traceB, idB), "host"), "unproven: trace A own derived parent a up none flags 01 links 1"},
		{"Google's", 0, 0, nil, one("x-cloud-trace-context: "+traceA+"/0;o=1", "host"), "unproven: trace A own derived parent none up none flags 01 links 0"},
		{"Datadog's", 0, 0, nil, one("x-datadog-trace-id: 11803532876627986230", "x-datadog-origin: synthetics", "x-datadog-parent-id: 0",
			"x-datadog-tags: _dd.p.tid=4bf92f3577b34da6", "host"), "unproven: trace A own derived parent none up none flags 00 links 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(allFormats())
			i, l := b.Identity(), testLogger(c.setting)
			l.learn(propagation.XRay, c.met)
			if c.start != nil {
				learn(i, testEntry(wire.DownstreamStart, c.start...), l)
			}
			e := testEntry(wire.DownstreamEnd, c.end...)
			claim := claimOf(i, e, l)
			if got := show(claim); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if zero := claim.Logged.IsZero(); zero && claim.Injected != NotInjected {
				t.Errorf("injected is %d", claim.Injected)
			}
			checkIDs(t, b, e, l, claim)
			i.Sealed(claim)
			checkIDs(t, b, e, l, claim)
		})
	}
}

// checkIDs encodes the span of a claim and an INTERNAL one of it: no parent and no link may be an id of zeros.
func checkIDs(t *testing.T, b *Builder, e *wire.Entry, l *Logger, c *Claim) {
	t.Helper()
	inner, _ := b.Inner(nil, e, l, c)
	made, _ := b.Server(nil, e, l, c)
	for _, encoded := range [][]byte{inner, made} {
		s := decodeSpan(t, encoded)
		if hasParent := len(s.ParentSpanId) > 0; hasParent == c.Parent.IsZero() || hasParent && propagation.SpanID(s.ParentSpanId).IsZero() {
			t.Errorf("parent %x of a claim with %s", s.ParentSpanId, c.Parent)
		}
		if remote := s.Flags&flagRemote != 0; remote == c.Parent.IsZero() {
			t.Errorf("flags %x, parent %s", s.Flags, c.Parent)
		}
		for _, link := range s.Links {
			if propagation.TraceID(link.TraceId).IsZero() || propagation.SpanID(link.SpanId).IsZero() {
				t.Errorf("link to %x %x", link.TraceId, link.SpanId)
			}
		}
	}
}

// A meeting teaches nothing about a header without a span.
func TestTraceAloneTeachesNothing(t *testing.T) {
	i, l := New(allFormats()).Identity(), testLogger(0)
	claimOf(i, testEntry(wire.DownstreamEnd, xray(traceA, ""), "host"), l)
	i.learnRelation(&Item{facts: facts{Tracer: propagation.XRay, ID: mustSpan(idA)}})
	if got := l.relationOf(propagation.XRay); got != Unsaid {
		t.Errorf("the relation is %d", got)
	}
	claimOf(i, testEntry(wire.DownstreamEnd, xray(traceA, idA), "host"), l)
	i.learnRelation(&Item{facts: facts{Tracer: propagation.XRay, ID: mustSpan(idA)}})
	if got := l.relationOf(propagation.XRay); got != OwnID {
		t.Errorf("the relation is %d", got)
	}
}

// others are headers of trace B with the span b, one for each format besides W3C's and B3.
var others = map[propagation.Format][]string{
	propagation.Jaeger:     {"uber-trace-id: " + traceB + ":" + idB + ":0:1"},
	propagation.Datadog:    {"x-datadog-trace-id: 6148933456521300104", "x-datadog-parent-id: 13235353014750950193", "x-datadog-sampling-priority: 1", "x-datadog-tags: _dd.p.tid=1111222233334444"},
	propagation.XRay:       {xray(traceB, idB)},
	propagation.CloudTrace: {"x-cloud-trace-context: " + traceB + "/13235353014750950193;o=1"},
	propagation.LightStep:  {"x-ot-span-context: EhQJiIh3d2ZmVVURMTMgaXFrrbcYAQ=="},
	propagation.OTTracer:   {"ot-tracer-traceid: " + traceB, "ot-tracer-spanid: " + idB, "ot-tracer-sampled: true"},
	propagation.Census:     {"grpc-trace-bin: AAARESIiMzNERFVVZmZ3d4iIAbeta3FpIDMxAgE="},
}

// A tracer that was seen to speak one of the other formats has that alone: it counts for more than the order, and no other counts for it.
func TestTracersOfOtherFormats(t *testing.T) {
	for f, headers := range others {
		t.Run(f.String(), func(t *testing.T) {
			if got := family(f); !slices.Equal(got, []propagation.Format{f}) {
				t.Errorf("family %v", got)
			}
			i, l := New(allFormats()).Identity(), testLogger(0)
			both := append([]string{tp(traceA, idA), "host"}, headers...)
			if c := claimOf(i, testEntry(wire.DownstreamEnd, both...), l); c.Trace != mustTrace(traceA) || c.NumLinks != 1 || c.Links[0].Span != mustSpan(idB) {
				t.Errorf("by the order: %s", show(c))
			}
			learn(i, testEntry(wire.DownstreamStart, tp(traceA, idA)), l)
			c := claimOf(i, testEntry(wire.DownstreamEnd, both...), l)
			if want := "start_other_id: trace B own derived parent none up b flags 01 links 1"; strings.ReplaceAll(show(c), "trace derived", "trace B") != want {
				t.Errorf("with a start entry:\n got %s\nwant %s", show(c), want)
			}
			c = claimOf(i, testEntry(wire.DownstreamEnd, both...), l)
			if c.Trace.Low() != mustTrace(traceB).Low() || c.Refused {
				t.Errorf("after it: %s", show(c))
			}
			// A flag in another format is not the tracer's.
			c = claimOf(i, testEntry(wire.DownstreamEnd, "traceparent: 00-"+traceA+"-"+idA+"-00"), l)
			if !c.Unsampled || c.Refused {
				t.Errorf("without the tracer's header: unsampled %v, refused %v", c.Unsampled, c.Refused)
			}
		})
	}
}

// Of contexts in many traces the first ones in the configured order become links.
func TestLinksAreFew(t *testing.T) {
	headers := []string{"host", tp(traceA, idA)}
	for n, f := range []string{"b3: %032x-%016x-1", "uber-trace-id: %032x:%016x:0:1", "ot-tracer-traceid: %032x", "x-cloud-trace-context: %032x/%d"} {
		if f == "ot-tracer-traceid: %032x" {
			headers = append(headers, fmt.Sprintf("ot-tracer-spanid: %x", n+1), fmt.Sprintf(f, n+1))
		} else {
			headers = append(headers, fmt.Sprintf(f, n+1, n+1))
		}
	}
	o := allFormats()
	o.Headers = []propagation.Format{propagation.TraceParent, propagation.CloudTrace, propagation.OTTracer, propagation.B3Single, propagation.Jaeger, propagation.B3Multi}
	b := New(o)
	i, l, e := b.Identity(), testLogger(0), testEntry(wire.DownstreamEnd, headers...)
	joined := new(Claim)
	made := claimOf(i, e, l)
	i.proveJoined(joined, &Item{facts: facts{Trace: mustTrace(traceA), ID: mustSpan(idB)}})
	for _, c := range []*Claim{made, joined} {
		var got []byte
		for _, link := range c.Links[:c.NumLinks] {
			got = append(got, link.Span[7])
		}
		if want := []byte{4, 3, 1}; !slices.Equal(got, want) {
			t.Errorf("links %v, want %v", got, want)
		}
	}
	checkIDs(t, b, e, l, made)
}

// A start entry keeps the ids of the first formats. What it does not know proves nothing.
func TestStartInManyFormats(t *testing.T) {
	i, l := New(allFormats()).Identity(), testLogger(0)
	var headers []string
	for f := propagation.Jaeger; f < propagation.NumFormats; f++ {
		headers = append(headers, others[f]...)
	}
	e := testEntry(wire.DownstreamStart, headers...)
	i.Headers(e)
	s := NewStarts(1 << 16)
	s.Learn(1, &i.Set)
	got, ok := s.Take(1)
	if !ok {
		t.Fatal("the start entry is gone")
	}
	for f := range propagation.NumFormats {
		sent := f >= propagation.Jaeger
		known := !sent || f < propagation.Jaeger+startIDs
		if got.Knows(f) != known || got.ID(f).IsZero() != (!sent || !known) {
			t.Errorf("%s: known %v, id %s", f, got.Knows(f), got.ID(f))
		}
	}
	// The grpc-trace-bin is of another span at the end, but nobody knows what it was before.
	i.Learn(e, l)
	c := claimOf(i, testEntry(wire.DownstreamEnd, "host", "grpc-trace-bin: AAARESIiMzNERFVVZmZ3d4iIAQDwZ6oLqQK3AgE="), l)
	if row := rows[c.Row].name; row != "unproven" {
		t.Errorf("%s: %s", row, show(c))
	}
}

// claimSink notes what the table makes.
type claimSink struct {
	quietSink
	server, inner, attempt []Claim
}

func (s *claimSink) Server(_ *wire.Entry, _ *Logger, c *Claim)  { s.server = append(s.server, *c) }
func (s *claimSink) Inner(_ *wire.Entry, _ *Logger, c *Claim)   { s.inner = append(s.inner, *c) }
func (s *claimSink) Attempt(_ *wire.Entry, _ *Logger, c *Claim) { s.attempt = append(s.attempt, *c) }

// Through the join: an entry that names a trace alone, and the record of its attempt. Whatever is made hangs below something that is there.
func TestTraceAloneInTheJoin(t *testing.T) {
	for _, c := range []struct {
		name   string
		sealed bool
	}{{"it makes a SERVER", false}, {"its span is elsewhere", true}} {
		t.Run(c.name, func(t *testing.T) {
			r, sink := newTableRig(t), &claimSink{}
			r.table.sink, r.table.b = sink, New(allFormats())
			r.table.id = r.table.b.Identity()
			l := r.entry.Logger
			l.node.attempts.Store(true)
			if c.sealed {
				r.table.met(l)
			}
			var logged alsdata.HTTPAccessLogEntry
			if err := proto.Unmarshal(r.entry.Bytes, &logged); err != nil {
				t.Fatal(err)
			}
			key, value, _ := strings.Cut(xray(traceA, ""), ": ")
			logged.Request.RequestHeaders = map[string]string{key: value}
			item := func(typ alsdata.AccessLogType) Item {
				if logged.CommonProperties.AccessLogType = typ; typ == alsdata.AccessLogType_UpstreamEnd {
					logged.CommonProperties.StartTime.Nanos += 1e6
					logged.CommonProperties.Duration.Nanos -= 2e6
				}
				var e wire.Entry
				body := encoded(t, &logged)
				if !e.WalkHTTP(body) {
					t.Fatal("malformed entry")
				}
				i, id := Item{}, r.table.b.Identity()
				id.Headers(&e)
				id.Read(&e, l)
				i.SetEntry(&e, l, id, id.Keys(&e, l), r.now)
				i.Waits, i.Bytes = true, body
				return i
			}
			for _, typ := range []alsdata.AccessLogType{alsdata.AccessLogType_DownstreamEnd, alsdata.AccessLogType_UpstreamEnd} {
				i := item(typ)
				if i.Trace != mustTrace(traceA) || !i.ID.IsZero() {
					t.Fatalf("trace %s, id %s", i.Trace, i.ID)
				}
				cell, ref, _ := r.cells.Alloc(len(i.Bytes))
				copy(cell, i.Bytes)
				i.Bytes, i.Cell = cell, ref
				r.table.Add(&i)
			}
			for range 30 {
				r.pass(1e9)
			}
			if len(sink.server)+len(sink.inner)+len(sink.attempt) != 2 {
				t.Fatalf("%d SERVER, %d INTERNAL, %d attempts", len(sink.server), len(sink.inner), len(sink.attempt))
			}
			var first, second Claim
			if c.sealed {
				first, second = sink.inner[0], sink.inner[1]
			} else {
				first, second = sink.server[0], sink.attempt[0]
			}
			if !first.Parent.IsZero() || first.Own.IsZero() || first.Trace != mustTrace(traceA) || !first.Up.IsZero() {
				t.Errorf("of the request: %s", show(&first))
			}
			if second.Parent != first.Own || second.Own.IsZero() || second.Own == first.Own || second.Trace != first.Trace {
				t.Errorf("of the attempt: %s, its parent is %s and the id of the request %s", show(&second), second.Parent, first.Own)
			}
		})
	}
}

func TestFormatsAllocateNothing(t *testing.T) {
	lines := []string{"host", tp(traceA, idA)}
	for _, headers := range others {
		lines = append(lines, headers...)
	}
	i, l, e := New(allFormats()).Identity(), testLogger(0), testEntry(wire.DownstreamEnd, lines...)
	var c Claim
	if n := testing.AllocsPerRun(100, func() { i.Claim(e, l, &c) }); n != 0 || c.NumLinks != 2 { // one in 128 bits and one in 64
		t.Errorf("%v allocations, %d links", n, c.NumLinks)
	}
}
