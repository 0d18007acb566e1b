package propagation

// Format is one way to write a trace context into headers.
type Format uint8

// The formats, in the default order of precedence.
const (
	TraceParent Format = iota // traceparent: W3C Trace Context
	B3Multi                   // x-b3-*: B3 in several headers
	B3Single                  // b3: B3 in one header
	NumFormats
)

// A format is a row of the table of formats. A further one is a row here, a constant above and its functions.
type format struct {
	name   string   // in configuration and metric labels
	keys   []string // header names in lower case, at most maxKeys
	header func(st *state, key int, value []byte)
	settle func(st *state) // after the last header; nil where one header says everything
}

var formats = [NumFormats]format{
	TraceParent: {name: "traceparent", keys: []string{"traceparent"}, header: traceParentHeader},
	B3Multi: {name: "x-b3", keys: []string{b3Trace: "x-b3-traceid", b3Span: "x-b3-spanid", b3Parent: "x-b3-parentspanid",
		b3Sampled: "x-b3-sampled", b3Flags: "x-b3-flags"}, header: b3MultiHeader, settle: b3MultiSettle},
	B3Single: {name: "b3", keys: []string{"b3"}, header: b3SingleHeader},
}

const maxKeys = 5

// state is what has been learned of one format.
type state struct {
	ctx    Context
	reason Reason
	seen   uint8           // bit k: the row's key k was logged
	fields [maxKeys]Reason // what is wrong with the header of key k, where the format has several
}

func (st *state) has(key int) bool { return st.seen>>key&1 != 0 }

// String gives the name of f in configuration and metric labels.
func (f Format) String() string {
	if f >= NumFormats {
		return "unknown"
	}
	return formats[f].name
}

// ParseFormat gives the format with that name, false when there is none.
func ParseFormat(name string) (Format, bool) {
	for f := range formats {
		if formats[f].name == name {
			return Format(f), true
		}
	}
	return 0, false
}

// Decision is what a context says about sampling.
type Decision uint8

// The decisions. Deferred leaves it to the receiver and is no refusal; Debug is Sampled that bypasses samplers (B3 only).
const (
	Deferred Decision = iota
	NotSampled
	Sampled
	Debug
)

// FlagSampled and FlagRandom are the bits of Context.Flags (W3C Trace Context, trace-flags).
const (
	FlagSampled byte = 0x01
	FlagRandom  byte = 0x02
)

// Context is a valid trace context. Trace and Span are never zero. It owns all its bytes.
type Context struct {
	Trace    TraceID
	Span     SpanID
	Parent   SpanID // the parent of Span where B3 names it, else zero
	Decision Decision
	Flags    byte // W3C: the header's bits as far as they have a meaning; B3: FlagSampled when Sampled or Debug
}

// Reason tells why a format gave no context.
type Reason uint8

// The reasons. Absent and NoIDs are no faults.
const (
	Valid      Reason = iota
	Absent            // no header of the format was logged, or none that says anything
	BadLength         // a value or an id is too short or too long
	BadVersion        // traceparent: no version, or ff
	BadLayout         // parts missing, too many, or not where they belong
	BadHex            // an id has a character that is not lower-case hex
	ZeroID            // an id is all zeros
	BadFlags          // traceparent: flags are not lower-case hex
	Duplicate         // traceparent: more than one header
	BadSampled        // B3: a sampling state that does not exist
	Incomplete        // x-b3-*: one id without the other
	NoIDs             // B3: a decision alone
	NumReasons
)

var reasonNames = [NumReasons]string{"valid", "absent", "length", "version", "layout", "hex", "zero", "flags", "duplicate", "sampled", "incomplete", "no_ids"}

// String gives the value of r as metric label.
func (r Reason) String() string {
	if r >= NumReasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Invalid tells whether r is a fault: a context was there, but cannot be used.
func (r Reason) Invalid() bool { return r != Valid && r != Absent && r != NoIDs }
