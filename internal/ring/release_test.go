package ring

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A transport that lost its connection may hold a chunk for ever: its bytes are not used again, and its place in the arena is
// given new memory, up to a quarter of the arena.
func TestHeldBytesAreNeverUsedAgain(t *testing.T) {
	o := options()
	var freed atomic.Int64
	o.OnFree = func([]byte) { freed.Add(1) }
	c := New(o)
	var p Producer
	p.Begin(c, &Resource{})
	send := func(seq uint32) *Chunk {
		if !write(&p, 1, seq, 64) {
			t.Fatalf("the core is full after %d chunks", seq)
		}
		p.End()
		var b Batch
		if !c.Gather(t.Context(), &b) {
			t.Fatal("nothing to send")
		}
		k := b.Chunks[0]
		k.Retain()
		b.Release()
		return k
	}
	const replaced, kept = 4, 6 // of the 16 chunks, a quarter
	var held []*Chunk
	for round := range uint32(replaced + kept) {
		held = append(held, send(round))
		if want := max(int64(round)+1-replaced, 0); c.Held() != want {
			t.Errorf("%d chunks are left to the transport, %d of the arena are in use, want %d", round+1, c.Held(), want)
		}
	}
	if want := int64(replaced+kept) * 4 << 10; c.Left() != want {
		t.Errorf("%d bytes are left, want %d", c.Left(), want)
	}
	for round, k := range held[1:] {
		if got := binary.LittleEndian.Uint32(k.Bytes()[4:]); got != uint32(round)+1 {
			t.Errorf("the bytes of round %d are those of round %d", round+1, got)
		}
		k.Release()
	}
	if want := int64(4 << 10); c.Left() != want || c.Held() != 0 || freed.Load() != replaced+kept-1 {
		t.Errorf("after the release %d bytes are left, want %d; %d chunks in use; %d freed", c.Left(), want, c.Held(), freed.Load())
	}
}

// The garbage collector gives back the places of chunks that nobody can release any more.
func TestForgottenChunksComeBack(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	var held []*Chunk
	for seq := range uint32(16) {
		write(&p, 1, seq, 64)
		p.End()
		var b Batch
		if !c.Gather(t.Context(), &b) {
			t.Fatal("nothing to send")
		}
		b.Chunks[0].Retain()
		held = append(held, b.Chunks[0])
		b.Release()
	}
	if c.Held() != 12 {
		t.Errorf("%d chunks of the arena are in use, want 12", c.Held())
	}
	runtime.KeepAlive(held) // until here; then nobody can release them
	for end := time.Now().Add(10 * time.Second); c.Left() > 0 || c.Held() > 0; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are left, %d chunks in use", c.Left(), c.Held())
		}
	}
	for i := range uint32(16 * 64) {
		if !write(&p, 1, i, 64) {
			t.Fatalf("the core is full after %d spans", i)
		}
	}
	p.End()
}

// A chunk is free, and may be used again, with its last reference: not before, and not twice.
func TestChunkIsFreeWithItsLastReference(t *testing.T) {
	freed := 0
	o := options()
	o.OnFree = func(b []byte) { freed++; poisoned(b) }
	c := New(o)
	var p Producer
	p.Begin(c, &Resource{})
	write(&p, 1, 77, 64)
	p.End()
	var b Batch
	if !c.Gather(t.Context(), &b) {
		t.Fatal("nothing to send")
	}
	k := b.Chunks[0]
	k.Retain()
	k.Retain()
	k.Release()
	if freed != 0 || c.Held() != 1 || binary.LittleEndian.Uint32(k.Bytes()[4:]) != 77 {
		t.Errorf("with two references: %d chunks were freed, %d are held", freed, c.Held())
	}
	k.Release() // the batch has the last one
	b.Release()
	if freed != 1 || c.Held() != 0 || k.buf[0] != poison || c.InFlight() != 0 {
		t.Errorf("without references: %d chunks were freed, %d are held, %d spans in flight", freed, c.Held(), c.InFlight())
	}
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed a release too many")
		}
	}()
	k.Release()
}

// A reservation that is not committed leaves nothing behind.
func TestVoidReservationLeavesNothing(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	for range 100 {
		if _, ok := p.Reserve(64); !ok {
			t.Fatal("the core is full")
		}
		if c.Held() != 1 {
			t.Errorf("%d chunks are held, want 1", c.Held())
		}
		p.End()
	}
	if c.Held() != 0 || c.Open() != 0 || !c.empty() {
		t.Errorf("%d chunks are held, %d spans open", c.Held(), c.Open())
	}
}
