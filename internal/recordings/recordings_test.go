package recordings

import (
	"maps"
	"slices"
	"testing"
)

func TestFrames(t *testing.T) {
	if got := Modes(); len(got) != 8 {
		t.Fatalf("%d modes", len(got))
	}
	// Counted with another reader.
	want := map[string]map[byte]int{
		"none":                {'A': 7},
		"otel":                {'A': 6, 'O': 9},
		"otel-logs":           {'A': 7, 'L': 6, 'O': 17},
		"otel-spawn":          {'A': 6, 'O': 16},
		"otel-start":          {'A': 13, 'O': 17},
		"otel-tags":           {'A': 7, 'O': 16},
		"zipkin-shared":       {'A': 7, 'Z': 9},
		"zipkin-spawn-shared": {'A': 7, 'Z': 17},
	}
	for _, mode := range Modes() {
		frames, err := Frames(mode)
		if err != nil {
			t.Fatal(err)
		}
		got := map[byte]int{}
		identified := map[uint64]bool{}
		for i, f := range frames {
			got[f.Kind]++
			if len(f.Bytes) == 0 || f.At < 1795e15 || f.At > 1796e15 {
				t.Errorf("%s: frame %d: %d bytes at %d", mode, i, len(f.Bytes), f.At)
			}
			if f.Kind != KindALS {
				continue
			}
			// Field 1, the identifier, is in the first message of a stream and in no other.
			if first := !identified[f.Stream]; first != (f.Bytes[0] == 0x0a) {
				t.Errorf("%s: frame %d of stream %d: identifier %v", mode, i, f.Stream, !first)
			}
			identified[f.Stream] = true
		}
		if !maps.Equal(got, want[mode]) {
			t.Errorf("%s: %v, want %v", mode, got, want[mode])
		}
	}
	if _, err := Frames("nothing"); err == nil {
		t.Error("an unknown mode has frames")
	}
}

func TestFacts(t *testing.T) {
	for _, mode := range Modes() {
		f, err := Facts(mode)
		if err != nil {
			t.Fatal(err)
		}
		entries := 43
		if mode == "otel-start" {
			entries = 125
		}
		if len(f.Entries) != entries || len(f.Requests) != 38 || len(f.Seen) != 32 || (len(f.Spans) == 0) != (mode == "none") {
			t.Errorf("%s: %d entries, %d requests, %d seen, %d spans", mode, len(f.Entries), len(f.Requests), len(f.Seen), len(f.Spans))
		}
	}
	f, err := Facts("otel-tags")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(f.Entries, func(e Entry) bool { return e.Attempts == 3 && e.Path == "/flaky/r016" })
	if i < 0 {
		t.Fatal("no entry of the flaky request")
	}
	e := f.Entries[i]
	if e.Log != "edge" || e.Type != 6 || e.Code != 200 || e.Dur != 4609820 || !e.HasUpstream || e.Tags["sid"] != "20c810f564d48ac8" ||
		e.Headers["traceparent"] != "00-4bf92f3577b34da6a3ce929d00010010-79b078075f49d835-01" {
		t.Errorf("%+v", e)
	}
	own := slices.IndexFunc(f.Spans, func(s Span) bool { return s.ID == e.Tags["sid"] })
	if own < 0 || f.Spans[own].Start != e.Start || f.Spans[own].Kind != "SERVER" || f.Spans[own].Attr["guid:x-request-id"] != e.ReqID {
		t.Errorf("the span of %+v is not among the facts", e)
	}
	if got := f.Seen["r000"][0]["Traceparent"]; len(got) != 1 {
		t.Errorf("seen %v", f.Seen["r000"])
	}
	if _, err := Facts("nothing"); err == nil {
		t.Error("an unknown mode has facts")
	}
}

func TestLines(t *testing.T) {
	for log, want := range map[string]int{"edge": 39, "mid": 3} {
		lines, err := Lines(log)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != want {
			t.Errorf("%s: %d lines", log, len(lines))
		}
		for _, l := range lines {
			if l[0] != '{' || l[len(l)-1] != '}' {
				t.Errorf("%s: %q", log, l)
			}
		}
	}
}

func TestRelations(t *testing.T) {
	rels, err := Relations()
	if err != nil {
		t.Fatal(err)
	}
	if len(rels) != 712 {
		t.Fatalf("%d rows", len(rels))
	}
	find := func(mode, request, log string, typ int) Relation {
		t.Helper()
		i := slices.IndexFunc(rels, func(r Relation) bool {
			return r.Mode == mode && r.Request == request && r.Log == log && r.Type == typ
		})
		if i < 0 {
			t.Fatalf("no row %s %s %s %d", mode, request, log, typ)
		}
		return rels[i]
	}
	start := find("otel-start", "flaky", "edge", 4)
	if !slices.Equal(start.Traceparent, []Role{RoleParent, RoleCaller}) || start.Tracestate != nil || start.HasUpstream || start.B3 != nil {
		t.Errorf("%+v", start)
	}
	end := find("otel-start", "flaky", "edge", 6)
	if !slices.Equal(end.Traceparent, []Role{RoleChild}) || end.Tracestate == nil || *end.Tracestate != "" || !end.HasUpstream ||
		end.Attempts != 3 || end.Code != 200 || end.Flags != "01" || end.SpanKind != "SERVER" || end.SpanParent != "caller" || end.ProxySpans != 1 {
		t.Errorf("%+v", end)
	}
	if state := find("otel", "state", "edge", 6).Tracestate; state == nil || *state != "vendor=a1,other@x=b2" {
		t.Errorf("tracestate %v", state)
	}
}
