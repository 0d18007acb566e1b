package filter

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/wire"
)

func integer(key string, n int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}}
}

// madeSpan is one that is made from an entry.
func madeSpan() *tracepb.Span {
	return &tracepb.Span{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "GET", Kind: tracepb.Span_SPAN_KIND_SERVER, Attributes: []*commonpb.KeyValue{
		textAttribute("http.request.method", "GET"), integer("http.response.status_code", 503), textAttribute("url.scheme", "https"), textAttribute("url.path", "/a"), textAttribute("url.query", "b=c"),
		textAttribute("server.address", "grafana.example.com"), integer("server.port", 8443), textAttribute("network.protocol.version", "2"),
		textAttribute("user_agent.original", "kube-probe/1.33"), integer("http.response.body.size", 12), textAttribute("envoy.upstream_cluster", "grafana/web/80"),
		textAttribute("envoy.response_flags", "UH"), textAttribute("network.peer.address", "10.0.0.1"), integer("network.peer.port", 4711)}}
}

func headOf(t testing.TB, kvs ...*commonpb.KeyValue) (head []byte) {
	var r []byte
	for _, kv := range kvs {
		r = wire.AppendBytes(r, 1, encoded(t, kv))
	}
	return wire.AppendBytes(nil, 1, r)
}

func mustNew(t testing.TB, o Options) *Filter {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Each condition is worked out in the way that is said, and matches or not.
func TestConditions(t *testing.T) {
	head := headOf(t, textAttribute("service.name", "edge"), textAttribute("k8s.namespace.name", "apps"))
	scope := wire.AppendBytes(nil, 1, wire.AppendBytes(wire.AppendBytes(nil, 1, "envoy"), 2, "1.39"))
	span := envoySpan()
	span.Attributes = append(span.Attributes, integer("n", 7), &commonpb.KeyValue{Key: "yes", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}},
		&commonpb.KeyValue{Key: "list", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{{Value: &commonpb.AnyValue_StringValue{StringValue: "x"}}}}}}},
		textAttribute("component", "again"))
	span.Events = []*tracepb.Span_Event{{Name: "e"}}
	span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "broken"}
	bytes := encoded(t, span)
	for _, c := range []struct {
		text string
		way  Way
		is   bool
	}{
		{`name == "ingress"`, Quick, true},
		{`"ingress" == span.name`, Quick, true},
		{`name != "ingress"`, Quick, false},
		{`kind == SPAN_KIND_SERVER`, Quick, true},
		{`kind == 2 and status.code == STATUS_CODE_ERROR`, Quick, true},
		{`not (kind == SPAN_KIND_CLIENT)`, Quick, true},
		{`kind == SPAN_KIND_CLIENT or name == "x" or attributes["n"] == 7`, Quick, true},
		{`kind == SPAN_KIND_SERVER and (name == "x" or attributes["n"] > 6.5)`, Quick, true},
		{`attributes["n"] < 7`, Quick, false},
		{`7 <= attributes["n"]`, Quick, true},
		{`attributes["n"] == -7`, Quick, false},
		{`attributes["n"] == "7"`, Quick, false},
		{`attributes["yes"] == true`, Quick, true},
		{`attributes["none"] == nil`, Quick, true},
		{`attributes["none"] != "x"`, Quick, true},
		{`attributes["component"] == "proxy"`, Quick, true}, // the first of two
		{`attributes["list"] != nil`, Quick, true},
		{`IsMatch(attributes["list"], "x")`, Quick, true},
		{`IsMatch(attributes["n"], "^7$")`, Quick, true},
		{`IsMatch(attributes["none"], ".*")`, Quick, false},
		{`IsMatch(name, "^in")`, Quick, true},
		{`IsMatch(attributes["http.url"], "https://shop.*") == true`, Quick, true},
		{`IsMatch(attributes["http.url"], "https://shop.*") == false`, Quick, false},
		{`resource.attributes["service.name"] == "edge"`, Quick, true},
		{`resource.attributes["service.name"] == "edge" and attributes["http.method"] == "POST"`, Quick, false},
		{`IsMatch(resource.attributes["k8s.namespace.name"], "^(apps|web)$")`, Quick, true},
		{`IsRootSpan()`, Lazy, false},
		{`(end_time - start_time) < Duration("1s")`, Lazy, true},
		{`HasPrefix(attributes["http.url"], "https")`, Lazy, true},
		{`kind.string == "Server"`, Lazy, true},
		{`status.message == "broken"`, Lazy, true},
		{`trace_id.string == "30313233343536373839616263646566"`, Lazy, true},
		{`span_id == SpanID(0x3031323334353637)`, Lazy, true},
		{`instrumentation_scope.name == "envoy" and scope.version == "1.39"`, Lazy, true},
		{`Len(attributes["http.method"]) == 3`, Lazy, true},
		{`start_time_unix_nano == 1700000000000000000 and dropped_attributes_count == 0`, Lazy, true},
		{`attributes["list"][0] == "x"`, Decoded, true},
		{`Len(events) == 1`, Decoded, true},
		{`Len(attributes) == 22`, Decoded, true},
		{`trace_state["a"] == ""`, Decoded, true},
	} {
		for _, o := range []Options{{Span: named(c.text)}, {Groups: []Group{{Context: "span", Conditions: named(c.text)}}}} {
			f, err := New(o)
			if err != nil {
				t.Error(err)
				continue
			}
			if got := f.Rules()[0].Way; got != c.way {
				t.Errorf("%s is worked out by %s, want %s", c.text, got, c.way)
			}
			want := Keep
			if c.is {
				want = Drop
			}
			if got := f.Evaluator().Look(bytes, head, scope, false); got != want {
				t.Errorf("%s: %d, want %d", c.text, got, want)
			}
		}
	}
}

