package ring

import (
	"encoding/binary"
	"testing"
	"time"
)

func options() Options {
	return Options{Memory: 64 << 10, Chunk: 4 << 10, Bytes: 16 << 10, Spans: 1 << 20, Age: 5 * time.Millisecond}
}

// write commits one span: the producer's number, a sequence number, and padding.
func write(p *Producer, who, seq uint32, size int) bool {
	b, ok := p.Reserve(size)
	if !ok {
		return false
	}
	b = binary.LittleEndian.AppendUint32(b, who)
	b = binary.LittleEndian.AppendUint32(b, seq)
	b = b[:size]
	return p.Commit(b)
}

func TestFullCoreRefusesAndRecovers(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	fillUp := func() (n int) {
		for write(&p, 1, uint32(n), 64) {
			n++
		}
		p.End()
		return n
	}
	const all = 64 << 10 / 64
	if n := fillUp(); n != all {
		t.Errorf("accepted %d spans before the core was full, want %d", n, all)
	}
	c.Close()
	var b Batch
	for c.Gather(t.Context(), &b) {
		b.Release()
	}
	if n := fillUp(); n != all {
		t.Errorf("accepted %d spans after it was emptied, want %d", n, all)
	}
}

func TestCommitRefusesWhatOutgrewItsReservation(t *testing.T) {
	c := New(options())
	var p Producer
	p.Begin(c, &Resource{})
	b, _ := p.Reserve(8)
	if p.Commit(append(b, make([]byte, cap(b)+1)...)) {
		t.Error("a span longer than its room was committed")
	}
	b, _ = p.Reserve(8)
	if !p.Commit(append(b, 1, 2, 3)) {
		t.Error("a span that fits was refused")
	}
}
