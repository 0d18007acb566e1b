package accesslog

import "github.com/alspan/alspan/internal/wire"

// Message is one StreamAccessLogsMessage. It borrows the received bytes.
//
//	message StreamAccessLogsMessage {
//	  message Identifier { core.v3.Node node = 1; string log_name = 2; }
//	  message HTTPAccessLogEntries { repeated HTTPAccessLogEntry log_entry = 1; }
//	  message TCPAccessLogEntries { repeated TCPAccessLogEntry log_entry = 1; }
//	  Identifier identifier = 1;
//	  oneof log_entries { HTTPAccessLogEntries http_logs = 2; TCPAccessLogEntries tcp_logs = 3; }
//	}
type Message struct {
	body    []byte
	fields  wire.Reader // of the message
	entries wire.Reader // of the list of entries that is being read
	tcp     bool
	broken  bool
	nobody  bool // the identifier is malformed

	// Of one that was made of something else: who logs, and a mark for each entry.
	made  *Identifier
	marks []Mark
	next  int
}

// Mark is what a log line says that an HTTPAccessLogEntry cannot.
type Mark uint8

// Coarse marks an entry whose start has whole milliseconds only.
const Coarse Mark = 1

// newEntries makes a message of an encoded HTTPAccessLogEntries, which id has logged.
func newEntries(id *Identifier, entries []byte, marks []Mark) Message {
	return Message{made: id, entries: wire.Read(entries), marks: marks}
}

// NewMessage makes a message of an encoded StreamAccessLogsMessage.
func NewMessage(body []byte) Message { return Message{body: body, fields: wire.Read(body)} }

// Identifier says who logs: the Node and the log's name. Envoy sends it in the first message of each stream.
type Identifier struct {
	Node    wire.Node
	LogName []byte
	// The pod that logs, where something else than the node's id tells it.
	Namespace, Pod string
}

// Identifier gives the message's identifier, and false when it has none or a malformed one.
func (m *Message) Identifier() (id Identifier, ok bool) {
	if m.made != nil {
		return *m.made, true
	}
	for r := wire.Read(m.body); r.Next(); {
		if r.Key != 1<<3|wire.Bytes || len(r.Bytes) == 0 {
			continue
		}
		if ok = id.walk(r.Bytes); !ok {
			m.nobody = true
			return Identifier{}, false
		}
	}
	return id, ok
}

func (id *Identifier) walk(b []byte) bool {
	r := wire.Read(b)
	for r.Next() {
		switch r.Key {
		case 1<<3 | wire.Bytes:
			if !id.Node.Merge(r.Bytes) {
				return false
			}
		case 2<<3 | wire.Bytes:
			id.LogName = r.Bytes
		}
	}
	return !r.Broken()
}

// Read says what Next has found.
type Read uint8

const (
	End       Read = iota // no further entry
	Good                  // e is the next entry
	Malformed             // the next entry cannot be decoded; those after it can
)

// Next makes e a view of the message's next entry. The lists are read in the order of the bytes, HTTP or TCP.
func (m *Message) Next(e *wire.Entry) Read {
	for {
		for m.entries.Next() {
			if m.entries.Key != 1<<3|wire.Bytes {
				continue
			}
			ok := false
			if m.tcp {
				ok = e.WalkTCP(m.entries.Bytes)
			} else {
				ok = e.WalkHTTP(m.entries.Bytes)
			}
			if m.marks != nil {
				e.Coarse = m.marks[m.next]&Coarse != 0
				m.next++
			}
			if !ok {
				return Malformed
			}
			return Good
		}
		m.broken = m.broken || m.entries.Broken()
		if !m.nextList() {
			return End
		}
	}
}

// nextList moves to the next list of entries.
func (m *Message) nextList() bool {
	for m.fields.Next() {
		switch m.fields.Key {
		case 2<<3 | wire.Bytes:
			m.entries, m.tcp = wire.Read(m.fields.Bytes), false
			return true
		case 3<<3 | wire.Bytes:
			m.entries, m.tcp = wire.Read(m.fields.Bytes), true
			return true
		}
	}
	m.broken = m.broken || m.fields.Broken()
	return false
}

// Truncated tells, after End, whether a part of the message could not be read.
func (m *Message) Truncated() bool { return m.broken }

// Nobody tells whether Identifier has found a malformed one: the entries count for whoever the stream named before.
func (m *Message) Nobody() bool { return m.nobody }