// A span that is made from an entry has the names that Envoy's tracers and older conventions give its attributes.
func TestOtherNames(t *testing.T) {
	span := encoded(t, madeSpan())
	for key, want := range map[string]string{
		"upstream_cluster": "grafana/web/80", "http.url": "https://grafana.example.com:8443/a?b=c", "url.full": "https://grafana.example.com:8443/a?b=c", "user_agent": "kube-probe/1.33",
		"http.user_agent": "kube-probe/1.33", "http.method": "GET", "http.status_code": "503", "http.protocol": "HTTP/2", "http.target": "/a?b=c", "http.host": "grafana.example.com:8443",
		"http.path": "/a", "response_flags": "UH", "response_size": "12", "peer.address": "10.0.0.1", "component": "proxy", "net.host.name": "grafana.example.com",
	} {
		for _, condition := range []string{`attributes["` + key + `"] == "` + want + `"`, `ToLowerCase(attributes["` + key + `"]) == "` + strings.ToLower(want) + `"`,
			`attributes["` + key + `"] == "` + want + `" and Len(events) == 0`} {
			e := mustNew(t, Options{Span: named(condition)}).Evaluator()
			if e.Look(span, nil, nil, true) != Drop {
				t.Errorf("%s does not match", condition)
			}
			if e.Look(span, nil, nil, false) != Keep {
				t.Errorf("%s matches a span that was not made from an entry", condition)
			}
		}
	}
	joined := encoded(t, envoySpan())
	for _, condition := range []string{`attributes["user_agent.original"] == "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`, `attributes["http.response.status_code"] == 200`,
		`attributes["url.full"] == "https://shop.example.com/api/v1/products?page=2"`, `attributes["http.request.method"] == "GET"`} {
		if mustNew(t, Options{Span: named(condition)}).Evaluator().Look(joined, nil, nil, true) != Drop {
			t.Errorf("%s does not match Envoy's span with an entry", condition)
		}
	}
	// An attribute of that very name counts, and there may be nothing to make one of.
	own := madeSpan()
	own.Attributes = append(own.Attributes, textAttribute("http.url", "own"))
	if mustNew(t, Options{Span: named(`attributes["http.url"] == "own"`)}).Evaluator().Look(encoded(t, own), nil, nil, true) != Drop {
		t.Error("the span's own attribute is not taken")
	}
	if mustNew(t, Options{Span: named(`attributes["http.url"] == nil and attributes["user_agent"] == nil and attributes["response_flags"] == "-"`)}).Evaluator().Look(nil, nil, nil, true) != Drop {
		t.Error("there is something of nothing")
	}
}

