package spanbuilder

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Ids that are not known are derived, never random: the same entry gives the same ids at every agent and in every
// release, so that copies collapse. The key and the version below must never change for a role that has been released.
const (
	deriveSeed    = 0x616c7370616e2d76
	deriveVersion = 1
)

// A role keeps ids apart that are derived from the same entry.
type role byte

const (
	roleTrace  role = 't' // trace id from an entry
	roleShared role = 'x' // trace id from a request id, the same at every hop that passes it on
	roleServer role = 's'
	roleClient role = 'c'
	roleStart  role = 'k' // not an id: the key of a start entry
	roleNode   role = 'n' // not an id: a node's name as a part of ids

	roleInner   role = 'i' // the INTERNAL span of an entry whose SERVER is elsewhere
	roleHalf    role = 'h' // one of two spans that came with one id
	roleRequest role = 'r' // not an id: the key by which entries and spans meet
	roleAttempt role = 'a' // not an id: the key by which attempts and their requests meet
	rolePrint   role = 'p' // not an id: the fingerprint of an entry
	roleTwin    role = 'w' // not an id: the same, without what not all forms of a log have
)

// derivation has the buffer in which the inputs of hashes are put together, kept from entry to entry.
type derivation struct{ buf []byte }

// input is what is hashed: fields of fixed size, and others behind their length.
type input []byte

func (d *derivation) begin(r role) input { return append(d.buf[:0], deriveVersion, byte(r)) }

func (in input) bytes(b []byte) input {
	return append(binary.LittleEndian.AppendUint32(in, uint32(len(b))), b...)
}

func (in input) uint(v uint64) input { return binary.LittleEndian.AppendUint64(in, v) }

// requestID adds an x-request-id in the form in which every signal has it: the trace reason at character 14, which Envoy
// may change on the way, masked, and bytes outside printable ASCII as "!", as ALS writes them.
func (in input) requestID(id []byte) input {
	in = in.bytes(id)
	at := in[len(in)-len(id):]
	if dashed(id) {
		at[reasonAt] = 'x'
	}
	if wire.Printable(id) {
		return in
	}
	for i, c := range at {
		if c < ' ' || c > '~' {
			at[i] = '!'
		}
	}
	return in
}

// entry adds what tells e from all others.
func (in input) entry(e *wire.Entry, l *Logger) input {
	start, _ := e.Start.Unix()
	in = in.uint(l.nodeHash).uint(start).uint(uint64(e.Duration.Duration()))
	if e.TCP {
		return in.bytes(e.Text(wire.StreamID)) // a UUID of its own for each connection
	}
	in = in.requestID(e.Text(wire.RequestID))
	if l.form != FromALS { // their times are rounded
		in = in.bytes(e.Text(wire.StreamID))
	}
	return in
}

// sum gives the XXH3 hash of in (64 bits).
func (d *derivation) sum(in input) uint64 {
	d.buf = in
	return xxh3.HashSeed(in, deriveSeed)
}

// hash gives a short stand-in for something long that is part of many ids.
func (d *derivation) hash(b []byte) uint64 {
	return d.sum(d.begin(roleNode).bytes(b))
}

// newTrace gives the trace id of a request without any context.
func (d *derivation) newTrace(e *wire.Entry, l *Logger) (t propagation.TraceID) {
	in := d.begin(roleTrace).entry(e, l)
	if isUUID(e.Text(wire.RequestID)) {
		in = d.begin(roleShared).requestID(e.Text(wire.RequestID))
	}
	d.buf = in
	sum := xxh3.Hash128Seed(in, deriveSeed)
	binary.BigEndian.PutUint64(t[:], sum.Hi)
	binary.BigEndian.PutUint64(t[8:], sum.Lo|1) // zero is not an id
	return t
}

// newSpan gives the id of a span of e. The duration is part of it because the passes of a redirect share all the rest.
func (d *derivation) newSpan(r role, trace propagation.TraceID, logged propagation.SpanID, e *wire.Entry, l *Logger) (s propagation.SpanID) {
	in := append(append(d.begin(r), trace[:]...), logged[:]...)
	sum := d.sum(in.entry(e, l))
	if sum == 0 {
		sum = 1
	}
	binary.BigEndian.PutUint64(s[:], sum)
	return s
}

// reasonAt is where Envoy writes into an x-request-id why the request was traced.
const reasonAt = 14

// isUUID tells whether id has the form 8-4-4-4-12 of hexadecimal digits.
func isUUID(id []byte) bool {
	if !dashed(id) {
		return false
	}
	seen := byte(0)
	for _, part := range [...][]byte{id[:8], id[9:13], id[14:18], id[19:23], id[24:36]} {
		for _, c := range part {
			seen |= notHex[c]
		}
	}
	return seen == 0
}

var notHex = func() (list [256]byte) {
	for c := range list {
		if c < '0' || c > '9' && c < 'A' || c > 'F' && c < 'a' || c > 'f' {
			list[c] = 1
		}
	}
	return list
}()

// dashed tells whether id is as long as a UUID and has its dashes.
func dashed(id []byte) bool {
	return len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
}
