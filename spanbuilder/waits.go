package spanbuilder

import (
	"sync/atomic"
	"time"

	"github.com/alspan/alspan/internal/propagation"
)

// partners is what a logger's past says about whether spans come for its entries.
type partners int32

const (
	unknown   partners = iota // nothing yet
	tracing                   // they come here
	silent                    // none came for many entries, nor ever
	elsewhere                 // they came here once, and go to another agent now
)

const (
	mostMisses  = 16 // entries in a row without a span, after which entries do not wait any more
	mostHeld    = 64 // entries of a logger that never met a span which wait at a time
	joinedFades = 10 * time.Minute
)

// meetings is what a logger has learned about the spans for its entries.
type meetings struct {
	partners atomic.Int32
	misses   atomic.Int32
	held     atomic.Int32 // waiting entries, while no span has ever been met
	joinedAt atomic.Int64 // when an entry last met its span; 0: never, or long ago
	oddIDs   atomic.Bool  // a request whose x-request-id is no UUID has met its span
	reasons  atomic.Bool  // an x-request-id has said that its request was sampled
	poor     atomic.Bool  // another logger logs the same requests with more headers
	lesser   atomic.Bool  // the same requests are logged in a better form

	relations [propagation.NumFormats]atomic.Int32 // what the logged id in that format was at the last meeting
}

// met learns that an entry has met its span, be it too late.
func (m *meetings) met(now int64) {
	m.joinedAt.Store(max(now, 1))
	m.misses.Store(0)
	m.partners.Store(int32(tracing))
}

// missed learns that a sampled entry has met none.
func (m *meetings) missed(now int64) {
	if at := m.joinedAt.Load(); at != 0 && now-at > int64(joinedFades) {
		m.joinedAt.CompareAndSwap(at, 0)
	}
	if m.misses.Load() < mostMisses {
		m.misses.Add(1)
	}
	if m.misses.Load() < mostMisses {
		return
	}
	next := silent
	if m.joinedAt.Load() != 0 {
		next = elsewhere
	}
	if partners(m.partners.Load()) != next {
		m.partners.Store(int32(next))
	}
}

// state gives what the past says. A node that exports spans is expected to export them here.
func (l *Logger) state() partners {
	p := partners(l.partners.Load())
	if p == unknown && l.node.spans.Load() {
		return tracing
	}
	return p
}

// Silent tells that spans have never come for the logger's entries: none is expected.
func (l *Logger) Silent() bool { return l.state() == silent }

// expects tells whether an entry may wait for its span. Those of a logger that has never met one are few at a time.
func (l *Logger) expects() bool {
	switch l.state() {
	case tracing:
		return true
	case unknown:
		return l.held.Load() < mostHeld
	}
	return false
}

// seals tells whether a sampled entry that leaves without its span makes no SERVER.
func (l *Logger) seals(o Unpaired) bool {
	state := l.state()
	return o != UnpairedSpan && (state == tracing || state == elsewhere)
}

// Joins tells whether the entry i has to go to the join: it waits, or its span is there, or attempts ask for it.
func (t *Requests) Joins(i *Item, o Unpaired, now uint64) bool {
	if i.What == AttemptItem {
		return true
	}
	l := i.Logger
	waits := i.Waits && l.expects() || !i.HasContext && l.poor.Load() || l.lesser.Load() || l.node.attempts.Load()
	return t.Entry(i, waits, i.Silent || i.Waits && l.seals(o), now)
}

// Poor learns that another logger has logged the same request with a trace context, and this one without.
func (l *Logger) Poor() {
	if !l.poor.Load() {
		l.poor.Store(true)
	}
}

// At gives the logger with that index, nil if there is none any more.
func (s *Loggers) At(index uint16) *Logger { return s.byIndex[index%maxLoggers].Load() }

// relationOf tells what the logged id in format f was at the last meeting.
func (m *meetings) relationOf(f propagation.Format) Relation { return Relation(m.relations[f].Load()) }

func (m *meetings) learn(f propagation.Format, r Relation) {
	if known := &m.relations[f]; known.Load() != int32(r) {
		known.Store(int32(r))
	}
}
