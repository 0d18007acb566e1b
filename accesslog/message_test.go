package accesslog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/recordings"
	"github.com/alspan/alspan/internal/wire"
)

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func httpMessage(id *alsv3.StreamAccessLogsMessage_Identifier, paths ...string) *alsv3.StreamAccessLogsMessage {
	logs := new(alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries)
	for _, p := range paths {
		logs.LogEntry = append(logs.LogEntry, &datav3.HTTPAccessLogEntry{Request: &datav3.HTTPRequestProperties{Path: p}})
	}
	return &alsv3.StreamAccessLogsMessage{Identifier: id, LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{HttpLogs: logs}}
}

func tcpMessage(sent ...uint64) *alsv3.StreamAccessLogsMessage {
	logs := new(alsv3.StreamAccessLogsMessage_TCPAccessLogEntries)
	for _, n := range sent {
		logs.LogEntry = append(logs.LogEntry, &datav3.TCPAccessLogEntry{ConnectionProperties: &datav3.ConnectionProperties{SentBytes: n}})
	}
	return &alsv3.StreamAccessLogsMessage{LogEntries: &alsv3.StreamAccessLogsMessage_TcpLogs{TcpLogs: logs}}
}

func identifier(node, log string) *alsv3.StreamAccessLogsMessage_Identifier {
	return &alsv3.StreamAccessLogsMessage_Identifier{Node: &corev3.Node{Id: node}, LogName: log}
}

// tell reads a message as text: who logs, each entry, and how it ended.
func tell(m *Message) string {
	var out []string
	if id, ok := m.Identifier(); ok {
		if len(id.Node.Region) > 0 {
			id.Node.ID = slices.Concat(id.Node.ID, []byte{'@'}, id.Node.Region)
		}
		out = append(out, fmt.Sprintf("%s/%s", id.Node.ID, id.LogName))
	}
	var e wire.Entry
	for {
		switch m.Next(&e) {
		case Good:
			if e.TCP {
				out = append(out, fmt.Sprint(e.BytesSent))
			} else {
				out = append(out, cmp.Or(string(e.Text(wire.Path)), "-"))
			}
			continue
		case Malformed:
			out = append(out, "malformed")
			continue
		}
		break
	}
	if m.Truncated() {
		out = append(out, "truncated")
	}
	return strings.Join(out, " ")
}

