package spanbuilder

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Upstream says when a second span, of kind CLIENT, is made for an entry.
type Upstream uint8

const (
	UpstreamAuto   Upstream = iota // when an id went upstream that is not the span's own
	UpstreamAlways                 // whenever an upstream host was reached
	UpstreamNever
)

// Options say what spans contain.
type Options struct {
	Events          bool
	Upstream        Upstream
	RequestHeaders  []string // lower case; become http.request.header.<key>
	ResponseHeaders []string // lower case; of headers and trailers
	Baggage         []string // keys of members that become baggage.<key>, at most 64
	RedactQuery     []string // names of query parameters, in any case
	MaxValue        int      // bytes
	Headers         []propagation.Format
	TraceTags       []string // names of custom tags with Envoy's trace id
	SpanTags        []string // names of custom tags with Envoy's span id
	StartMemory     int64
	Pods            *pods.Index // who has the addresses of callers and upstreams; nil: nobody is known
}

// Builder makes spans from entries. It is shared by all streams.
type Builder struct {
	opts   Options
	redact map[string]bool
	// redactLengths has bit n set where a parameter to redact has n bytes, 63 or more: most names end there.
	redactLengths uint64
	methods       methodSet
	idTags        idTags
	// listBound is the room for the keys of all headers that may become attributes.
	listBound int
	baggage   []baggageKey
	// Starts are the start entries whose end has not come.
	Starts *Starts
}

// New makes a builder.
func New(o Options) *Builder {
	o.RequestHeaders, o.ResponseHeaders = distinct(o.RequestHeaders), distinct(o.ResponseHeaders)
	b := &Builder{opts: o, redact: map[string]bool{}, idTags: newIDTags(append(slices.Clone(o.TraceTags), TraceTag), append(slices.Clone(o.SpanTags), SpanTag)), Starts: NewStarts(o.StartMemory)}
	b.methods.longest = min(maxMethodLen, o.MaxValue)
	for _, name := range slices.Concat(o.RequestHeaders, o.ResponseHeaders) {
		b.listBound += fieldBound + len(name)
	}
	b.baggage = newBaggageKeys(o.Baggage)
	for i := range b.baggage {
		b.listBound += fieldBound + len(b.baggage[i].attribute)
	}
	for _, name := range o.RedactQuery {
		lower := strings.ToLower(name)
		b.redact[lower] = true
		b.redactLengths |= 1 << min(len(lower), 63)
	}
	return b
}

