package correlation

import (
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// How a span came about.
type How string

const (
	Joined   How = "joined"   // a proxy span with its entry, a CLIENT span with its attempt
	Alone    How = "proxy"    // a span that Envoy sent, as it is
	Late     How = "late"     // the same, INTERNAL now, since its SERVER was made before
	OfEntry  How = "entry"    // made of an End; Below tells the CLIENT from the SERVER
	Unpaired How = "unpaired" // INTERNAL, of an entry or attempt whose span is elsewhere or has left
	Attempt  How = "attempt"  // the CLIENT of an attempt
)

// Result is a span that should leave.
type Result struct {
	Trace, ID, Parent string // hex
	Derived           bool   // ID is
	Name              string // of spans that Envoy sent
	Kind              tracepb.Span_SpanKind
	Start, End        int64
	Error             bool
	How               How
	Below             bool   // the CLIENT of an entry
	Entry             *Entry // that it is of, or that it was joined with
	Span              *Span  // that it is of
	At                time.Duration
}

// kind is the kind of the span that an End makes: CLIENT where it is the sending half of a mesh hop.
func (e *Entry) kind() tracepb.Span_SpanKind {
	if e.Outbound() {
		return Client
	}
	return Server
}

// Outbound tells whether the entry is of a sidecar's outbound side.
func (e *Entry) Outbound() bool {
	parts := strings.Split(e.Node, "~")
	switch {
	case parts[0] != "sidecar" || len(parts) < 2:
		return false
	case strings.HasPrefix(e.Cluster, "outbound|"):
		return true
	case strings.HasPrefix(e.Cluster, "inbound|"), strings.HasPrefix(e.Cluster, "InboundPassthrough"):
		return false
	}
	return e.Direct != "" && e.Direct == parts[1]
}

// emit lets a span leave that is made of an entry.
func (m *model) emit(x *item, how How, r Result) {
	e := x.entry
	r.How, r.Entry, r.Start, r.End = how, e, e.Start, e.End()
	r.Error = e.Code >= 500 || e.Code >= 400 && r.Kind == Client
	if m.known(r.Trace, r.ID) == "" {
		m.ids[idKey{r.Trace, r.ID}] = idState{m.now, "made"}
	}
	m.put(r)
}

func (m *model) put(r Result) {
	r.At = m.now
	m.out = append(m.out, r)
}
