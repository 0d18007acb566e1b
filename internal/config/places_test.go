package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func parse(t *testing.T, file string) *Config {
	t.Helper()
	c, err := Parse("x", []byte(file), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlaces(t *testing.T) {
	c := parse(t, `filter:
  traces:
    span:
      - one
      - >-
        two
      # a comment
      - three
  drop_trace: {conditions: [four]}
attributes:
  actions:

    - key: a
      action: delete
    - action: upsert
      value: [x, 1]
      key: b
redaction:
  blocked_values: [five]
`)
	want := Default()
	want.File = "x"
	want.Filter.Traces.Span = []Text{{"one", "filter.traces.span[0]", 4}, {"two", "filter.traces.span[1]", 5}, {"three", "filter.traces.span[2]", 8}}
	want.Filter.DropTrace.Conditions = []Text{{"four", "filter.drop_trace.conditions[0]", 9}}
	want.Attributes.Actions = []Action{
		{Key: "a", Action: "delete", Path: "attributes.actions[0]", Line: 13},
		{Key: "b", Action: "upsert", Value: []any{"x", int64(1)}, Path: "attributes.actions[1]", Line: 15},
	}
	want.Redaction.BlockedValues = []Text{{"five", "redaction.blocked_values[0]", 19}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPlacesOfTraceConditions(t *testing.T) {
	list := parse(t, "filter:\n  trace_conditions:\n    - one\n    - two\n").Filter.TraceConditions
	want := []Conditions{{Conditions: []Text{{"one", "filter.trace_conditions[0]", 3}, {"two", "filter.trace_conditions[1]", 4}}}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("a list of conditions (-want +got)\n%s", diff)
	}
	list = parse(t, "filter:\n  trace_conditions:\n    - context: Scope\n      conditions:\n        - one\n    - conditions: [two]\n      error_mode: SILENT\n").Filter.TraceConditions
	want = []Conditions{
		{Context: "scope", Conditions: []Text{{"one", "filter.trace_conditions[0].conditions[0]", 5}}},
		{Conditions: []Text{{"two", "filter.trace_conditions[1].conditions[0]", 6}}, ErrorMode: "silent"},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("a list of groups (-want +got)\n%s", diff)
	}
}

func TestTooMuch(t *testing.T) {
	check := func(file, want string) {
		t.Helper()
		_, err := Parse("x", []byte(file), noEnv)
		if got := strings.TrimPrefix(fmt.Sprint(err), "cannot read configuration x: "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	long := strings.Repeat("x", 4097)
	check("filter: {traces: {span: ["+long[1:]+"]}}", "<nil>")
	check("filter: {traces: {span: ["+long+"]}}", "line 1: filter.traces.span[0]: it has 4097B, more than 4KiB")
	check("attributes: {actions: [{action: delete, pattern: "+long[1:]+"}]}", "<nil>")
	check("attributes: {actions: [{action: delete, pattern: "+long+"}]}", "line 1: attributes.actions[0].pattern: it has 4097B, more than 4KiB")
	check("redaction: {blocked_values: ["+long+"]}", "line 1: redaction.blocked_values[0]: it has 4097B, more than 4KiB")

	many := "filter:\n  drop_trace: {conditions: [x]}\n  trace_conditions:\n" + strings.Repeat("    - x\n", 999)
	check(many, "<nil>")
	check(many+"    - x\n", "line 2: filter.drop_trace.conditions[0]: there are 1001 conditions in all, more than 1000")
	check(strings.Repeat("\n", 5)+many[:strings.Index(many, "  trace")]+"  traces:\n    span:\n"+strings.Repeat("    - x\n", 1001),
		"line 1010: filter.traces.span[1000]: there are 1002 conditions in all, more than 1000")
}

// The values are those that a collector of version 0.155.0 reads.
func TestTyped(t *testing.T) {
	for text, want := range map[string]any{
		"": nil, "~": nil, "null": nil, "Null": nil, "NULL": nil, "nULL": "nULL",
		"true": true, "True": true, "TRUE": true, "tRue": "tRue", "false": false, "False": false, "FALSE": false,
		"yes": "yes", "on": "on", "y": "y",
		"5": int64(5), "-5": int64(-5), "+5": int64(5), "0": int64(0), "-0": int64(0), "00": int64(0),
		"017": int64(15), "0o17": int64(15), "-017": int64(-15), "0x1F": int64(31), "-0x1f": int64(-31), "0b101": int64(5), "0x_ff": int64(255),
		"1_000": int64(1000), "1__0": int64(10), "1_": int64(1), "_1": "_1", "12_abc": "12_abc", "1,000": "1,000",
		"9223372036854775807": int64(math.MaxInt64), "-9223372036854775808": int64(math.MinInt64),
		"-9223372036854775809": -9223372036854775809.0, "123456789012345678901234567890": 123456789012345678901234567890.0,
		"1e3": 1000.0, "1E3": 1000.0, "1e06": 1e6, "1.": 1.0, ".5": 0.5, "+.5": 0.5, "-.5e-3": -0.0005, "08": 8.0, "-08": -8.0, "1_0.5_0": 10.5,
		"1e400": "1e400", "0x1p-2": "0x1p-2", "0xg": "0xg", "0b2": "0b2",
		".": ".", "-": "-", "+": "+", "--5": "--5", "1.2.3": "1.2.3", "1:30": "1:30", "5a": "5a", "$5": "$5",
		".inf": math.Inf(1), "+.Inf": math.Inf(1), "-.INF": math.Inf(-1), ".nan": math.NaN(), ".NaN": math.NaN(), "nan": "nan", "inf": "inf", "Infinity": "Infinity",
		// A collector refuses to start with a date.
		"2024-01-01": "2024-01-01", "2024-01-01 12:00:00": "2024-01-01 12:00:00",
	} {
		got, err := typed(text)
		if !cmp.Equal(got, want, cmpopts.EquateNaNs()) || err != nil {
			t.Errorf("%s: got %T %v, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"9223372036854775808", "18446744073709551615", "0xffffffffffffffff"} {
		if got, err := typed(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func TestProblems(t *testing.T) {
	c := parse(t, "filter:\n  traces:\n    span: [one, two]\n    resource:\n      - three\nattributes:\n  actions:\n    - {key: a, action: delete}\n")
	cause := errors.New("unknown path")
	err := Problems("alspan.yaml",
		c.Attributes.Actions[0].Problem(errors.New("no")),
		c.Filter.Traces.Resource[0].Problem(cause),
		c.Filter.Traces.Span[1].Problem(cause),
		c.Filter.Traces.Span[0].Problem(cause),
		Text{Value: "preset", Path: "filter.presets"}.Problem(errors.New("no room")))
	want := `cannot read configuration alspan.yaml: filter.presets: no room
cannot read configuration alspan.yaml: line 3: filter.traces.span[1]: unknown path
cannot read configuration alspan.yaml: line 3: filter.traces.span[0]: unknown path
cannot read configuration alspan.yaml: line 5: filter.traces.resource[0]: unknown path
cannot read configuration alspan.yaml: line 8: attributes.actions[0]: no`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" || !errors.Is(err, cause) {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := Problems("", Problem{Path: "log.level", Err: cause}); err == nil || err.Error() != "cannot read configuration: log.level: unknown path" {
		t.Errorf("got %v", err)
	}
	if err := Problems("alspan.yaml"); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestChanged(t *testing.T) {
	check := func(before, after string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, Changed(parse(t, before), parse(t, after)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q, %q (-want +got)\n%s", before, after, diff)
		}
	}
	check("", "")
	check("log: {level: info}", "", nil...)
	check("log: {level: debug}\nfilter: {error_mode: silent, presets: [probes]}\nreceive: {limits: {streams: 9}}", "spans: {events: false}",
		"receive.limits.streams", "spans.events", "filter.error_mode", "filter.presets", "log.level")
	check("export: {headers: {a: b, c: d}, timeout: 60s}", "export: {headers: {c: d, a: b}, timeout: 1m}")
	check("export: {headers: {a: b}}", "export: {headers: {a: c}}", "export.headers")
	check("filter: {traces: {span: [x, y]}}", "filter:\n  traces:\n    span:\n    - x # moved\n    - y\n")
	check("filter: {traces: {span: [x, y]}}", "filter: {traces: {span: [y, x]}}", "filter.traces.span")
	check("filter: {traces: {span: [x]}}", "filter: {trace_conditions: [x]}", "filter.traces.span", "filter.trace_conditions")
	check("filter: {trace_conditions: [x]}", "filter: {trace_conditions: [{conditions: [x]}]}")
	check("filter: {trace_conditions: [{conditions: [x]}]}", "filter: {trace_conditions: [{conditions: [x], context: span}]}", "filter.trace_conditions")
	check("attributes: {actions: [{key: a, action: DELETE}]}", "attributes: {actions: [{action: delete, key: a}]}")
	const upsert = "resource: {attributes: [{key: a, action: upsert, value: %s}]}"
	values := []string{"5", "5.0", `"5"`, "true", `"true"`, "[5]", `["5"]`, "[]", ".nan", `".nan"`, `""`, "-.inf", "1e300", `"null"`}
	for i, a := range values {
		for j, b := range values {
			var want []string
			if i != j {
				want = []string{"resource.attributes"}
			}
			check(fmt.Sprintf(upsert, a), fmt.Sprintf(upsert, b), want...)
		}
	}
}

// What loads can be written as a file of all keys, from which the same is read.
func TestWrittenFileReadsBack(t *testing.T) {
	for _, f := range testFiles(t, "*.good.yaml") {
		c, err := Load(f.path, f.lookup)
		if err != nil {
			t.Fatal(err)
		}
		if c.Export.TLS.CAFile == "" || c.Export.TLS.ServerName != "" { // else a variable gave it, which a file may not without https://
			readBack(t, f.path, c)
		}
	}
	odd := "\x00\a\t\n\r\x1b \"'\\${A}$$ #: -\u00a0\u2028é😀\x7f"
	c := Default()
	c.Filter.Traces.Span = []Text{{Value: odd}}
	c.Attributes.Actions = []Action{{Key: odd, Action: "upsert", Value: []any{odd, int64(-1), 1.5, 2e20, math.Inf(-1), math.NaN(), true, "null", "1e3", "~"}}}
	readBack(t, "odd text", c)
}

func readBack(t *testing.T, name string, c *Config) {
	t.Helper()
	again, err := Parse("written", writeFile(bind(c)), noEnv)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, path := range Changed(c, again) {
		t.Errorf("%s: %s was %s and is %s", name, path, keyAt(bind(c), path).yaml(), keyAt(bind(again), path).yaml())
	}
}
