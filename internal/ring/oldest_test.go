package ring

import (
	"testing"
	"time"
)

// What was written before Oldest has left, and what was written after may not have.
func TestOldest(t *testing.T) {
	c := New(Options{Memory: 1 << 16, Chunk: 1 << 12, Bytes: 1 << 20, Spans: 1 << 20, Age: time.Millisecond})
	if at := c.Oldest(); !at.IsZero() {
		t.Errorf("an empty core has something of %v", at)
	}
	var p Producer
	write := func() {
		p.Begin(c, &Resource{})
		b, ok := p.Reserve(8)
		if !ok || !p.Commit(append(b, 1, 2, 3)) {
			t.Fatal("there is no room")
		}
		p.End()
	}
	before := time.Now()
	write()
	first := c.Oldest()
	if first.Before(before) || first.After(time.Now()) {
		t.Errorf("it is of %v", first)
	}
	var b Batch
	if !c.Gather(t.Context(), &b) {
		t.Fatal("there is no batch")
	}
	time.Sleep(time.Millisecond)
	write()
	if at := c.Oldest(); !at.Equal(first) {
		t.Errorf("a batch is on its way, and the oldest is of %v", at)
	}
	b.Release()
	if at := c.Oldest(); !at.After(first) {
		t.Errorf("the batch has left, and the oldest is of %v", at)
	}
}
