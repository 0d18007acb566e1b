package spanbuilder

import (
	"slices"

	"github.com/alspan/alspan/internal/pods"
	"github.com/alspan/alspan/internal/propagation"
	"github.com/alspan/alspan/internal/wire"
)

// Claim is what one entry proves about its place in a trace. What is not proven is derived (Own) or zero (Parent, Up).
type Claim struct {
	Row         int // index into the table of evidence
	Trace       propagation.TraceID
	Own         propagation.SpanID // the span of this request
	Parent      propagation.SpanID // the caller's span
	Up          propagation.SpanID // an id that went upstream and is not Own
	Flags       byte               // W3C trace flags of the context that counts
	Logged      propagation.SpanID // the id of the context that counts, zero if there is none, or none in it
	Injected    Injected           // whether Envoy has overwritten that id
	Derived     bool               // Own was not known, so that nobody else can have it
	NoClient    bool               // a CLIENT is there already, or comes from elsewhere
	Unsampled   bool               // that context says that the trace is not sampled
	Refused     bool               // the tracer did not sample the request
	Debug       bool               // B3: it has to be kept
	Contextless bool               // no trace context, and nothing else, tells the trace
	TimedOut    bool               // it is an attempt of a request that Envoy gave up, being too late
	Request     uint64             // of an attempt: what its request is remembered by, 0 if that is not known
	TraceState  []byte             // borrowed from the entry, unchecked
	Pod         *pods.Pod          // the sender, nil if it is not known
	Links       [maxLinks]propagation.Context
	NumLinks    int // of Links: valid contexts in other traces that name a span
}

// maxLinks is how many links a span may get: those to the contexts that come first in the configured order.
const maxLinks = 3

// Injected says whether Envoy has overwritten the logged id.
type Injected uint8

const (
	InjectedUnknown Injected = iota
	NotInjected
	WasInjected
)

// Identity finds out what entries prove. It belongs to one goroutine.
type Identity struct {
	Set   propagation.Set // the contexts of the entry last seen
	Pod   *pods.Pod       // of its sender
	order []propagation.Format
	reads propagation.Formats // those of order
	tags  idTags
	start *Starts
	derivation
	taken Started
	found evidence
}

// Learn keeps what the start entry e, whose headers were read, says about its caller.
func (i *Identity) Learn(e *wire.Entry, l *Logger) {
	if _, ok := i.Set.TraceState(); ok {
		l.logsTraceState.Store(true)
	}
	i.start.Learn(i.startKey(e, l), &i.Set)
}

// Headers reads the trace contexts of e.
func (i *Identity) Headers(e *wire.Entry) {
	i.Set.Reset()
	headers := e.Fields(wire.RequestHeaders)
	for n := range headers.Len() {
		if key, value := headers.At(n); propagation.IsKeyLength(key.Len()) {
			i.Set.Header(e.Bytes(key), e.Bytes(value))
		}
	}
	i.Set.Finish()
}

// HasContext tells whether those headers have a trace context.
func (i *Identity) HasContext() bool {
	seen := i.Set.Seen()
	for f, ok := seen.Next(); ok; f, ok = seen.Next() {
		if _, ok := i.Set.Get(f); ok {
			return true
		}
	}
	return false
}

// HasTrace tells whether those headers, or the ids that a line or record has beside them, tell the trace of e.
func (i *Identity) HasTrace(e *wire.Entry, l *Logger) bool {
	if i.HasContext() {
		return true
	}
	if l.form == FromALS {
		return false
	}
	trace, _ := i.tags.ids(e)
	return !trace.IsZero()
}

// Read finds out what e, whose headers were read, says about its place, and takes what its start entry has said.
func (i *Identity) Read(e *wire.Entry, l *Logger) {
	var s Started
	if i.start.any() {
		s, _ = i.start.Take(i.startKey(e, l))
	}
	i.read(e, l, s)
}

// Forget takes what the start entry of e has said, for nothing: e repeats what another log has said.
func (i *Identity) Forget(e *wire.Entry, l *Logger) {
	if i.start.any() {
		i.start.Take(i.startKey(e, l))
	}
}

// Recall is Headers and Read for an entry that has waited, with what its start entry has said.
func (i *Identity) Recall(e *wire.Entry, l *Logger, s Started) {
	i.Headers(e)
	i.read(e, l, s)
}

