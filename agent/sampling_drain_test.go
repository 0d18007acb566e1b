package agent

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alspan/alspan/internal/config"
)

// What waits when the agent stops goes by what is decided of its request, too: that leaves first.
func TestSampledAtTheEnd(t *testing.T) {
	drained := func(change func(*config.Config), arrive func(*rig, *asked), code, first uint32) (list []string) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, change)
			arrivals["all at once"](r, ask(100, 1<<56-1, 500, 500))
			r.after(time.Minute)
			r.out = nil
			arrive(r, ask(1, 1, code, first))
			r.after(100 * time.Millisecond)
			r.end()
			list = names(r.out)
		})
		return list
	}
	for way, arrive := range arrivals {
		t.Run(way, func(t *testing.T) {
			for _, first := range []uint32{200, 503} {
				if got := drained(keepRule(), arrive, 200, first); len(got) != 0 {
					t.Errorf("a request that went well, after %d, leaves as %q", first, got)
				}
				if want, got := drained(nil, arrive, 503, first), drained(keepRule(), arrive, 503, first); !slices.Equal(got, want) {
					t.Errorf("a request that failed, after %d, leaves as %q, want %q", first, got, want)
				}
			}
		})
	}
}
