package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// check compares a span that the agent made with Envoy's own account of the same pass: everything that is not in the
// wants because it holds for every request.
func (v *view) check(t *testing.T, s *span) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s %s: %s", v.Name, v.labels[s], fmt.Sprintf(format, args...))
	}
	if s.origin() != made {
		v.checkOwn(t, s, fail)
	} else if remote := s.Flags>>8 == 3; len(s.ParentSpanId) > 0 && remote != s.ofRequest() {
		// The parent of a span of a request came in a header; that of any other is a span of ours.
		fail("flags %#x are wrong about the parent being remote", s.Flags)
	}
	if s.origin() == sent {
		return
	}
	r, ok := v.recordOf(s)
	if !ok {
		fail("Envoy logged no such pass")
		return
	}
	form := v.formOf(s.Service, v.logOf(s))
	r = r.as(form)
	compare := func(what string, want, got any) {
		t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" {
			fail("%s (-Envoy's words +span):\n%s", what, diff)
		}
	}
	want := wantedAttributes(r, form)
	switch {
	case r.Type == "UpstreamEnd" && s.ofRequest(): // of an attempt whose CLIENT span has left
		if start := int64(s.StartTimeUnixNano); start != r.startNano() {
			fail("it starts at %d, Envoy says %d", start, r.startNano())
		}
		return
	case !s.ofRequest():
		if s.origin() == made && r.Type == "DownstreamEnd" {
			v.checkClient(s, r, fail)
		}
		want = wantedClientAttributes(r)
	case s.origin() == made:
		v.checkServer(s, r, form, fail)
		compare("events", wantedEvents(r, s.EndTimeUnixNano), events(s))
	default:
		wantEvents, gotEvents := inMicros(wantedEvents(r, uint64(r.startNano()+r.Length))), inMicros(events(s))
		if r.Length == 0 || form != formALS {
			delete(wantEvents, completeEvent)
		}
		maps.DeleteFunc(gotEvents, func(name string, _ int64) bool { _, ok := wantEvents[name]; return !ok }) // Zipkin's annotations
		compare("events", wantEvents, gotEvents)
	}
	if s.ofRequest() && s.Kind == trace.Span_SPAN_KIND_CLIENT {
		outboundAttributes(want, r)
	}
	got := map[string]string{}
	for key := range want {
		got[key] = s.text(key)
	}
	compare("attributes", want, got)
	for name, at := range events(s) { // a tracer's are in microseconds
		if at < int64(s.StartTimeUnixNano)/1000*1000 {
			fail("event %s is at %d, before its start %d", name, at, s.StartTimeUnixNano)
		}
	}
}

// checkServer compares the times of a SERVER span, and with Envoy's own span of the same pass.
func (v *view) checkServer(s *span, r record, form string, fail func(format string, args ...any)) {
	start, end := int64(s.StartTimeUnixNano), int64(s.EndTimeUnixNano)
	if start != r.startNano() {
		fail("it starts at %d, Envoy says %d", start, r.startNano())
	}
	if (end-start)/1e6 != r.Duration || end-start != r.Length && utf8.ValidString(v.Header) {
		fail("it lasts %d ns, Envoy says %d ns and %d ms", end-start, r.Length, r.Duration)
	}
	for _, own := range v.passes {
		if own.Hop != r.Hop || r.SpanID != "" && own.ID != r.SpanID || own.Code != r.Code {
			continue
		}
		// Envoy's tracers read the clock once more at the end, usually 10 us later, but not on a busy machine, and Zipkin counts in microseconds.
		if off := time.Duration(own.End - end).Abs(); own.Start/unit(form)*unit(form) != start && own.Start != start/1000*1000 || off > 500*time.Millisecond {
			fail("it is %d..%d, Envoy's own span is %d..%d", start, end, own.Start, own.End)
		}
		if s.id() == own.ID && (s.trace() != own.Trace || kindName(s.Kind) != own.Kind) {
			fail("%s of trace %s has the id of Envoy's %s of trace %s", kindName(s.Kind), s.trace(), own.Kind, own.Trace)
		}
		if s.id() == own.ID && len(s.ParentSpanId) > 0 && s.parent() != own.Parent {
			fail("it has the id of Envoy's span, but parent %s instead of %s", s.parent(), own.Parent)
		}
		for name, at := range own.Events { // from 1.38, in microseconds
			if form != formALS {
				break
			}
			if got := events(s)[name]; got/1000*1000 != at && name != "ss" && name != "cr" { // Zipkin's end
				fail("event %s is at %d, Envoy's own at %d", name, got, at)
			}
		}
	}
}

