package bench

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/bench/systems"
	"github.com/alspan/alspan/internal/attributes"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// filterSpans gives spans of Envoy, the same of probes, and those that alspan makes from entries.
func filterSpans(tb testing.TB) (envoys, probes, made [][]byte) {
	tb.Helper()
	envoys, probes, err := load.Spans()
	if err != nil {
		tb.Fatal(err)
	}
	entries, err := load.Entries(load.W3C)
	if err != nil {
		tb.Fatal(err)
	}
	logger := spanbuilder.NewLoggers(spanbuilder.NewNodes(), nil).Find(&wire.Node{ID: []byte("envoy-1")}, []byte("edge"), netip.Addr{})
	builder := newBuilder(true)
	identity := builder.Identity()
	for _, b := range entries {
		var e wire.Entry
		var c spanbuilder.Claim
		if !e.WalkHTTP(b) {
			tb.Fatal("malformed")
		}
		identity.Claim(&e, logger, &c)
		field, _ := builder.Server(nil, &e, logger, &c)
		r := wire.Read(field)
		r.Next()
		made = append(made, r.Bytes)
	}
	return envoys, probes, made
}

func evaluator(tb testing.TB, o filter.Options) *filter.Evaluator {
	tb.Helper()
	f, err := filter.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return f.Evaluator()
}

func nineConditions() (o filter.Options) {
	for i, text := range systems.Conditions {
		o.Span = append(o.Span, filter.Condition{Name: fmt.Sprintf("span[%d]", i), Text: text})
	}
	return o
}

// Both say the same of the load: probes are dropped and nothing else is.
func TestFiltersOfTheLoad(t *testing.T) {
	envoys, probes, made := filterSpans(t)
	nine, seq := evaluator(t, nineConditions()), sequence(t)
	for _, c := range []struct {
		name  string
		spans [][]byte
		made  bool
		want  filter.Verdict
	}{{"Envoy's", envoys, false, filter.Keep}, {"probes", probes, false, filter.Drop}, {"made", made, true, filter.Keep}} {
		r := decode(t, request(c.spans))
		for i, s := range c.spans {
			if got := nine.Look(s, nil, nil, c.made); got != c.want {
				t.Errorf("%s, span %d: the verdict is %d, want %d", c.name, i, got, c.want)
			}
			if got := drops(t, seq, r, i); got != (c.want == filter.Drop) {
				t.Errorf("%s, span %d: a collector drops it: %t", c.name, i, got)
			}
		}
	}
}

// BenchmarkFilter compares what rules that match nothing cost for one span of the load; bytes are those of the span. A collector
// decodes whatever it does, so both with and without decoding are told; it is by the request, of 64 spans.
func BenchmarkFilter(b *testing.B) {
	envoys, _, made := filterSpans(b)
	run := func(name string, spans [][]byte, f func(i int)) {
		size := 0
		for _, s := range spans {
			size += len(s)
		}
		b.Run("step="+name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(spans)))
			i := 0
			for b.Loop() {
				f(i % len(spans))
				i++
			}
		})
	}
	for _, attributes := range []bool{false, true} {
		run(fmt.Sprintf("walk/attributes=%t", attributes), envoys, func(i int) {
			if walk(envoys[i], 0, len(envoys[i]), attributes) != len(envoys[i]) {
				b.Fatal("malformed")
			}
		})
	}
	probes := filter.Options{Presets: []string{"probes"}}
	for _, c := range []struct {
		name    string
		options filter.Options
		spans   [][]byte
		made    bool
	}{{"nine/made=false", nineConditions(), envoys, false}, {"nine/made=true", nineConditions(), made, true}, {"probes/made=false", probes, envoys, false}, {"probes/made=true", probes, made, true}} {
		e := evaluator(b, c.options)
		run(c.name, c.spans, func(i int) {
			if e.Look(c.spans[i], nil, nil, c.made) != filter.Keep {
				b.Fatal("dropped")
			}
		})
	}

	encoded, seq := request(envoys), sequence(b)
	decoded := decode(b, encoded)
	each := func(decodes, asks bool) func(i int) {
		return func(i int) {
			if decodes && i == 0 {
				decoded = decode(b, encoded)
			}
			if asks && drops(b, seq, decoded, i) {
				b.Fatal("dropped")
			}
		}
	}
	run("ottl", envoys, each(false, true))
	run("decode", envoys, each(true, false))
	run("official-decode-and-ottl", envoys, each(true, true))

	a, err := attributes.New([]attributes.Action{{Key: "cluster", Value: "tap-sandbox", Action: "upsert"}}, attributes.Redaction{})
	if err != nil {
		b.Fatal(err)
	}
	editor, room := a.Editor(), make([]byte, 0, 4<<10)
	run("copy", envoys, func(i int) { room = append(room[:0], envoys[i]...) })
	run("copy-and-upsert", envoys, func(i int) { editor.Span(append(room[:0], envoys[i]...)) })
}

// walk passes over the fields of a message, from b[i] to b[end], and gives where it ended. What reads a span does no less than that,
// without attributes; with them it finds their keys and values, too.
func walk(b []byte, i, end int, attributes bool) int {
	for i >= 0 && i < end {
		key, from, next := wire.Field(b, i, end)
		if attributes && key == 9<<3|wire.Bytes {
			for k := int(from); k >= 0 && k < next; {
				if key, from, k = wire.Field(b, k, next); key == 2<<3|wire.Bytes {
					walk(b, int(from), k, false)
				}
			}
		}
		i = next
	}
	return i
}