func (i *Identity) read(e *wire.Entry, l *Logger, s Started) {
	i.taken = s
	v := &i.found
	*v = evidence{entry: e, logger: l}
	_, v.traceState = i.Set.TraceState()
	v.tagTrace, v.tagSpan = i.tags.ids(e)
	if s.has != 0 {
		v.start = &i.taken
	}
	v.format, v.logged = i.context(v)
	if v.start != nil && !v.start.Knows(v.format) {
		v.start = nil
	}
	l.observe(v)
	l.observeReason(e)
}

// Claim tells in c what e, which l has logged, proves.
func (i *Identity) Claim(e *wire.Entry, l *Logger, c *Claim) {
	i.Headers(e)
	i.Read(e, l)
	i.Prove(c)
}

// Refused tells whether this Envoy's tracer did not sample the request of the entry last read: the flag of its context says so, which
// counts in the tracer's own format only, or, without a context, its x-request-id.
func (i *Identity) Refused() bool {
	v := &i.found
	tracer, known := v.logger.tracerFormat()
	if v.logged != nil {
		return v.logged.Decision == propagation.NotSampled && (!known || slices.Contains(family(tracer), v.format))
	}
	id := v.entry.Text(wire.RequestID)
	return v.tagTrace.IsZero() && v.logger.reasons.Load() && isUUID(id) && id[reasonAt] == '4'
}

// SurelyRefused tells whether it has not, whatever else there is to know: up to Envoy 1.38 a sampled context of the caller counts for more
// than the x-request-id, and this log may not have it.
func (i *Identity) SurelyRefused() bool {
	return i.Refused() && (i.found.logged != nil || !i.found.logger.old)
}

// SureTrace tells whether the entry last read and its span, if one comes, agree about the trace: it has a context in the tracer's
// format.
func (i *Identity) SureTrace() bool {
	v := &i.found
	tracer, known := v.logger.tracerFormat()
	switch {
	case v.logged == nil:
		return false
	case !v.tagTrace.IsZero():
		return v.tagTrace == v.logged.Trace
	case !known:
		return v.logger.Silent()
	}
	return slices.Contains(family(tracer), v.format)
}

// Trace gives the trace of the context of the entry last read; there must be one.
func (i *Identity) Trace() propagation.TraceID { return i.found.logged.Trace }

// Debug tells whether the context of the entry last read says that its trace has to be kept.
func (i *Identity) Debug() bool {
	return i.found.logged != nil && i.found.logged.Decision == propagation.Debug
}

// Unsampled tells whether the context of the entry last read says that its trace is not sampled.
func (i *Identity) Unsampled() bool {
	return i.found.logged != nil && i.found.logged.Decision == propagation.NotSampled
}

// Prove tells in c what the entry last read proves, by what is known by now.
func (i *Identity) Prove(c *Claim) {
	v := &i.found
	*c = Claim{Pod: i.Pod}
	for n := range rows {
		if rows[n].holds(v) {
			c.Row = n
			rows[n].claim(v, c)
			break
		}
	}
	i.complete(v, c)
	c.Refused, c.Debug, c.Contextless = i.Refused(), i.Debug(), v.logged == nil && v.tagTrace.IsZero()
}

// context finds the context that counts: the one in the format of this Envoy's tracer. It is the format whose id is not
// the caller's, or whose trace the tag names; else that of the logger's last such proof; else the configured order decides.
func (i *Identity) context(v *evidence) (propagation.Format, *propagation.Context) {
	order := i.order
	if v.start != nil {
		for _, f := range order {
			if c, ok := i.Set.Get(f); ok && v.start.Knows(f) && v.start.ID(f) != c.Span && !c.Span.IsZero() { // a tracer names its span
				v.logger.node.proven.Store(int32(f) + 1)
				return f, c
			}
		}
	}
	if !v.tagTrace.IsZero() {
		for _, f := range order {
			if c, ok := i.Set.Get(f); ok && c.Trace.Low() == v.tagTrace.Low() {
				return f, c
			}
		}
	}
	if t, ok := v.logger.tracerFormat(); ok {
		// Up to Envoy 1.39 a single b3 header is still the caller's, so that family goes with x-b3-* first.
		for _, f := range family(t) {
			if c, ok := i.Set.Get(f); ok && slices.Contains(order, f) {
				return f, c
			}
		}
	}
	f, c, _ := i.Set.Choose(order)
	return f, c
}

// families are the formats that one tracer may speak, by any of them.
var families = func() (list [propagation.NumFormats][]propagation.Format) {
	for f := range propagation.NumFormats {
		list[f] = []propagation.Format{f}
	}
	b3 := []propagation.Format{propagation.B3Multi, propagation.B3Single}
	list[propagation.B3Multi], list[propagation.B3Single] = b3, b3
	return list
}()

