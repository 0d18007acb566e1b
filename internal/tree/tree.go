// Package tree takes OTLP spans and gives their traces as text for a person to read: one line per span, drawn as a tree,
// with aligned columns. A Printer holds a trace until it seems complete; Print draws what it gets at once.
package tree

import (
	"bufio"
	"io"
	"slices"
	"sync"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Options say how traces look and how long they are held. The zero value is for a file.
type Options struct {
	Color  bool // with ANSI colours
	Width  int  // columns of a line; longer names are cut, and the lines of very narrow widths overflow; 0: 120
	Events bool // below each span its events, with their times from the span's start

	Quiet     time.Duration // a trace is complete when no span has come for so long; 0: 1.5 s
	MaxTraces int           // held; beyond that the oldest is printed as it is; 0: 256
	MaxSpans  int           // held of one trace; a trace with so many is printed as it is; 0: 1000
}

// Printer holds traces and prints each as a whole. Spans that come after their trace has been printed make another tree
// of the same trace. All methods may be called by several goroutines at once; the time is the caller's.
type Printer struct {
	mu   sync.Mutex
	w    io.Writer
	o    Options
	held []*trace // in order of their first span
}

// trace is the spans of one trace, in order of arrival.
type trace struct {
	id    string // as in the spans: 16 bytes, if they are right
	spans []span
	last  time.Time // when the last came
}

// span is a span with the one thing that is wanted of its resource.
type span struct {
	*tracepb.Span
	service string
}

// NewPrinter gives a printer that writes to w, one Write per trace.
func NewPrinter(w io.Writer, o Options) *Printer {
	o = o.defaults()
	return &Printer{w: w, o: o}
}

func (o Options) defaults() Options {
	for _, f := range []struct {
		value *int
		other int
	}{{&o.Width, 120}, {&o.MaxTraces, 256}, {&o.MaxSpans, 1000}} {
		if *f.value <= 0 {
			*f.value = f.other
		}
	}
	if o.Quiet <= 0 {
		o.Quiet = 1500 * time.Millisecond
	}
	return o
}

// Add takes spans that came at now. They must not be changed afterwards. It prints what no longer fits; the error is the
// writer's.
func (p *Printer) Add(now time.Time, rs []*tracepb.ResourceSpans) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	print := func(i int) {
		t := p.held[i]
		p.held = slices.Delete(p.held, i, i+1)
		if e := t.print(p.w, p.o); err == nil {
			err = e
		}
	}
	each(rs, func(s span) {
		i := slices.IndexFunc(p.held, func(t *trace) bool { return t.id == string(s.TraceId) })
		if i < 0 {
			if len(p.held) >= p.o.MaxTraces {
				print(0)
			}
			i = len(p.held)
			p.held = append(p.held, &trace{id: string(s.TraceId)})
		}
		t := p.held[i]
		t.spans, t.last = append(t.spans, s), now
		if len(t.spans) >= p.o.MaxSpans {
			print(i)
		}
	})
	return err
}

// Flush prints the traces of which no span has come for Options.Quiet before now, oldest first.
func (p *Printer) Flush(now time.Time) error {
	return p.flush(func(t *trace) bool { return now.Sub(t.last) >= p.o.Quiet })
}

// Close prints everything that is held.
func (p *Printer) Close() error {
	return p.flush(func(*trace) bool { return true })
}

func (p *Printer) flush(due func(*trace) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	p.held = slices.DeleteFunc(p.held, func(t *trace) bool {
		if !due(t) {
			return false
		}
		if e := t.print(p.w, p.o); err == nil {
			err = e
		}
		return true
	})
	return err
}

// Print prints all spans at once, trace by trace in order of their first spans.
func Print(w io.Writer, rs []*tracepb.ResourceSpans, o Options) error {
	var traces []*trace
	known := map[string]*trace{}
	each(rs, func(s span) {
		t := known[string(s.TraceId)]
		if t == nil {
			t = &trace{id: string(s.TraceId)}
			known[t.id] = t
			traces = append(traces, t)
		}
		t.spans = append(t.spans, s)
	})
	o = o.defaults()
	b := bufio.NewWriter(w)
	for _, t := range traces {
		if err := t.print(b, o); err != nil {
			return err
		}
	}
	return b.Flush()
}

// each calls f for each span.
func each(rs []*tracepb.ResourceSpans, f func(span)) {
	for _, r := range rs {
		service := attribute(r.GetResource().GetAttributes(), "service.name")
		for _, ss := range r.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				if s != nil {
					f(span{s, service})
				}
			}
		}
	}
}

// attribute gives the value of the first of those keys that is there, as text; "" if none is.
func attribute(attributes []*commonpb.KeyValue, keys ...string) string {
	for _, key := range keys {
		for _, a := range attributes {
			if a.GetKey() == key {
				return text(a.GetValue())
			}
		}
	}
	return ""
}
