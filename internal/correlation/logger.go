package correlation

import (
	"slices"
	"time"
)

// States of a logger (rule 6).
const (
	unknown   = iota // nothing is known yet
	tracing          // its entries meet proxy spans, or its node sends them
	silent           // 16 misses in a row, and it never joined
	elsewhere        // the same, and it has joined: its spans are lost or go to somebody else
)

const (
	mostMisses  = 16
	mostUnknown = 64 // entries that a logger of which nothing is known may hold
	mostAlone   = 64 // proxy spans in a row that met no entry
	mostPerKey  = 16
)

type logger struct {
	state     int
	misses    int // in a row
	joined    bool
	held      int               // entries that waited while nothing was known
	relations map[string]string // what the logged id is, by format, as the last join in it has shown
	// It has shown request ids whose trace reason says sampled; it has joined one that is no UUID.
	sampledIDs, oddIDs bool
}

func (m *model) logger(node, log string) *logger {
	k := loggerKey{node, log}
	l := m.loggers[k]
	if l == nil {
		l = &logger{relations: map[string]string{}}
		if m.node(node).spans {
			l.state = tracing
		}
		m.loggers[k] = l
	}
	return l
}

// met notes a join, be it one that came too late.
func (l *logger) met() { l.state, l.misses, l.joined = tracing, 0, true }

func (l *logger) missed() {
	l.misses++
	if (l.state == unknown || l.state == tracing) && l.misses >= mostMisses {
		l.state = silent
		if l.joined {
			l.state = elsewhere
		}
	}
}

// relate notes what the joined span shows: what the logged id is.
func (l *logger) relate(x *item, s *Span) {
	c, ok := Choose(x.headers, s.Format)
	if !ok || !x.entry.Up || !c.of(s.Format) { // another format's id says nothing of this tracer's
		return
	}
	switch c.ID {
	case s.ID:
		l.relations[c.Format] = "own"
	case s.Parent:
		l.relations[c.Format] = "parent"
	default:
		l.relations[c.Format] = "child"
	}
}

// sampled tells whether Envoy may have exported a span of this request.
func (m *model) sampled(x *item) bool {
	tracer, l, rid := m.node(x.node).tracer, x.logger, x.entry.RequestID
	c, ok := Choose(x.headers, tracer)
	if ok && c.of(tracer) && c.Sampled == 0 {
		return false
	}
	// Up to 1.38 the context's flag decides alone; from 1.39 the reason in the request id has a say.
	old := x.entry.Minor <= 38 && ok && c.Sampled == 1
	if !IsUUID(rid) {
		return l.oddIDs || rid != "" && old
	}
	if invalid(x.headers, tracer) {
		return false
	}
	return rid[14] != '4' || !l.sampledIDs || old
}

// patience gives how long an entry or a proxy span waits for its partner (rule 6).
func (m *model) patience(x *item) time.Duration {
	if x.span != nil {
		if m.node(x.node).alone >= mostAlone {
			return 0
		}
		return m.slow(SpanWait)
	}
	l := x.logger
	if !m.sampled(x) || l.state == silent || l.state == elsewhere || l.state == unknown && l.held >= mostUnknown {
		return 0
	}
	if l.state == unknown {
		l.held++
	}
	return m.slow(Wait)
}

// slow makes waits too long.
func (m *model) slow(d time.Duration) time.Duration {
	if m.broken == "waits" {
		return d + time.Second
	}
	return d
}

// shows notes what a request id says of its logger.
func (l *logger) shows(rid string) {
	if IsUUID(rid) && slices.Contains([]byte("9ab"), rid[14]) {
		l.sampledIDs = true
	}
}
