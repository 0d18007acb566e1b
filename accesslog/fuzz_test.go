package accesslog

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

// entry is one encoded entry.
type entry struct {
	b   []byte
	tcp bool
}

// outline finds the entries of a message by the official walker, and whether what surrounds them is broken.
func outline(b []byte) (found []entry, broken bool) {
	broken = !lengthDelimited(b, func(num protowire.Number, list []byte) {
		if num != 2 && num != 3 {
			return
		}
		if !lengthDelimited(list, func(inner protowire.Number, e []byte) {
			if inner == 1 {
				found = append(found, entry{e, num == 3})
			}
		}) {
			broken = true
		}
	}) || broken
	return found, broken
}

func lengthDelimited(b []byte, f func(protowire.Number, []byte)) bool {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || num > protowire.MaxValidNumber {
			return false
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return false
		}
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b[n:])
			f(num, v)
		}
		b = b[n+size:]
	}
	return true
}

// alone decodes an entry by itself.
func (e entry) alone() (v wire.Entry, ok bool) {
	if e.tcp {
		return v, v.WalkTCP(e.b)
	}
	return v, v.WalkHTTP(e.b)
}

func same(a, b *wire.Entry) bool {
	if !bytes.Equal(a.Input(), b.Input()) || a.Facts != b.Facts {
		return false
	}
	for m := range wire.NumMaps {
		f, g := a.Fields(m), b.Fields(m)
		if f.Len() != g.Len() {
			return false
		}
		for i := range f.Len() {
			if !bytes.Equal(f.Key(i), g.Key(i)) || !bytes.Equal(f.Value(i), g.Value(i)) {
				return false
			}
		}
	}
	return true
}

// holds reads a message and compares each of its entries with the entry alone.
func holds(t *testing.T, b []byte, want []entry, truncated bool) {
	t.Helper()
	m := NewMessage(b)
	var e wire.Entry
	for i, w := range want {
		alone, ok := w.alone()
		switch got := m.Next(&e); {
		case got == End:
			t.Fatalf("%d entries, want %d\n%x", i, len(want), b)
		case (got == Good) != ok:
			t.Fatalf("entry %d: well-formed is %v, alone %v\n%x", i, got == Good, ok, b)
		case ok && !same(&e, &alone):
			t.Fatalf("entry %d: %+v\nalone: %+v\n%x", i, e, alone, b)
		}
	}
	first, second := m.Next(&e), m.Next(&e)
	if first != End || second != End {
		t.Fatalf("more than %d entries\n%x", len(want), b)
	}
	if m.Truncated() != truncated {
		t.Fatalf("truncated: %v\n%x", m.Truncated(), b)
	}
}

// FuzzMessage reads any bytes: what is found is what the official walker finds, and the whole of what the official runtime
// accepts.
func FuzzMessage(f *testing.F) {
	for _, b := range recordedMessages(f) {
		f.Add(b)
	}
	f.Add(slices.Concat(marshal(f, tcpMessage(1, 2)), marshal(f, httpMessage(identifier("n", "l"), "/a", "/b"))))
	f.Add([]byte("\x12\x04\x0b\x0a\x00\x0c\x0a\x00\x12\x03\x0a\x09x\x13\x14"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, broken := outline(b)
		holds(t, b, want, broken)

		m := NewMessage(b)
		id, ok := m.Identifier()
		official := new(alsv3.StreamAccessLogsMessage)
		if proto.Unmarshal(b, official) != nil {
			return
		}
		for i, w := range want {
			if _, ok := w.alone(); !ok {
				t.Fatalf("entry %d is malformed\n%x", i, b)
			}
		}
		o := official.GetIdentifier()
		if broken || !ok && proto.Size(o) > 0 {
			t.Fatalf("broken: %v, with identifier: %v\n%x", broken, ok, b)
		}
		if string(id.Node.ID) != o.GetNode().GetId() || string(id.Node.Cluster) != o.GetNode().GetCluster() ||
			string(id.Node.Zone) != o.GetNode().GetLocality().GetZone() || string(id.LogName) != o.GetLogName() {
			t.Fatalf("%+v, want %v\n%x", id, o, b)
		}
	})
}

// FuzzNeighbours puts any bytes as one entry among good ones: those stay what they are.
func FuzzNeighbours(f *testing.F) {
	var good []entry
	for _, b := range recordedMessages(f) {
		found, _ := outline(b)
		good = append(good, found...)
	}
	for i, e := range good[:50] {
		f.Add(e.b, uint8(i), e.tcp)
	}
	for _, s := range []string{"", "\x0a", "\x1a\x05x", "\x0b\x0b\x0b", strings.Repeat("\x0b", 20000), "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		f.Add([]byte(s), uint8(3), false)
		f.Add([]byte(s), uint8(4), true)
	}
	http := slices.DeleteFunc(slices.Clone(good), func(e entry) bool { return e.tcp })[:6]
	tcp := slices.DeleteFunc(slices.Clone(good), func(e entry) bool { return !e.tcp })[:2]
	f.Fuzz(func(t *testing.T, b []byte, at uint8, asTCP bool) {
		entries := http
		if asTCP {
			entries = tcp
		}
		entries = slices.Insert(slices.Clone(entries), int(at)%(len(entries)+1), entry{b, asTCP})
		var list []byte
		for _, e := range entries {
			list = wire.AppendBytes(list, 1, e.b)
		}
		field := uint32(2)
		if asTCP {
			field = 3
		}
		message := wire.AppendBytes(wire.AppendBytes(nil, 1, "\x12\x04edge"), field, list)
		holds(t, message, entries, false)
		// The next message's entries are not touched either.
		holds(t, append(message, message...), append(entries, entries...), false)
	})
}

// recordedMessages gives what real Envoys sent; of their nodes what is read.
func recordedMessages(tb testing.TB) (all [][]byte) {
	tb.Helper()
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range frames {
			if f.Kind != recordings.KindALS {
				continue
			}
			m := NewMessage(f.Bytes)
			var short []byte
			if id, ok := m.Identifier(); ok {
				short = marshal(tb, &alsv3.StreamAccessLogsMessage{Identifier: identifier(string(id.Node.ID), string(id.LogName))})
			}
			lengthDelimited(f.Bytes, func(num protowire.Number, v []byte) {
				if num != 1 {
					short = wire.AppendBytes(short, uint32(num), v)
				}
			})
			all = append(all, short)
		}
	}
	return all
}
