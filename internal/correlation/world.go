// Package correlation takes a world (the messages of some Envoys, with their times of arrival) and gives the spans that
// should leave the agent: the rules by which access-log entries and proxy spans are joined, as a model to be read next to
// them. It has one thread and a virtual clock, and is not fast. Only tests import it: what the program does is held against
// it. Package worlds makes worlds, package check judges what came out.
package correlation

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Kinds of events.
const (
	ALS    = 'A' // an envoy.service.accesslog.v3.StreamAccessLogsMessage
	OTLP   = 'O' // an ExportTraceServiceRequest
	Zipkin = 'Z' // the body of a Zipkin v2 POST, JSON
)

// Event is one message as it arrives.
type Event struct {
	At     time.Duration // from the world's beginning
	Kind   byte
	Stream int // the ALS stream it comes on; 0 for the other kinds
	Bytes  []byte
}

// World is what arrives, in order of arrival, and what is known about it.
type World struct {
	Name   string
	Epoch  int64 // Unix ns of the beginning, by the Envoys' clocks
	Events []Event
	Truth  Truth

	records []Records // of the events, when asked for
}

// Only gives the world of those records alone for which the functions say yes, to be judged: its events are those of w.
func (w *World) Only(entry func(*Entry) bool, span func(*Span) bool) (*World, error) {
	records, err := w.Records()
	if err != nil {
		return nil, err
	}
	only := *w
	only.records = make([]Records, len(records))
	for i, r := range records {
		no := func(e *Entry) bool { return !entry(e) }
		none := func(s *Span) bool { return !span(s) }
		only.records[i] = Records{r.At, slices.DeleteFunc(slices.Clone(r.Entries), no), slices.DeleteFunc(slices.Clone(r.Spans), none)}
	}
	return &only, nil
}

// Records is what one event brings.
type Records struct {
	At      time.Duration
	Entries []*Entry
	Spans   []*Span
}

// Records gives what the events bring, one by one. Nobody may change it.
func (w *World) Records() ([]Records, error) {
	if w.records != nil {
		return w.records, nil
	}
	var d Decoder
	list := make([]Records, len(w.Events))
	for i := range w.Events {
		entries, spans, err := d.Event(&w.Events[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		list[i] = Records{w.Events[i].At, entries, spans}
	}
	w.records = list
	return list, nil
}

// Truth is what the Envoys really did.
type Truth struct {
	Entries map[EntryKey]*Pass // End entries and attempts
	Spans   map[SpanKey]*Pass  // proxy spans
}

// Pass is one pass of a request through one Envoy; a redirect makes two.
type Pass struct {
	Node   string
	Tracer string // TraceContext or B3; "" when the Envoy does not trace
	Spawn  bool   // the Envoy makes CLIENT spans
	// Envoy's own span, exported or not; all empty when it made none.
	Trace, Own, Parent string
	Shared             bool   // Own is the caller's span, by the Zipkin way of sharing
	Caller             string // the id that the caller sent in the format that counts; "" when it sent none
	Ambiguous          bool   // the caller sent other formats, too
	Known              bool   // Trace, Own, Parent and Caller are known
	Exported           bool
}

// EntryKey tells access-log records apart, but not the copies of one.
type EntryKey struct {
	Node      string
	Type      int
	Start     int64
	Dur       int64
	RequestID string
	Logged    string // of attempts
}

// SpanKey tells spans apart.
type SpanKey struct {
	Trace, ID  string
	Kind       tracepb.Span_SpanKind
	Start, End int64
	Code       int
	Node       string
}

// Entry is an access-log record.
type Entry struct {
	Node, Log     string
	Minor         int // of Envoy's version 1.x; 0 when unknown
	TCP           bool
	Type          int
	Interim       bool
	Start, Dur    int64 // Unix ns, ns
	Cluster       string
	Direct        string // address of the direct peer
	Attempts      int
	Up            bool // has an upstream host
	Path          string
	RequestID     string // as it was sent; Masked is the form in which it is compared
	Code          int
	Headers, Tags map[string]string

	At    time.Duration // arrival
	Event int           // index of the event that brought it
}

// End of the request or attempt, Unix ns.
func (e *Entry) End() int64 { return e.Start + e.Dur }

// Access-log types of envoy.data.accesslog.v3.
const (
	TypeNone  = 0
	TypeStart = 4
	TypeEnd   = 6
	TypeUp    = 9 // an attempt
)

// Key is the same for the copies of one record.
func (e *Entry) Key() EntryKey {
	k := EntryKey{Node: e.Node, Type: e.Type, Start: e.Start, Dur: e.Dur, RequestID: Masked(e.RequestID)}
	if e.Type == TypeUp {
		k.Logged = loggedIDs(e.Headers)
	}
	return k
}

// Makes tells whether the record is one that makes a span.
func (e *Entry) Makes() bool {
	return !e.TCP && (e.Type == TypeEnd || e.Type == TypeUp || e.Type == TypeNone && e.Dur != 0 && !e.Interim && (e.Path != "" || e.Code != 0))
}

// Span is a span as an Envoy sent it.
type Span struct {
	Trace, ID, Parent string // hex
	Name              string
	Kind              tracepb.Span_SpanKind
	Start, End        int64 // Unix ns
	Error             bool
	Service, Node     string
	RequestID         string // raw
	Code              int
	Shared            bool
	Format            string // of the tracer: TraceContext or B3
	Proxy             bool   // it is of the downstream request
	Tags              map[string]string

	At    time.Duration
	Event int
}

// Key is the span's identity.
func (s *Span) Key() SpanKey { return SpanKey{s.Trace, s.ID, s.Kind, s.Start, s.End, s.Code, s.Node} }

// Masked gives a request id in the form in which every signal has it: the trace reason at character 14, which Envoy may
// change, masked, and bytes outside printable ASCII as "!".
func Masked(id string) string {
	b := []byte(id)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '!'
		}
	}
	if IsUUID(id) {
		b[14] = 'x'
	}
	return string(b)
}

// IsUUID tells whether id has the form 8-4-4-4-12 of hexadecimal digits.
func IsUUID(id string) bool {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
