package spanbuilder

import (
	"testing"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// From the bytes of an entry to the bytes of its spans nothing is allocated, whatever real Envoys have sent.
func TestNothingIsAllocated(t *testing.T) {
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			t.Fatal(err)
		}
		o := options()
		o.Events, o.Upstream = true, UpstreamAlways
		b := New(o)
		i, l := b.Identity(), loggerOf("envoy-1", "edge")
		var e wire.Entry
		var c Claim
		dst := make([]byte, 0, 1<<18) // one of them has an URL of 20 KiB
		convert := func(entry []byte) {
			e.WalkHTTP(entry)
			use, _ := Classify(&e, false)
			switch use {
			case Teach:
				i.Headers(&e)
				i.Learn(&e, l)
			case Request:
				i.Claim(&e, l, &c)
				dst, _ = b.Server(dst[:0], &e, l, &c)
				if id, ok := b.ClientSpan(i, &e, l, &c); ok {
					dst, _ = b.Client(dst[:0], &e, l, &c, id)
				}
			}
		}
		for _, f := range frames {
			if f.Kind != recordings.KindALS {
				continue
			}
			for m := wire.Read(f.Bytes); m.Next(); {
				if m.Key != 2<<3|wire.Bytes {
					continue
				}
				for list := wire.Read(m.Bytes); list.Next(); {
					if n := testing.AllocsPerRun(5, func() { convert(list.Bytes) }); n > 0 {
						t.Fatalf("%s: %v allocations for the entry %x", mode, n, list.Bytes)
					}
				}
			}
		}
	}
}
