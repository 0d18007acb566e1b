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

// A chunk that a transport keeps for ever must not keep the other chunks that were taken with it.
func TestLargeChunksForgetEachOther(t *testing.T) {
	o := options()
	o.Memory = 256 << 10
	c := New(o)
	var p Producer
	p.Begin(c, &Resource{})
	for seq := range uint32(4) {
		if !write(&p, 1, seq, 5<<10) {
			t.Fatal("a large span was refused")
		}
	}
	p.End()
	c.Close()
	var b Batch
	if !c.Gather(t.Context(), &b) || len(b.Chunks) < 2 {
		t.Fatalf("gathered %d chunks", len(b.Chunks))
	}
	for _, k := range b.Chunks {
		if k.next != nil {
			t.Error("a chunk that is sent still has a link to the next one")
		}
	}
	b.Release()
}
