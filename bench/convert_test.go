package bench

import (
	"net/netip"
	"testing"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/bench/load"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// BenchmarkEntryToSpan compares what is done to one entry of the load generator; bytes are those of the entry.
func BenchmarkEntryToSpan(b *testing.B) {
	list, err := load.Entries(load.W3C)
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for _, e := range list {
		size += len(e)
	}
	run := func(name string, f func(i int)) {
		b.Run("step="+name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(list)))
			i := 0
			for b.Loop() {
				f(i % len(list))
				i++
			}
		})
	}
	dst := make([]byte, 0, 1<<20)
	logger := spanbuilder.NewLoggers(spanbuilder.NewNodes(), nil).Find(&wire.Node{ID: []byte("envoy-1")}, []byte("edge"), netip.Addr{})
	builder, events := newBuilder(false), newBuilder(true)
	identity := builder.Identity()
	views, claims, spans := make([]wire.Entry, len(list)), make([]spanbuilder.Claim, len(list)), make([][]byte, len(list))
	for i, e := range list {
		if !views[i].WalkHTTP(e) {
			b.Fatal("malformed")
		}
		identity.Claim(&views[i], logger, &claims[i])
		spans[i], _ = builder.Server(nil, &views[i], logger, &claims[i])
	}

	run("memcpy-in-and-out", func(i int) { dst = append(append(dst[:0], list[i]...), spans[i]...) })
	run("official-runtime-decode-only", func(i int) {
		var m alspb.HTTPAccessLogEntry
		if err := proto.Unmarshal(list[i], &m); err != nil {
			b.Fatal(err)
		}
	})
	var entry wire.Entry
	run("walk", func(i int) { entry.WalkHTTP(list[i]) })
	run("claim", func(i int) { identity.Claim(&views[i], logger, &claims[i]) })
	run("build", func(i int) { dst, _ = builder.Server(dst[:0], &views[i], logger, &claims[i]) })
	// As the pipeline does it: a handful of entries, step by step.
	const handful = 4
	var some [handful]wire.Entry
	var proven [handful]spanbuilder.Claim
	for name, b := range map[string]*spanbuilder.Builder{"all/events=off": builder, "all/events=on": events} {
		run(name, func(i int) {
			if i%handful > 0 {
				return
			}
			for k := range some {
				some[k].WalkHTTP(list[(i+k)%len(list)])
			}
			for k := range some {
				identity.Claim(&some[k], logger, &proven[k])
			}
			dst = dst[:0]
			for k := range some {
				dst, _ = b.Server(dst, &some[k], logger, &proven[k])
			}
		})
	}
}

func newBuilder(events bool) *spanbuilder.Builder { return spanbuilder.New(builderOptions(events)) }

func builderOptions(events bool) spanbuilder.Options {
	return spanbuilder.Options{Events: events, MaxValue: 4096, StartMemory: 1 << 20,
		Headers:   []propagation.Format{propagation.TraceParent, propagation.B3Multi, propagation.B3Single},
		TraceTags: []string{"trace_id", "tid"}, SpanTags: []string{"span_id", "sid"}, RedactQuery: []string{"access_token", "sig", "password", "X-Amz-Signature"}}
}
