// Package check takes a world and the spans that the agent sent in it, and gives what is wrong with them: the invariants of
// joining access-log entries and proxy spans, held against what was fed in and what the Envoys really did. Which span is of
// which entry is read off the spans themselves, so that a model and the real program are judged alike.
package check

import (
	"encoding/hex"
	"fmt"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/alspan/alspan/internal/correlation"
)

// Out is spans as the agent sent them.
type Out struct {
	At    time.Duration // since the world's beginning
	Spans []*tracepb.ResourceSpans
}

// Violation is an invariant that does not hold.
type Violation struct {
	Rule string // one of the constants
	Text string
}

func (v Violation) String() string { return v.Rule + ": " + v.Text }

// The invariants.
const (
	Foreign  = "a span belongs to nothing that was fed"
	TwoSides = "two SERVER spans for one pass of a request"
	Twice    = "one span id twice"
	Cycle    = "a cycle of parents"
	Lost     = "what was fed does not leave exactly once"
	Identity = "a pair does not have its proxy span's identity"
	Passes   = "a pair of two passes"
	Parent   = "a parent that is not the proven one"
	Upstream = "an id that went upstream is missing"
	Late     = "something waited too long"
	Made     = "a SERVER was made where Envoy's own must be somewhere"
	Children = "a child lost its parent"
	Attempts = "an attempt is not below the span of its request"
)

// Checker judges worlds.
type Checker struct {
	Slack time.Duration // how much later than the rules say a span may leave: the batch's age
}

// Run judges with no slack.
func Run(w *correlation.World, output []Out) []Violation { return (&Checker{}).Run(w, output) }

// Run gives all violations.
func (c *Checker) Run(w *correlation.World, output []Out) []Violation {
	j := &judge{slack: c.Slack, truth: &w.Truth, ids: map[[2]string][]*out{}}
	if err := j.feed(w); err != nil {
		return []Violation{{Foreign, err.Error()}}
	}
	j.link(output)
	j.sides()
	j.unique()
	j.cycles()
	j.accounts()
	j.pairs()
	j.claims()
	j.times()
	j.lost()
	j.children()
	j.attempts()
	return j.found
}

// judge is one run.
type judge struct {
	slack   time.Duration
	truth   *correlation.Truth
	entries []*correlation.Entry
	spans   []*correlation.Span
	shares  map[string]time.Duration // endpoints that sent shared spans, since when
	starts  map[startKey][]*correlation.Entry
	ups     map[string]bool // nodes that send attempts
	out     []*out
	ids     map[[2]string][]*out // by trace and id
	found   []Violation
}

type startKey struct {
	node, log, rid string
	start          int64
}

// out is one span that the agent sent, and what it is of.
type out struct {
	*tracepb.Span
	at                time.Duration
	trace, id, parent string // hex
	attrs             map[string]string
	how               correlation.How
	below             bool // the CLIENT that was made of an End
	entry             *correlation.Entry
	in                *correlation.Span
}

func (o *out) String() string {
	what := ""
	switch {
	case o.entry != nil:
		what = fmt.Sprintf("%s %s type %d %d", o.entry.Log, o.entry.RequestID, o.entry.Type, o.entry.Code)
	case o.in != nil:
		what = o.in.Name + " " + o.in.RequestID
	}
	return fmt.Sprintf("%s %v %s/%s below %q (%s, %v)", o.how, o.Kind, o.trace, o.id, o.parent, what, o.at)
}

func (j *judge) fail(rule, format string, args ...any) {
	j.found = append(j.found, Violation{rule, fmt.Sprintf(format, args...)})
}

func (j *judge) feed(w *correlation.World) error {
	j.shares, j.starts, j.ups = map[string]time.Duration{}, map[startKey][]*correlation.Entry{}, map[string]bool{}
	records, err := w.Records()
	if err != nil {
		return err
	}
	for i := range records {
		for _, e := range records[i].Entries {
			if e.Type == correlation.TypeUp {
				j.ups[e.Node] = true
			}
			if e.Type == correlation.TypeStart {
				k := keyOfStart(e)
				j.starts[k] = append(j.starts[k], e)
			}
			if e.Makes() {
				j.entries = append(j.entries, e)
			}
		}
		for _, s := range records[i].Spans {
			if _, known := j.shares[s.Service]; s.Shared && !known {
				j.shares[s.Service] = s.At
			}
		}
		j.spans = append(j.spans, records[i].Spans...)
	}
	return nil
}

func keyOfStart(e *correlation.Entry) startKey {
	return startKey{e.Node, e.Log, correlation.Masked(e.RequestID), e.Start}
}

// pass gives the pass of a request that a span is of, nil when it is not known.
func (j *judge) pass(o *out) *correlation.Pass {
	if o.entry != nil {
		if p := j.truth.Entries[o.entry.Key()]; p != nil {
			return p
		}
	}
	if o.in != nil {
		return j.truth.Spans[o.in.Key()]
	}
	return nil
}

func hexID(b []byte) string { return hex.EncodeToString(b) }