func TestResourceAndScope(t *testing.T) {
	f := mustNew(t, Options{Resource: named(`attributes["service.name"] == "noisy"`), Groups: []Group{{Conditions: named(`resource.attributes["team"] == "x"`, `scope.name == "lib"`)}}})
	for _, r := range f.Rules() {
		if r.Way != PerResource {
			t.Errorf("%s is worked out by %s", r.Text, r.Way)
		}
	}
	e, span := f.Evaluator(), encoded(t, envoySpan())
	noisy, team, other := headOf(t, textAttribute("service.name", "noisy")), headOf(t, textAttribute("team", "x")), headOf(t, textAttribute("team", "y"))
	lib := wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, "lib"))
	for _, c := range []struct {
		head, scope []byte
		want        Verdict
	}{{noisy, nil, Drop}, {team, nil, Drop}, {other, nil, Keep}, {other, lib, Drop}, {nil, nil, Keep}, {noisy, lib, Drop}, {other, nil, Keep}} {
		if got := e.Look(span, c.head, c.scope, false); got != c.want {
			t.Errorf("%q %q: %d, want %d", c.head, c.scope, got, c.want)
		}
	}
	if a, b, c := f.Rules()[0].Hits.Load(), f.Rules()[1].Hits.Load(), f.Rules()[2].Hits.Load(); a != 2 || b != 1 || c != 1 {
		t.Errorf("hits %d, %d, %d", a, b, c)
	}
}

func TestErrors(t *testing.T) {
	var said bytes.Buffer
	fails := named(`HasPrefix(attributes["none"], "x") or name == "ingress"`, `name == "ingress"`)
	span := encoded(t, envoySpan())
	if e := mustNew(t, Options{ErrorMode: "propagate", SpanEvent: named(`HasPrefix(attributes["none"], "x")`)}).Evaluator(); e.Look(append(span, encoded(t, &tracepb.Span{Events: []*tracepb.Span_Event{{}}})...), nil, nil, false) != Failed {
		t.Error("a failure on an event is not propagated")
	}
	for mode, want := range map[string]Verdict{"": Drop, "ignore": Drop, "silent": Drop, "propagate": Failed} {
		said.Reset()
		f := mustNew(t, Options{ErrorMode: mode, Span: fails, Log: slog.New(slog.NewTextHandler(&said, nil))})
		e := f.Evaluator()
		for range 3 {
			if got := e.Look(span, nil, nil, false); got != want {
				t.Errorf("%s: %d, want %d", mode, got, want)
			}
		}
		if n := f.Rules()[0].Errors.Load(); n != 3 {
			t.Errorf("%s: %d errors", mode, n)
		}
		if n := strings.Count(said.String(), "condition failed"); n != 1 && mode != "silent" || n != 0 && mode == "silent" {
			t.Errorf("%s: logged %d times: %s", mode, n, said.String())
		}
	}
	for _, bad := range []string{`nam == "x"`, `Foo(name)`, `name = "x"`, `name == 'x'`, `name == "x" OR kind == 1`, `name == "x" && true`, `IsMatch(name, "(?=x)")`, `name`, `kind == SPAN_KIND_X`, `not not true`,
		`set(name, "x")`, `otelcol.client.addr == "x"`, ``} {
		_, err := New(Options{Span: []Condition{{"filter.traces.span[3]", bad}}})
		var c *ConditionError
		if !errors.As(err, &c) || c.Name != "filter.traces.span[3]" {
			t.Errorf("%s: got error %v", bad, err)
		}
	}
	if _, err := New(Options{Groups: []Group{{Conditions: named(`name == "x"`)}}}); err == nil {
		t.Error("a path without a prefix is taken")
	}
}

// A number that is compared with a text is told once.
func TestNumberAgainstText(t *testing.T) {
	for condition, want := range map[string]int{
		`attributes["http.status_code"] >= 500`:                                   1,
		`500 <= attributes["http.status_code"]`:                                   1,
		`attributes["http.status_code"] >= 500 and IsRootSpan()`:                  1,
		`(IsRootSpan() or kind == 2) and attributes["http.status_code"] == 200.5`: 1,
		`attributes["http.status_code"] == "200" and IsRootSpan()`:                0,
		`attributes["n"] >= 500`:                                                  0,
	} {
		var said bytes.Buffer
		f := mustNew(t, Options{Span: named(condition), Log: slog.New(slog.NewTextHandler(&said, nil))})
		e := f.Evaluator()
		for range 3 {
			e.Look(encoded(t, envoySpan()), nil, nil, false)
		}
		if n := strings.Count(said.String(), "attribute=http.status_code"); n != want {
			t.Errorf("%s: told %d times: %s", condition, n, said.String())
		}
	}
}