// checkClient compares the times of a CLIENT span: from the first byte sent upstream to the last one received.
func (v *view) checkClient(s *span, r record, fail func(format string, args ...any)) {
	start, end := r.startNano(), int64(s.EndTimeUnixNano)
	sent, received := r.Times["us_tx_beg"], r.Times["us_rx_end"]
	if sent != nil {
		start += *sent
	}
	if received != nil {
		end = r.startNano() + *received
	}
	if int64(s.StartTimeUnixNano) != start || int64(s.EndTimeUnixNano) != end {
		fail("it is %d..%d, Envoy says %d..%d", s.StartTimeUnixNano, s.EndTimeUnixNano, start, end)
	}
	for _, own := range v.children {
		const slack = int64(time.Millisecond)
		if own.ID == s.id() && own.Trace == s.trace() && sent != nil && received != nil && (start < own.Start-slack || end > own.End+slack) {
			fail("it is %d..%d, outside of Envoy's own span %d..%d", start, end, own.Start, own.End)
		}
	}
	for _, p := range v.made {
		if p.id() == s.parent() && (s.StartTimeUnixNano < p.StartTimeUnixNano || s.EndTimeUnixNano > p.EndTimeUnixNano) {
			fail("it is not within its parent %d..%d", p.StartTimeUnixNano, p.EndTimeUnixNano)
		}
	}
}

// recordOf gives Envoy's record of what a span is about: the pass with its code on its hop, or the attempt that began with it.
func (v *view) recordOf(s *span) (record, bool) {
	if r, ok := v.attemptOf(s); ok && s.Kind == trace.Span_SPAN_KIND_INTERNAL && r.startNano() == int64(s.StartTimeUnixNano) {
		return r, true
	}
	if !s.ofRequest() {
		if r, ok := v.attemptOf(s); ok {
			return r, true
		}
		for _, p := range v.made {
			if p.id() == s.parent() {
				return v.recordOf(p)
			}
		}
	}
	if r, ok := v.passOf(s.Service, s.code()); ok {
		return r, true
	}
	return v.attemptOf(s)
}

// logOf gives the log name of the entry of which s has its detail: a CLIENT is made of the same one as the span above it.
func (v *view) logOf(s *span) string {
	if name := s.text("envoy.log_name"); name != "" || s.ofRequest() {
		return name
	}
	for _, p := range v.made {
		if p.id() == s.parent() && p.ofRequest() {
			return v.logOf(p)
		}
	}
	return ""
}

// attemptOf gives the record of the attempt that began when s did. Envoy's own span of one begins a moment earlier.
func (v *view) attemptOf(s *span) (best record, ok bool) {
	away := func(r record) int64 {
		return max(r.startNano()-int64(s.StartTimeUnixNano), int64(s.StartTimeUnixNano)-r.startNano())
	}
	cluster := cmp.Or(s.text("upstream_cluster.name"), s.text("envoy.upstream_cluster"))
	for _, r := range v.tries {
		if near := away(r) < int64(5*time.Millisecond); r.Hop == s.Service && r.Cluster == cluster && near && (!ok || away(r) < away(best)) {
			best, ok = r, true
		}
	}
	return best, ok
}

// checkAll holds for all spans of a case together, whoever reported them. Where span ids are shared, a caller who does not
// report to the agent has the same id as Envoy's span.
func checkAll(t *testing.T, all []*span, c *testCase) {
	t.Helper()
	parents, copies := map[string]string{}, map[string]int{}
	for _, s := range all {
		if len(s.TraceId) != 16 || len(s.SpanId) != 8 || allZero(s.TraceId) || allZero(s.SpanId) {
			t.Errorf("invalid ids: trace %x, span %x", s.TraceId, s.SpanId)
		}
		if len(s.ParentSpanId) != 0 && len(s.ParentSpanId) != 8 || s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano == 0 {
			t.Errorf("invalid span: %v", s.Span)
		}
		key := s.trace() + s.id()
		if elsewhere := c.Envoy.Shared && !c.Envoy.Callers; elsewhere && s.Service == "caller" {
			continue
		}
		copies[key]++
		parents[key] = s.trace() + s.parent()
		seen := map[string]bool{}
		for _, a := range s.Attributes {
			if seen[a.Key] {
				t.Errorf("attribute %s twice in one span", a.Key)
			}
			seen[a.Key] = true
		}
	}
	for _, s := range all {
		if got := copies[s.trace()+s.id()]; got > 1 {
			t.Errorf("trace %s has span %s %d times", s.trace(), s.id(), got)
		}
	}
	for key := range parents {
		at, steps := key, 0
		for ; parents[at] != "" && steps <= len(parents); steps++ {
			at = parents[at]
		}
		if steps > len(parents) {
			t.Errorf("span %s is its own ancestor", key)
		}
	}
}

func allZero(b []byte) bool { return strings.Trim(string(b), "\x00") == "" }

// checkJaeger asks Jaeger for every trace of a case: it must have what passed the relay, no more and no less.
func (l *lab) checkJaeger(t *testing.T, all []*span) {
	t.Helper()
	traces := map[string][]string{}
	for _, s := range all {
		traces[s.trace()] = append(traces[s.trace()], s.id()+" < "+s.parent())
	}
	for _, id := range slices.Sorted(maps.Keys(traces)) {
		slices.Sort(traces[id])
		eventually(t, 5*time.Second, func() error {
			got, err := l.jaeger.spans(id)
			if err != nil {
				return err
			}
			if diff := gocmp.Diff(traces[id], got); diff != "" {
				return fmt.Errorf("Jaeger shows another trace %s (-sent +shown):\n%s", id, diff)
			}
			return nil
		})
	}
}
