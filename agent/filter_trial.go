package agent

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/internal/filter"
	"github.com/alspan/alspan/internal/ring"
	"github.com/alspan/alspan/internal/wire"
	"github.com/alspan/alspan/traces"
)

// trial is what the rules make of some spans, for a person.
type trial struct {
	finisher
	config    *config.Config
	made      bool // an access-log entry has a part in the spans
	said      warningsOf
	resources map[[2]string]*ring.Resource // those of equal spans are one, as in the agent
	gone      map[string]string            // dropped traces, with the rules that did it

	rules []*tallied
	spans []*triedSpan
}

// tallied is a rule with what it says of all spans, whatever the others say.
type tallied struct {
	*filter.Rule
	matches, failures int
}

// triedSpan is one of them.
type triedSpan struct {
	Document int    `json:"document"`
	Line     int    `json:"line"` // where the document begins
	Service  string `json:"service"`
	Name     string `json:"name"`
	TraceID  string `json:"trace_id"`
	SpanID   string `json:"span_id"`
	// Refused says why the agent does not take such a span.
	Refused string    `json:"refused,omitempty"`
	Verdict string    `json:"verdict"`
	Rule    string    `json:"rule,omitempty"`            // that has decided
	Earlier bool      `json:"by_earlier_span,omitempty"` // of the same trace
	Matches []match   `json:"matches,omitempty"`
	Errors  []failing `json:"errors,omitempty"`
	Events  int       `json:"events_dropped,omitempty"`
	Changes changes   `json:"changes,omitzero"`

	events int // before any was dropped
}

// match is a rule that matches a span, or so many events of it.
type match struct {
	Rule   string `json:"rule"`
	Events int    `json:"events,omitempty"`
}

// failing is a rule that failed.
type failing struct {
	Rule  string `json:"rule"`
	Error string `json:"error"`
}

var verdicts = map[filter.Verdict]string{filter.Keep: "kept", filter.Drop: "dropped", filter.DropAll: "trace_dropped", filter.Failed: "failed"}

// newTrial makes the rules as the agent makes them.
func newTrial(c *config.Config, made bool) (*trial, error) {
	t := &trial{config: c, made: made, resources: map[[2]string]*ring.Resource{}, gone: map[string]string{}}
	r, err := newRules(c, nil, slog.New(&t.said))
	if err != nil {
		return nil, err
	}
	t.finisher = newFinisher(r)
	if r != nil {
		for _, rule := range r.filter.Rules() {
			t.rules = append(t.rules, &tallied{Rule: rule})
		}
	}
	return t, nil
}

// message tries all spans of one document.
func (t *trial) message(m *traces.Message, document, line int) error {
	var s wire.Span
	for m.NextScope() {
		r := t.origin(m)
		for read := m.NextSpan(&s); read != traces.End; read = m.NextSpan(&s) {
			b := bytes.Clone(s.Input())
			if read == traces.Poisoned {
				b, _ = s.AppendRepaired(nil)
			}
			out := &triedSpan{Document: document, Line: line, Refused: refusal(read, &s)}
			if err := t.span(out, b, r); err != nil {
				return fmt.Errorf("cannot decode span %d of document %d at line %d: %w", len(t.spans)+1, document, line, err)
			}
			t.spans = append(t.spans, out)
		}
	}
	return nil
}

func refusal(read traces.Read, s *wire.Span) string {
	switch {
	case read == traces.Broken:
		return "it is malformed"
	case !s.ValidIDs():
		return "its ids are invalid"
	}
	return ""
}

func (t *trial) origin(m *traces.Message) *ring.Resource {
	key := [2]string{string(m.Resource()), string(m.Scope())}
	if t.resources[key] == nil {
		t.resources[key] = &ring.Resource{Head: []byte(key[0]), Scope: []byte(key[1])}
	}
	return t.resources[key]
}

// span tries one encoded span, which it may change.
func (t *trial) span(out *triedSpan, b []byte, r *ring.Resource) error {
	before, err := decodeSpan(b)
	if err != nil {
		return err
	}
	resource := resourceIn(r.Head)
	out.Service, out.Name, out.events = serviceName(resource), before.Name, len(before.Events)
	out.TraceID, out.SpanID = hex.EncodeToString(before.TraceId), hex.EncodeToString(before.SpanId)
	verdict, by, all := t.look.Explain(b, r.Head, r.Scope, t.made)
	out.Verdict = verdicts[verdict]
	if by != nil {
		out.Rule = by.Name
	}
	if verdict == filter.DropAll {
		if by == nil {
			out.Rule, out.Earlier = t.gone[out.TraceID], true
		}
		t.gone[out.TraceID] = out.Rule
	}
	for i, a := range all {
		t.tally(out, t.rules[i], &a)
	}
	if verdict != filter.Keep {
		return nil
	}
	if t.look != nil {
		if fewer, ok := t.look.Events(); ok {
			b = bytes.Clone(fewer)
			if before, err = decodeSpan(b); err != nil {
				return err
			}
			out.Events = out.events - len(before.Events)
		}
	}
	after, err := decodeSpan(t.edit.Span(b))
	if err != nil {
		return err
	}
	out.Changes = changesOf(before, after)
	out.Changes.Resource = attributeChanges(resource, resourceIn(t.resourceOf(r).Head))
	return nil
}

func (t *trial) tally(out *triedSpan, rule *tallied, a *filter.Answer) {
	rule.matches += a.Matches
	rule.failures += a.Failures
	if a.Matches > 0 {
		m := match{Rule: a.Name}
		if a.OfEvents() {
			m.Events = a.Matches
		}
		out.Matches = append(out.Matches, m)
	}
	if a.Err != nil {
		out.Errors = append(out.Errors, failing{a.Name, a.Err.Error()})
	}
}

func decodeSpan(b []byte) (*tracepb.Span, error) {
	s := &tracepb.Span{}
	return s, proto.Unmarshal(b, s)
}

// resourceIn gives the attributes in the fields of a ResourceSpans.
func resourceIn(head []byte) []*commonpb.KeyValue {
	var r resourcepb.Resource
	wire.EachField(head, func(key uint32, value, _ []byte) {
		if key == 1<<3|wire.Bytes { // ResourceSpans.resource, which may be there in pieces
			_ = proto.UnmarshalOptions{Merge: true}.Unmarshal(value, &r) // what cannot be decoded cannot be shown
		}
	})
	return r.Attributes
}

func serviceName(resource []*commonpb.KeyValue) string {
	i := slices.IndexFunc(resource, func(a *commonpb.KeyValue) bool { return a.Key == "service.name" })
	if i < 0 {
		return ""
	}
	return resource[i].Value.GetStringValue()
}

// warningsOf collects what the rules log, but for conditions that fail: those are shown with their spans.
type warningsOf struct{ list []slog.Record }

func (w *warningsOf) Enabled(context.Context, slog.Level) bool { return true }

func (w *warningsOf) Handle(_ context.Context, r slog.Record) error {
	failed := false
	r.Attrs(func(a slog.Attr) bool {
		failed = failed || a.Key == "error"
		return true
	})
	if !failed {
		w.list = append(w.list, r)
	}
	return nil
}

func (w *warningsOf) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *warningsOf) WithGroup(string) slog.Handler      { return w }
