package ring

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// While nobody takes anything, the newest spans are refused, all that was accepted stays, and both are counted exactly.
func TestStalledSenderKeepsTheOldest(t *testing.T) {
	for _, producers := range []int{1, 4, 16} {
		const each, size = 2000, 64
		o := options()
		traffic := newTraffic(o, producers, each, func(*rand.Rand) int { return size })
		var wg sync.WaitGroup
		for who := range producers {
			wg.Go(func() { traffic.produce(new(Producer), who) })
		}
		wg.Wait()
		room := int(o.Memory) / size
		accepted := producers * each
		for _, n := range traffic.refused {
			accepted -= n
		}
		if accepted > room || accepted < room-producers*o.Chunk/size {
			t.Errorf("%d producers: %d spans were accepted, the core has room for %d", producers, accepted, room)
		}
		if n := traffic.core.Open() + traffic.core.Queued(); n != int64(accepted) {
			t.Errorf("%d producers: %d spans are open or queued, want %d", producers, n, accepted)
		}
		traffic.core.Close()
		traffic.send(nil) // without a transport
		traffic.check(t)
		for seq := range accepted {
			if producers == 1 && !traffic.got[0][seq] {
				t.Fatalf("span %d was refused, although %d were accepted", seq, accepted)
			}
		}
	}
}
