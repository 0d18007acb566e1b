package ring

import (
	"testing"
)

func TestLargeSpanHasAChunkOfItsOwn(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	write(&p, 1, 0, 64)
	if !write(&p, 1, 1, 10<<10) {
		t.Fatal("a span larger than a chunk was refused")
	}
	if write(&p, 1, 2, 10<<10) {
		t.Error("large spans took more than a quarter of the memory")
	}
	p.End()
	c.Close()
	var b Batch
	spans := 0
	for c.Gather(t.Context(), &b) {
		spans += b.Spans
		b.Release()
	}
	if spans != 2 || c.Held() != 0 {
		t.Errorf("%d spans, %d chunks held, want 2 and 0", spans, c.Held())
	}
}
