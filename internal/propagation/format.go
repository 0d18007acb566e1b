package propagation

import (
	"math/bits"
	"slices"
)

// Format is one way to write a trace context into headers.
type Format uint8

// The formats, in the default order of precedence.
const (
	TraceParent Format = iota // traceparent: W3C Trace Context
	B3Multi                   // x-b3-*: B3 in several headers
	B3Single                  // b3: B3 in one header
	Jaeger                    // uber-trace-id
	Datadog                   // x-datadog-*
	XRay                      // x-amzn-trace-id: AWS X-Ray, and Amazon's load balancers
	CloudTrace                // x-cloud-trace-context: Google
	LightStep                 // x-ot-span-context
	OTTracer                  // ot-tracer-*: OpenTracing's basic tracers
	Census                    // grpc-trace-bin: OpenCensus
	NumFormats
)

// Formats is a set of formats.
type Formats uint16

// Has tells whether f is in the set.
func (s Formats) Has(f Format) bool { return s>>f&1 != 0 }

// Next takes the format with the highest precedence out of the set, false when it is empty.
func (s *Formats) Next() (Format, bool) {
	if *s == 0 {
		return 0, false
	}
	f := Format(bits.TrailingZeros16(uint16(*s)))
	*s &= *s - 1
	return f, true
}

// FormatsOf gives the set of those formats.
func FormatsOf(list []Format) (s Formats) {
	for _, f := range list {
		s |= 1 << f
	}
	return s
}

// A format is a row of the table of formats. A further one is a row here, a constant above and its functions.
type format struct {
	name   string   // in configuration and metric labels
	keys   []string // header names in lower case, at most maxKeys
	header func(st *state, key int, value []byte)
	settle func(st *state) // after the last header; nil where one header says everything
	faults []Reason        // why it may give no context, of those that are Invalid
}

var formats = [NumFormats]format{
	TraceParent: {name: "traceparent", keys: []string{"traceparent"}, header: traceParentHeader,
		faults: []Reason{BadLength, BadVersion, BadLayout, BadHex, ZeroID, BadFlags, Duplicate}},
	B3Multi: {name: "x-b3", keys: []string{b3Trace: "x-b3-traceid", b3Span: "x-b3-spanid", b3Parent: "x-b3-parentspanid",
		b3Sampled: "x-b3-sampled", b3Flags: "x-b3-flags"}, header: b3MultiHeader, settle: b3MultiSettle,
		faults: []Reason{BadLength, BadHex, ZeroID, BadSampled, Incomplete}},
	B3Single: {name: "b3", keys: []string{"b3"}, header: b3SingleHeader,
		faults: []Reason{BadLength, BadLayout, BadHex, ZeroID, BadSampled}},
	Jaeger: {name: "uber-trace-id", keys: []string{"uber-trace-id"}, header: single(parseJaeger),
		faults: []Reason{BadLength, BadLayout, BadHex, ZeroID, BadFlags}},
	Datadog: {name: "x-datadog", keys: []string{ddTrace: "x-datadog-trace-id", ddParent: "x-datadog-parent-id",
		ddPriority: "x-datadog-sampling-priority", ddTags: "x-datadog-tags", ddOrigin: "x-datadog-origin"}, header: datadogHeader, settle: datadogSettle,
		faults: []Reason{BadLength, ZeroID, Incomplete, BadDecimal}},
	XRay: {name: "x-amzn-trace-id", keys: []string{"x-amzn-trace-id"}, header: single(parseXRay),
		faults: []Reason{BadLength, BadVersion, BadLayout, BadHex, ZeroID, Incomplete}},
	CloudTrace: {name: "x-cloud-trace-context", keys: []string{"x-cloud-trace-context"}, header: single(parseCloudTrace),
		faults: []Reason{BadLength, BadLayout, BadHex, ZeroID, BadFlags, BadDecimal}},
	LightStep: {name: "x-ot-span-context", keys: []string{"x-ot-span-context"}, header: single(parseLightStep),
		faults: []Reason{BadLength, BadLayout, ZeroID, BadBase64}},
	OTTracer: {name: "ot-tracer", keys: []string{otTrace: "ot-tracer-traceid", otSpan: "ot-tracer-spanid", otSampled: "ot-tracer-sampled"},
		header: otTracerHeader, settle: otTracerSettle,
		faults: []Reason{BadLength, BadHex, ZeroID, BadSampled, Incomplete}},
	Census: {name: "grpc-trace-bin", keys: []string{"grpc-trace-bin"}, header: single(parseCensus),
		faults: []Reason{BadLength, BadVersion, ZeroID, Incomplete, BadBase64}},
}

// single makes the function of a format with one header: of several the first counts. What parse fills in means something only
// when it gives Valid.
func single(parse func(ctx *Context, value []byte) Reason) func(st *state, key int, value []byte) {
	return func(st *state, key int, value []byte) {
		if st.has(key) {
			return
		}
		if st.reason = parse(&st.ctx, firstValue(value)); st.reason != Valid {
			st.ctx = Context{}
		}
		st.ctx.complete()
	}
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

// Gives tells whether r is a fault that format f may have.
func (f Format) Gives(r Reason) bool { return f < NumFormats && slices.Contains(formats[f].faults, r) }

// Decision is what a context says about sampling.
type Decision uint8

// The decisions. Deferred leaves it to the receiver and is no refusal; Debug is Sampled that bypasses samplers (B3 and Jaeger).
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

// Context is a valid trace context. It owns all its bytes.
type Context struct {
	Trace    TraceID // never zero
	Span     SpanID  // zero where a load balancer or a synthetic test names a trace alone: of XRay, CloudTrace and Datadog
	Parent   SpanID  // the parent of Span where B3 or Jaeger names it, else zero
	Decision Decision
	Flags    byte // W3C: the header's bits as far as they have a meaning; else FlagSampled when Sampled or Debug
}

// complete fills in what follows from the rest.
func (c *Context) complete() {
	if c.Parent == c.Span { // a span is not its own parent; Zipkin reads this as none, too
		c.Parent = SpanID{}
	}
	if c.Decision >= Sampled {
		c.Flags = FlagSampled
	}
}

// Reason tells why a format gave no context.
type Reason uint8

// The reasons. Absent and NoIDs are no faults.
const (
	Valid      Reason = iota
	Absent            // no header of the format was logged, or none that says anything
	BadLength         // a value or an id is too short or too long
	BadVersion        // none, or one that is not known
	BadLayout         // parts missing, too many, or not where they belong
	BadHex            // an id has a character that is not hex; of W3C and B3: not lower-case hex
	ZeroID            // an id is all zeros
	BadFlags          // flags or options that are not numbers
	Duplicate         // traceparent: more than one header
	BadSampled        // a sampling state that does not exist
	Incomplete        // one id without the other
	NoIDs             // a decision alone
	BadDecimal        // an id is not a decimal number of 64 bits
	BadBase64         // the value is not base64
	NumReasons
)

var reasonNames = [NumReasons]string{"valid", "absent", "length", "version", "layout", "hex", "zero", "flags", "duplicate", "sampled", "incomplete", "no_ids", "decimal", "base64"}

// String gives the value of r as metric label.
func (r Reason) String() string {
	if r >= NumReasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Invalid tells whether r is a fault: a context was there, but cannot be used.
func (r Reason) Invalid() bool { return r != Valid && r != Absent && r != NoIDs }
