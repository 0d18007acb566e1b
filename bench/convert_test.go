package bench

import (
	"net/netip"
	"testing"

	alspb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/spanbuilder"
)

// entries gives the encoded HTTP entries of finished requests in a recording.
func entries(b *testing.B) (list [][]byte, size int) {
	frames, err := recordings.Frames("otel-tags")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range frames {
		if f.Kind != recordings.KindALS {
			continue
		}
		for m := wire.Read(f.Bytes); m.Next(); {
			if m.Key != 2<<3|wire.Bytes {
				continue
			}
			for l := wire.Read(m.Bytes); l.Next(); {
				list, size = append(list, l.Bytes), size+len(l.Bytes)
			}
		}
	}
	return list, size
}

// BenchmarkEntryToSpan compares what is done to one recorded entry; bytes are those of the entry.
func BenchmarkEntryToSpan(b *testing.B) {
	list, size := entries(b)
	run := func(name string, f func([]byte)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(list)))
			i := 0
			for b.Loop() {
				f(list[i%len(list)])
				i++
			}
		})
	}
	dst := make([]byte, 0, 1<<20)
	run("step=memcpy-in", func(e []byte) { dst = append(dst[:0], e...) })
	run("step=official-runtime-decode-only", func(e []byte) {
		var m alspb.HTTPAccessLogEntry
		if err := proto.Unmarshal(e, &m); err != nil && len(e) == 0 {
			b.Fatal(err)
		}
	})
	var entry wire.Entry
	run("step=walk", func(e []byte) { entry.WalkHTTP(e) })
	for _, events := range []bool{false, true} {
		o := spanbuilder.Options{Events: events, MaxValue: 4096, Headers: []propagation.Format{propagation.TraceParent, propagation.B3Multi, propagation.B3Single},
			TraceTags: []string{"tid"}, SpanTags: []string{"sid"}, StartMemory: 1 << 20}
		builder := spanbuilder.New(o)
		identity := builder.Identity()
		logger := spanbuilder.NewLoggers(nil).Find(&wire.Node{ID: []byte("envoy-1")}, []byte("edge"), netip.Addr{})
		name := "step=walk-claim-build/events=off"
		if events {
			name = "step=walk-claim-build/events=on"
		}
		run(name, func(e []byte) {
			entry.WalkHTTP(e)
			claim := identity.Claim(&entry, logger)
			dst, _ = builder.Server(dst[:0], &entry, logger, claim)
		})
	}
}