func TestMessage(t *testing.T) {
	first := marshal(t, httpMessage(identifier("n1", "edge"), "/a", "/b"))
	later := marshal(t, httpMessage(nil, "/c"))
	tcp := marshal(t, tcpMessage(1, 2))
	entry := func(b string) []byte { return wire.AppendBytes(nil, 2, wire.AppendBytes(nil, 1, b)) }
	broken := entry("\x1a\x05x") // a request that is cut
	id := func(b ...string) []byte { return wire.AppendBytes(nil, 1, strings.Join(b, "")) }
	node := func(id string) string { return string(wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, id))) }
	name := func(log string) string { return string(wire.AppendBytes(nil, 2, log)) }
	check := func(want string, parts ...[]byte) {
		t.Helper()
		m := NewMessage(slices.Concat(parts...))
		if got := tell(&m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		// What has ended stays so.
		if truncated := m.Truncated(); m.Next(new(wire.Entry)) != End || m.Truncated() != truncated {
			t.Errorf("%q goes on after its end", want)
		}
	}
	check("")
	check("n1/edge /a /b", first)
	check("/c", later)
	check("1 2", tcp)
	// Of several lists each counts, even of both kinds: the runtime would keep the last.
	check("/c 1 2 /c", later, tcp, later)
	check("n1/edge /a /b 1 2", first, wire.AppendUint(nil, 9, 1), wire.AppendBytes(nil, 99, "new"), tcp)
	check("1 2", wire.AppendUint(nil, 2, 1), wire.AppendFixed32(nil, 3, 1), tcp)
	check("/c -", later, entry(""))

	// A malformed entry is lost alone.
	check("malformed", broken)
	check("/c malformed /c", later, broken, later)
	check("1 2 /c malformed", tcp, later, broken)

	// What is outside of an entry breaks the list or the message, from there to its end.
	check("/c truncated", later, []byte{0x12})
	check("/c 1 2 truncated", later, tcp, []byte{7}, tcp)
	check("n1/edge truncated", first[:len(first)-1]) // the list is one field: with its end it is lost
	check("/c 1 2 - truncated", later, wire.AppendBytes(nil, 2, "\x0a"), tcp, entry(""))
	check("/c - truncated", later, wire.AppendBytes(nil, 2, "\x0a\x00\x0a\x03x"))
	check("/c /c truncated", later, wire.AppendBytes(nil, 2, "\x0f"), later)

	// Who logs.
	check("n1/edge", id(node("n1"), name("edge")))
	check("/x", id(name("edge"), name("x")))
	check("n1/", id(node("n1")))
	check("n2/edge", id(node("n1"), name("edge")), id(node("n2"))) // the pieces merge
	check("n1@eu/", id(node("n1"), string(wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 4, wire.AppendBytes(nil, 1, "eu"))))))
	check("n1/edge /c", later, id(node("n1")), id(), id(name("edge")))
	check("/c", id(), later)                                      // an empty one says nothing
	check("/c", wire.AppendUint(nil, 1, 1), later)                // of another type
	check("/c", id(name("edge"), "\x0a\x02\x0a\x05"), later)      // a malformed node
	check("/c", id("\x0a\x02\x0a\x05", name("edge")), later)      // and before the name
	check("/c", id(name("edge"), "\x0a\x05"), later)              // a cut identifier
	check("/c", id(name("edge")), id("\x0a\x05"), id("x"), later) // one of several
}

// legible has U+FFFD for each byte that is not UTF-8, as the facts do.
func legible(b []byte) string { return string([]rune(string(b))) }

// The recordings hold what the official runtime found in them.
func TestRecordedMessages(t *testing.T) {
	var e wire.Entry
	for _, mode := range recordings.Modes() {
		frames, err := recordings.Frames(mode)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := recordings.Facts(mode)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, f := range facts.Entries {
			want = append(want, fmt.Sprintf("%s %s %d %d %d %q %q %d", f.Node, f.Log, f.Type, f.Start, f.Code, f.Path, f.StreamID, f.Attempts))
		}
		type logger struct{ node, log string }
		loggers := map[uint64]logger{}
		for _, f := range frames {
			if f.Kind != recordings.KindALS {
				continue
			}
			m := NewMessage(f.Bytes)
			if id, ok := m.Identifier(); ok {
				loggers[f.Stream] = logger{string(id.Node.ID), string(id.LogName)}
			}
			for m.Next(&e) == Good {
				start, _ := e.Start.Unix()
				l := loggers[f.Stream]
				got = append(got, fmt.Sprintf("%s %s %d %d %d %q %q %d", l.node, l.log, e.Type, start, e.Code, e.Text(wire.Path), legible(e.Text(wire.StreamID)), e.Attempts))
			}
			if m.Next(&e) != End || m.Truncated() {
				t.Errorf("%s: a message is broken", mode)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", mode, d)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	frames, err := recordings.Frames("otel-start")
	if err != nil {
		t.Fatal(err)
	}
	var e wire.Entry
	entries := 0
	allocs := testing.AllocsPerRun(5, func() {
		for _, f := range frames {
			if f.Kind != recordings.KindALS {
				continue
			}
			m := NewMessage(f.Bytes)
			m.Identifier()
			for m.Next(&e) != End {
				entries++
			}
		}
	})
	if allocs != 0 || entries == 0 {
		t.Errorf("%v allocations for %d entries", allocs, entries)
	}
}