func TestDropTrace(t *testing.T) {
	traces := NewTraces(1000, time.Minute)
	f := mustNew(t, Options{DropTrace: named(`span.attributes["http.method"] == "GET"`), Span: named(`attributes["http.method"] != nil`), Traces: traces})
	e, other := f.Evaluator(), f.Evaluator()
	child := &tracepb.Span{TraceId: envoySpan().TraceId, SpanId: []byte("abcdefgh")}
	elsewhere := &tracepb.Span{TraceId: []byte("fedcba9876543210"), SpanId: []byte("abcdefgh")}
	for _, c := range []struct {
		span *tracepb.Span
		want Verdict
	}{{child, Keep}, {envoySpan(), DropAll}, {child, DropAll}, {elsewhere, Keep}} {
		if got := e.Look(encoded(t, c.span), nil, nil, false); got != c.want {
			t.Errorf("%s: %d, want %d", c.span.SpanId, got, c.want)
		}
	}
	if got := other.Look(encoded(t, child), nil, nil, false); got != DropAll {
		t.Errorf("another goroutine: %d", got)
	}
	if f.Rules()[0].Hits.Load() != 1 || f.Rules()[1].Hits.Load() != 0 {
		t.Error("the hits are wrong")
	}
}

// A condition on the resource drops traces, too.
func TestDropTraceByItsResource(t *testing.T) {
	e := mustNew(t, Options{DropTrace: named(`resource.attributes["team"] == "x"`), Traces: NewTraces(1000, time.Minute)}).Evaluator()
	span, x, y := encoded(t, envoySpan()), headOf(t, textAttribute("team", "x")), headOf(t, textAttribute("team", "y"))
	for i, c := range []struct {
		head []byte
		want Verdict
	}{{y, Keep}, {x, DropAll}, {y, DropAll}} {
		if got := e.Look(span, c.head, nil, false); got != c.want {
			t.Errorf("span %d: %d, want %d", i, got, c.want)
		}
	}
}

// A span that goes because of its resource takes its trace along all the same.
func TestDropTraceOfADroppedResource(t *testing.T) {
	f := mustNew(t, Options{DropTrace: named(`span.name == "ingress"`), Resource: named(`attributes["team"] == "x"`), Traces: NewTraces(1000, time.Minute)})
	e, span, x := f.Evaluator(), encoded(t, envoySpan()), headOf(t, textAttribute("team", "x"))
	child := encoded(t, &tracepb.Span{TraceId: envoySpan().TraceId, Name: "app"})
	for i, c := range []struct {
		span, head []byte
		want       Verdict
	}{{child, x, Drop}, {child, nil, Keep}, {span, x, DropAll}, {child, nil, DropAll}} {
		if got := e.Look(c.span, c.head, nil, false); got != c.want {
			t.Errorf("span %d: %d, want %d", i, got, c.want)
		}
	}
}

func TestTracesAreForgotten(t *testing.T) { synctest.Test(t, testTracesAreForgotten) }

func testTracesAreForgotten(t *testing.T) {
	traces := NewTraces(32, 20*time.Second)
	id := []byte("0123456789abcdef")
	if traces.Has(id) {
		t.Error("a trace is there before it was dropped")
	}
	traces.Add(id)
	if !traces.Has(id) || traces.Has(nil) {
		t.Error("a trace is not there")
	}
	for i := range 1000 {
		traces.Add([]byte{0: byte(i), 1: byte(i >> 8), 14: 1, 15: 'f'})
	}
	if traces.Has(id) || traces.Len() > 32 {
		t.Errorf("%d traces are remembered", traces.Len())
	}
	traces.Add(id)
	time.Sleep(30 * time.Second)
	if traces.Has(id) {
		t.Error("a trace is remembered for too long")
	}
}