// family gives the formats that one tracer may speak, f being one of them.
func family(f propagation.Format) []propagation.Format { return families[f] }

// complete fills in what no row decides: the trace, derived ids, flags, trace state and links.
func (i *Identity) complete(v *evidence, c *Claim) {
	var logged propagation.SpanID
	if v.logged != nil {
		logged = v.logged.Span
		c.Logged = logged
		if c.Trace.IsZero() {
			c.Trace = v.logged.Trace
		}
	}
	if c.Trace.IsZero() {
		c.Trace = v.tagTrace
	}
	if c.Trace.IsZero() {
		c.Trace = i.newTrace(v.entry, v.logger)
	}
	if c.Own.IsZero() {
		c.Own, c.Derived = i.newSpan(roleServer, c.Trace, logged, v.entry, v.logger), true
	}
	c.Injected = v.injected(c)
	if c.Up == c.Own {
		c.Up = propagation.SpanID{}
	}
	if c.Parent == c.Own {
		c.Parent = propagation.SpanID{}
	}
	if v.logged != nil && v.logged.Trace.Low() == c.Trace.Low() {
		c.Flags = v.logged.Flags
		c.Unsampled = v.logged.Decision == propagation.NotSampled
	}
	i.links(c)
	if ctx, ok := i.Set.Get(propagation.TraceParent); ok && i.reads.Has(propagation.TraceParent) && ctx.Trace.Low() == c.Trace.Low() {
		c.TraceState, _ = i.Set.TraceState()
	}
}

// links makes links of the contexts in other traces, in the configured order.
func (i *Identity) links(c *Claim) {
	left := i.Set.Seen() & i.reads
	for _, f := range i.order {
		if left == 0 {
			return
		}
		if ctx, ok := i.Set.Get(f); ok && ctx.Trace.Low() != c.Trace.Low() {
			c.link(ctx)
		}
		left &^= 1 << f
	}
}

// link adds a link, if it is another one. One to a trace alone is not valid in OTLP.
func (c *Claim) link(ctx *propagation.Context) {
	if ctx.Span.IsZero() || c.NumLinks == len(c.Links) {
		return
	}
	for _, l := range c.Links[:c.NumLinks] {
		if l.Trace == ctx.Trace && l.Span == ctx.Span {
			return
		}
	}
	c.Links[c.NumLinks] = *ctx
	c.NumLinks++
}

// ClientID gives a derived id for the CLIENT span of e, for requests whose upstream id is not known.
func (i *Identity) ClientID(e *wire.Entry, l *Logger, c *Claim) propagation.SpanID {
	return i.newSpan(roleClient, c.Trace, c.Own, e, l)
}

// TraceTag and SpanTag are the tags in which entries have those ids that were made of something else, whatever the names of Envoy's tags.
const (
	TraceTag = "alspan.trace_id"
	SpanTag  = "alspan.span_id"
)

// idTags are the names of the custom tags with Envoy's own ids.
type idTags struct {
	trace, span []string
	lengths     uint64 // bit n: a name has n bytes, 63 or more
}

func newIDTags(trace, span []string) idTags {
	t := idTags{trace: trace, span: span}
	for _, name := range slices.Concat(trace, span) {
		t.lengths |= 1 << min(len(name), 63)
	}
	return t
}

// has tells whether key is one of the names.
func (t *idTags) has(key []byte) bool {
	return t.maybe(len(key)) && (slices.Contains(t.trace, string(key)) || slices.Contains(t.span, string(key)))
}

// maybe tells whether a name has n bytes: most tags need no second look.
func (t *idTags) maybe(n int) bool { return t.lengths>>min(n, 63)&1 != 0 }

// ids gives the ids in e's tags, zero for an absent one. "-", an empty value and zeros mean absent.
func (t *idTags) ids(e *wire.Entry) (trace propagation.TraceID, span propagation.SpanID) {
	tags, some := e.Fields(wire.CustomTags), false
	for i := range tags.Len() {
		key, _ := tags.At(i)
		some = some || t.maybe(key.Len())
	}
	if !some {
		return trace, span
	}
	for _, name := range t.trace {
		if v, ok := tags.Get(name); ok {
			if trace, ok = propagation.ParseTraceID(v); ok {
				break
			}
		}
	}
	for _, name := range t.span {
		if v, ok := tags.Get(name); ok {
			if span, ok = propagation.ParseSpanID(v); ok {
				break
			}
		}
	}
	return trace, span
}
