package propagation

import (
	"slices"
	"strings"
	"testing"
)

// A further format is a row of the table: what the code takes for granted of each of them.
func TestFormatTable(t *testing.T) {
	names, keys := map[string]bool{}, map[string]bool{traceStateKey: true}
	for f := range NumFormats {
		row := formats[f]
		if row.name == "" || names[row.name] {
			t.Errorf("format %d: name %q is empty or taken", f, row.name)
		}
		names[row.name] = true
		if got, ok := ParseFormat(row.name); got != f || !ok {
			t.Errorf("ParseFormat(%q) = %d, %v, want %d", row.name, got, ok, f)
		}
		if f.String() != row.name {
			t.Errorf("%d.String() = %q, want %q", f, f, row.name)
		}
		if len(row.keys) == 0 || len(row.keys) > maxKeys || row.header == nil || (row.settle == nil) != (len(row.keys) == 1) {
			t.Errorf("%s: the row is incomplete", f)
		}
		for _, key := range row.keys {
			if key == "" || len(key) > 63 || key != strings.ToLower(key) || keys[key] {
				t.Errorf("%s: key %q is not usable or taken", f, key)
			}
			keys[key] = true
		}
		for r := range NumReasons {
			if row.faults == nil || f.Gives(r) && !r.Invalid() {
				t.Errorf("%s: %s is no fault", f, r)
			}
		}
	}
	if NumFormats.Gives(BadLength) {
		t.Error("a format that is none has faults")
	}
}

func TestFormats(t *testing.T) {
	set := FormatsOf([]Format{Census, TraceParent, Datadog})
	if !set.Has(TraceParent) || !set.Has(Census) || set.Has(B3Multi) {
		t.Errorf("the set is %b", set)
	}
	var got []Format
	for f, ok := set.Next(); ok; f, ok = set.Next() {
		got = append(got, f)
	}
	if want := []Format{TraceParent, Datadog, Census}; !slices.Equal(got, want) || set != 0 {
		t.Errorf("Next gives %v, want %v", got, want)
	}
}

func TestNames(t *testing.T) {
	want := map[Format]string{TraceParent: "traceparent", B3Multi: "x-b3", B3Single: "b3", Jaeger: "uber-trace-id", Datadog: "x-datadog", XRay: "x-amzn-trace-id",
		CloudTrace: "x-cloud-trace-context", LightStep: "x-ot-span-context", OTTracer: "ot-tracer", Census: "grpc-trace-bin", NumFormats: "unknown"}
	for f, name := range want {
		if f.String() != name {
			t.Errorf("%d.String() = %q, want %q", f, f, name)
		}
	}
	for _, name := range []string{"", "unknown", "B3", "uber-trace", "traceparent "} {
		if f, ok := ParseFormat(name); ok {
			t.Errorf("ParseFormat(%q) = %s", name, f)
		}
	}
	reasons := map[string]Reason{}
	for r := range NumReasons {
		if other, taken := reasons[r.String()]; taken || r.String() == "" {
			t.Errorf("reason %d: name %q is empty or that of %d", r, r, other)
		}
		reasons[r.String()] = r
	}
	if got := NumReasons.String(); got != "unknown" {
		t.Errorf("NumReasons.String() = %q", got)
	}
	for r := range NumReasons {
		lawful := r == Valid || r == Absent || r == NoIDs
		if r.Invalid() == lawful {
			t.Errorf("%s.Invalid() = %v", r, r.Invalid())
		}
	}
}