// distinct gives the names in order, each once: an attribute that is there twice is not allowed in OTLP.
func distinct(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// Identity makes what one goroutine needs to find out what entries prove.
func (b *Builder) Identity() *Identity {
	order := slices.Clone(b.opts.Headers)
	return &Identity{order: order, reads: propagation.FormatsOf(order), tags: b.idTags, start: b.Starts}
}

// Span kinds of OTLP.
const (
	kindServer = 2
	kindClient = 3
)

// Bits 8 and 9 of OTLP's span flags: whether the parent is remote is known, and it is.
const (
	flagRemoteKnown = 0x100
	flagRemote      = 0x200
)

// request is one entry on its way into a span.
type request struct {
	encoder
	b      *Builder
	e      *wire.Entry
	l      *Logger
	c      *Claim
	kind   int
	start  uint64
	end    uint64
	target target
	rpc    rpc
	// answered tells whether there was a response that the span is about.
	answered bool
}

// What Bound allows for besides the values that entries bring: the ids, numbers, events, links, trace state, own names
// and keys of one span; the keys and lengths around one value of a list.
const (
	fixedBound = 6 << 10
	fieldBound = 64
)

// Bound gives the most bytes that a span of e can take: what Server and Client append is never longer.
func (b *Builder) Bound(e *wire.Entry) int {
	n := fixedBound + b.listBound
	add := func(v []byte, grows int) { n += min(len(v)*grows, b.opts.MaxValue) }
	// A byte that is not UTF-8 becomes three. A value that is there twice, be it as a part of url.full, is added twice.
	for _, v := range [...][]byte{e.Text(wire.Authority), e.Text(wire.Authority), e.Text(wire.Scheme), e.Text(wire.Scheme), e.Text(wire.UserAgent), e.Text(wire.RequestID), e.Text(wire.UpstreamCluster), e.Text(wire.RouteName),
		e.Text(wire.CodeDetails), e.Text(wire.TerminationDetails), e.Text(wire.UpstreamFailure), e.Text(wire.DownstreamFailure), e.Text(wire.SNI), e.Bytes(e.DownstreamRemote.Host),
		e.Bytes(e.DownstreamDirect.Host), e.Bytes(e.DownstreamLocal.Host), e.Bytes(e.UpstreamRemote.Host), e.Bytes(e.UpstreamRemote.Host), e.Text(wire.ForwardedFor)} {
		add(v, 3)
	}
	for _, v := range [...][]byte{e.Text(wire.Path), e.Text(wire.OriginalPath)} {
		add(v, 3) // rpc.method_original
		add(v, 5) // url.path and url.query, where "=&" may become "=REDACTED&"
		add(v, 5) // url.full
	}
	tags := e.Fields(wire.CustomTags)
	for i := range min(tags.Len(), maxAttributes) {
		n += fieldBound
		add(tags.Key(i), 3)
		add(tags.Value(i), 3)
	}
	for _, m := range [...]wire.MapField{wire.RequestHeaders, wire.ResponseHeaders, wire.ResponseTrailers} {
		for i, list := 0, e.Fields(m); i < list.Len(); i++ {
			add(list.Value(i), 3)
		}
	}
	if original, ok := originalMethod(e); ok {
		add(original, 3)
	}
	if len(b.baggage) > 0 {
		n += b.baggageBound(e)
	}
	return n
}

// Server appends the span of the request that e tells of, as a field of ScopeSpans: SERVER, or CLIENT where e is the
// sending half of a mesh hop. dst needs room for Bound(e) bytes.
func (b *Builder) Server(dst []byte, e *wire.Entry, l *Logger, c *Claim) ([]byte, Repairs) {
	kind := kindServer
	if l.outbound(e) {
		kind = kindClient
	}
	return b.request(dst, e, l, c, kind)
}

func (b *Builder) request(dst []byte, e *wire.Entry, l *Logger, c *Claim, kind int) ([]byte, Repairs) {
	var r request
	r.init(b, dst, e, l, c, sentPath(e))
	r.kind = kind
	flags := uint32(c.Flags)
	if !c.Parent.IsZero() {
		flags |= flagRemoteKnown | flagRemote
	}
	at := r.open(c.Own, c.Parent, flags)
	for i := range c.NumLinks {
		r.link(&c.Links[i])
	}
	r.common()
	r.requestAttributes()
	r.envoyAttributes()
	r.customTags() // last: what is too much is dropped from them
	if b.opts.Events {
		r.events()
	}
	return r.close(at)
}

// Client appends the span of the request's way from Envoy to the upstream host, with the given id below the span that
// Server makes. dst needs room for Bound(e) bytes.
func (b *Builder) Client(dst []byte, e *wire.Entry, l *Logger, c *Claim, id propagation.SpanID) ([]byte, Repairs) {
	var r request
	r.init(b, dst, e, l, c, e.At(wire.Path)) // as it was rewritten
	r.asClient()
	began := r.start
	// The last attempt: from its first byte up to its last byte down.
	if t := e.Timings[wire.FirstUpstreamTx]; t.Set {
		r.start = min(r.start+uint64(max(t.Duration(), 0)), r.end)
	}
	if t := e.Timings[wire.LastUpstreamRx]; t.Set {
		r.end = max(min(began+uint64(max(t.Duration(), 0)), r.end), r.start)
	}
	at := r.open(id, c.Own, uint32(c.Flags)|flagRemoteKnown)
	r.common()
	r.upstreamAttributes()
	return r.close(at)
}

// ClientSpan tells whether e needs a CLIENT span and gives its id.
func (b *Builder) ClientSpan(i *Identity, e *wire.Entry, l *Logger, c *Claim) (propagation.SpanID, bool) {
	switch {
	case b.opts.Upstream == UpstreamNever || e.TCP || c.NoClient:
		return propagation.SpanID{}, false
	case !c.Up.IsZero():
		return c.Up, true
	case b.opts.Upstream == UpstreamAlways && e.HasUpstream():
		return i.ClientID(e, l, c), true
	}
	return propagation.SpanID{}, false
}

func (r *request) init(b *Builder, dst []byte, e *wire.Entry, l *Logger, c *Claim, path wire.Place) {
	r.dst, r.in, r.field, r.limit = dst, e.Input(), spanAttributes, b.opts.MaxValue
	r.b, r.e, r.l, r.c = b, e, l, c
	r.start, _ = e.Start.Unix()
	r.end = r.start + length(e)
	r.target = splitTarget(e, path)
	r.rpc = r.findRPC()
	r.answered = e.HasCode && e.Code != 0
}

// length gives how long the request took: its duration, else up to its last known byte.
func length(e *wire.Entry) uint64 {
	d := e.Duration.Duration()
	if !e.Duration.Set {
		for _, t := range e.Timings {
			d = max(d, t.Duration())
		}
	}
	return uint64(max(d, 0))
}

// open writes what every span begins with and gives where it begins.
func (r *request) open(id, parent propagation.SpanID, flags uint32) int {
	d := r.room()
	d[0] = scopeSpans<<3 | wire.Bytes // and two bytes for the length
	d[3], d[4] = spanTraceID<<3|wire.Bytes, 16
	*(*[16]byte)(d[5:]) = r.c.Trace
	d[21], d[22] = spanID<<3|wire.Bytes, 8
	*(*[8]byte)(d[23:]) = id
	n := 31
	if !parent.IsZero() {
		d[n], d[n+1] = spanParentID<<3|wire.Bytes, 8
		*(*[8]byte)(d[n+2:]) = parent
		n += 10
	}
	if flags != 0 {
		d[n], d[n+1] = (spanFlags<<3|wire.Fixed32)&0x7f|0x80, (spanFlags<<3|wire.Fixed32)>>7
		binary.LittleEndian.PutUint32(d[n+2:], flags)
		n += 6
	}
	d[n], d[n+1] = spanKind<<3|wire.Varint, byte(r.kind)
	d[n+2] = spanStart<<3 | wire.Fixed64
	binary.LittleEndian.PutUint64(d[n+3:], r.start)
	d[n+11] = spanEnd<<3 | wire.Fixed64
	binary.LittleEndian.PutUint64(d[n+12:], r.end)
	at := len(r.dst) + 1 + lengthRoom
	r.dst = r.dst[:len(r.dst)+n+20]
	r.name()
	if len(r.c.TraceState) > 0 {
		r.traceState()
	}
	return at
}

// traceState writes the part of the logged tracestate that may be forwarded.
func (r *request) traceState() {
	if v := propagation.AppendTraceState(r.scratch(), r.c.TraceState); len(v) > 0 {
		r.dst = wire.AppendBytes(r.dst, spanTraceState, v)
	}
}

// message Span.Link { bytes trace_id = 1; bytes span_id = 2; ...; fixed32 flags = 6; }
func (r *request) link(ctx *propagation.Context) {
	r.dst = wire.AppendVarint(r.dst, spanLinks<<3|wire.Bytes)
	r.dst = append(r.dst, 2+16+2+8+5)
	r.dst = wire.AppendBytes(r.dst, 1, ctx.Trace[:])
	r.dst = wire.AppendBytes(r.dst, 2, ctx.Span[:])
	r.dst = wire.AppendFixed32(r.dst, 6, uint32(ctx.Flags)|flagRemoteKnown|flagRemote)
}

func (r *request) close(at int) ([]byte, Repairs) {
	if r.dropped > 0 {
		r.dst = wire.AppendUint(r.dst, spanDroppedAttributes, uint64(r.dropped))
	}
	r.closeSpan(at)
	return r.dst, r.fixed
}

// The events are Envoy's own, by the names that its tracer gives them, in its order.
var eventNames = [wire.NumTimings]string{
	wire.LastDownstreamRx:  "last_downstream_rx_byte_received",
	wire.FirstUpstreamTx:   "first_upstream_tx_byte_sent",
	wire.LastUpstreamTx:    "last_upstream_tx_byte_sent",
	wire.FirstUpstreamRx:   "first_upstream_rx_byte_received",
	wire.LastUpstreamRx:    "last_upstream_rx_byte_received",
	wire.FirstDownstreamTx: "first_downstream_tx_byte_sent",
	wire.LastDownstreamTx:  "last_downstream_tx_byte_sent",
}

// completeEvent is the eighth timing, the whole duration.
const completeEvent = "request_complete"

// Events are rendered ahead, but for their time, which stands at eventTime:
// message Span.Event { fixed64 time_unix_nano = 1; string name = 2; }
const eventTime = 3

var timingEvents = func() (list [wire.NumTimings]block) {
	for i, name := range eventNames {
		list[i] = newEvent(name)
	}
	return list
}()

var durationEvent = newEvent(completeEvent)

func newEvent(name string) (b block) {
	event := wire.AppendBytes(wire.AppendFixed64(nil, 1, 0), 2, name)
	b.size = copy(b.bytes[:], wire.AppendBytes(nil, spanEvents, event))
	return b
}

func (r *request) events() {
	for i := range r.e.Timings {
		if t := &r.e.Timings[i]; t.Set && !r.hasEvent(eventNames[i]) {
			r.event(&timingEvents[i], r.start+uint64(max(t.Duration(), 0)))
		}
	}
	// Lines and records tell whole milliseconds: on a span that came, which is exact, that end may be before its start.
	if exact := r.came == nil || r.l.form == FromALS; exact && r.e.Duration.Set && !r.hasEvent(completeEvent) {
		r.event(&durationEvent, r.end)
	}
}

// hasEvent tells whether the span that came has such an event: Envoy's tracers can be told to write them.
func (r *request) hasEvent(name string) bool {
	return r.came != nil && r.came.HasEvents() && r.came.HasEvent(name)
}

func (r *request) event(rendered *block, at uint64) {
	n := len(r.dst)
	r.block(rendered)
	binary.LittleEndian.PutUint64(r.dst[n+eventTime:], at)
}
