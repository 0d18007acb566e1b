package red

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"
)

// What was seen before is counted without an allocation, whatever is odd about it.
func TestCountAllocatesNothing(t *testing.T) {
	m := New(Options{Sets: 30, Requests: true, Graph: true})
	meter := m.Meter()
	all := requests(100, EdgeCount) // more than there is room for
	for i, edge := range []Edge{EdgeVirtual, EdgeLatency, EdgeNone} {
		all[i].Edge = edge
	}
	all[3].Route = []byte("/not/\xff/utf-8")
	all[4].Route = make([]byte, 300)
	at := time.Now()
	count := func() {
		for i := range all {
			meter.Count(&all[i])
			meter.Exemplar(&all[i], [16]byte{}, [8]byte{}, at)
		}
	}
	if n := testing.AllocsPerRun(10, count); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMemoryOfASet(t *testing.T) {
	if size := reflect.TypeFor[series]().Size(); size != 256 {
		t.Errorf("a series has %d bytes, which are not whole cache lines", size)
	}
	used := func(o Options, edge Edge) uint64 {
		const sets = 2000
		o.Sets = sets
		m := New(o)
		meter := m.Meter()
		r := Request{Service: "cart", Edge: edge}
		names := make([]string, sets)
		for i := range names {
			names[i] = fmt.Sprint("peer-", i)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, r.Peer = range names {
			meter.Count(&r)
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / sets
	}
	if n := used(Options{Requests: true}, EdgeNone); n > 2200 {
		t.Errorf("a set of requests takes %d bytes", n)
	}
	if n := used(Options{Graph: true}, EdgeCount); n > 600 {
		t.Errorf("an edge takes %d bytes", n)
	}
}