// What is counted by the filter before is not lost, even if some still go by it.
func TestInherit(t *testing.T) {
	span := encoded(t, envoySpan())
	old := mustNew(t, Options{Span: named(`name == "other"`, `name == "ingress"`)})
	was := old.Evaluator()
	was.Look(span, nil, nil, false)
	f := mustNew(t, Options{Span: named(`name == "ingress"`, `name == "ingress"`, `name == "new"`)})
	f.Inherit(old)
	was.Look(span, nil, nil, false)
	f.Evaluator().Look(span, nil, nil, false)
	for i, want := range []int64{3, 0, 0} {
		if got := f.Rules()[i].Hits.Load(); got != want {
			t.Errorf("rule %d has %d hits, want %d", i, got, want)
		}
	}
}

func TestEvents(t *testing.T) {
	span := envoySpan()
	for _, name := range []string{"a", "b", "a", "c"} {
		span.Events = append(span.Events, &tracepb.Span_Event{Name: name})
	}
	f := mustNew(t, Options{SpanEvent: named(`name == "a"`), Groups: []Group{{Conditions: named(`spanevent.name == "c" and span.name == "ingress"`)}}})
	e := f.Evaluator()
	b := encoded(t, span)
	if e.Look(b, nil, nil, false) != Keep {
		t.Fatal("the span is dropped")
	}
	fewer, ok := e.Events()
	span.Events = span.Events[1:2]
	if !ok || !bytes.Equal(fewer, encoded(t, span)) {
		t.Errorf("%t: %x, want %x", ok, fewer, encoded(t, span))
	}
	if e.Look(fewer, nil, nil, false); f.Rules()[0].Hits.Load() != 2 || f.Rules()[1].Hits.Load() != 1 {
		t.Error("the hits are wrong")
	}
	if _, ok := e.Events(); ok {
		t.Error("there is nothing more to drop")
	}
}

// A span with a known field of another type goes out as it came: its events cannot be looked at.
func TestEventsOfSpansThatCannotBeDecoded(t *testing.T) {
	span := wire.AppendUint(wire.AppendBytes(nil, 11, wire.AppendBytes(nil, 2, "a")), 7, 1)
	for mode, want := range map[string]Verdict{"ignore": Keep, "propagate": Failed} {
		f := mustNew(t, Options{ErrorMode: mode, SpanEvent: named(`name == "a"`)})
		e := f.Evaluator()
		if got := e.Look(span, nil, nil, false); got != want {
			t.Errorf("%s: %d, want %d", mode, got, want)
		}
		if _, fewer := e.Events(); fewer || f.Rules()[0].Errors.Load() != 1 {
			t.Errorf("%s: events are gone: %t; %d errors", mode, fewer, f.Rules()[0].Errors.Load())
		}
	}
}

func TestPresets(t *testing.T) {
	e := mustNew(t, Options{Presets: []string{"probes", "health_paths"}}).Evaluator()
	for _, c := range []struct {
		key, value string
		want       Verdict
	}{
		{"user_agent.original", "kube-probe/1.33", Drop}, {"user_agent", "kube-probe/1.27+", Drop}, {"http.user_agent", "Knative-Ingress-Probe", Drop}, {"user_agent", "GoogleHC/1.0", Drop},
		{"user_agent", "ELB-HealthChecker/2.0", Drop}, {"user_agent", "Envoy/HC", Drop}, {"user_agent", "curl/8 kube-probe/1", Keep}, {"user_agent", "Mozilla/5.0", Keep},
		{"url.path", "/livez", Drop}, {"http.url", "http://10.0.0.1:8080/healthz", Drop}, {"http.route", "/readyz", Drop}, {"url.path", "/livez/x", Keep}, {"http.url", "http://x/a/healthz", Keep},
	} {
		span := &tracepb.Span{Attributes: []*commonpb.KeyValue{textAttribute(c.key, c.value)}}
		if got := e.Look(encoded(t, span), nil, nil, false); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.key, c.value, got, c.want)
		}
	}
}

func TestLookAllocatesNothing(t *testing.T) {
	for _, made := range []bool{false, true} {
		e := mustNew(t, Options{Span: named(userConditions...), Presets: []string{"probes", "health_paths"}}).Evaluator()
		head, span := headOf(t, textAttribute("service.name", "edge")), encoded(t, envoySpan())
		if n := testing.AllocsPerRun(100, func() { e.Look(span, head, nil, made) }); n > 0 {
			t.Errorf("%v allocations, made from an entry: %t", n, made)
		}
	}
}
