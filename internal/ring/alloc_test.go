package ring

import (
	"context"
	"testing"
	"time"
)

// Once every chunk has its memory, writing and sending allocate nothing. (A Gather that has to wait for the age of what
// is there makes a timer; here all batches are due.)
func TestNothingIsAllocated(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"bytes":   func(o *Options) { o.Bytes = int64(o.Chunk) },
		"spans":   func(o *Options) { o.Spans = 64 },
		"waiting": func(o *Options) { o.Bytes, o.Wait = int64(o.Chunk), true },
	} {
		o := options()
		o.Age = time.Hour
		change(&o)
		c := New(o)
		var p Producer
		var b Batch
		resource := &Resource{}
		spans := 0
		turn := func() {
			p.Begin(c, resource)
			for seq := range uint32(100) {
				if !write(&p, 1, seq, 64) {
					t.Fatal("the core is full")
				}
			}
			p.End()
			for c.due() {
				if !c.Gather(context.Background(), &b) {
					t.Fatal("nothing to send")
				}
				spans += b.Spans
				b.Release()
			}
		}
		for range 50 {
			turn()
		}
		if n := testing.AllocsPerRun(200, turn); n != 0 {
			t.Errorf("%s: a message and its batch allocate %v times", name, n)
		}
		if spans < 200*100 {
			t.Errorf("%s: only %d spans were sent", name, spans)
		}
	}
}
