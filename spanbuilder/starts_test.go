package spanbuilder

import (
	"testing"

	"github.com/alspan/alspan/internal/propagation"
)

func spanIDOf(n byte) propagation.SpanID { return propagation.SpanID{7: n} }

func set(n byte) *propagation.Set {
	var s propagation.Set
	id := spanIDOf(n)
	s.Header([]byte("traceparent"), []byte("00-"+traceA+"-"+id.String()+"-01"))
	s.Finish()
	return &s
}

// A redirect's second start never overwrites the first: they are taken in order, each once.
func TestStartsAreTakenInOrder(t *testing.T) {
	s := NewStarts(1 << 20)
	s.Learn(7, set(1))
	s.Learn(8, set(9))
	s.Learn(7, set(2))
	for _, want := range []byte{1, 2} {
		got, ok := s.Take(7)
		if !ok || got.ID(propagation.TraceParent) != spanIDOf(want) || !got.ID(propagation.B3Multi).IsZero() {
			t.Errorf("took %v %v, want id %d", got, ok, want)
		}
	}
	if _, ok := s.Take(7); ok {
		t.Error("a start entry was taken twice")
	}
	if _, ok := s.Take(8); !ok {
		t.Error("another request's start entry is gone")
	}
}

func TestStartsAreBoundedAndEvictAtRandom(t *testing.T) {
	s := NewStarts(64 << 10)
	slots := s.buckets * bucketSize * startShards
	const n = 20000
	for k := range uint64(n) {
		s.Learn(k*0x9e3779b97f4a7c15, set(1))
	}
	kept, early := 0, 0
	for k := range uint64(n) {
		if _, ok := s.Take(k * 0x9e3779b97f4a7c15); ok {
			kept++
			if k < n*3/4 {
				early++
			}
		}
	}
	if kept > slots || kept < slots*9/10 || int64(kept)+s.Evicted.Load() != n {
		t.Errorf("kept %d of %d in %d slots, evicted %d", kept, n, slots, s.Evicted.Load())
	}
	if early == 0 {
		t.Error("the oldest were evicted first: those are the websockets")
	}
}
