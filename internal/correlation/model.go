package correlation

import (
	"container/heap"
	"fmt"
	"slices"
	"time"
)

// How long things wait.
const (
	Wait     = 8 * time.Second         // an entry for its proxy span
	SpanWait = 2500 * time.Millisecond // a proxy span for its entry, an attempt for its End, a poorer entry for its twin
	Remember = 10 * time.Second        // what left is known
)

// Run gives what should leave in a world, in the order in which it leaves, and how many records were accounted for by name
// instead.
func Run(w *World) ([]Result, map[string]int, error) { return Broken(w, "") }

// Broken is Run with one rule left out, to see that somebody notices.
func Broken(w *World, rule string) ([]Result, map[string]int, error) {
	m := newModel(rule)
	records, err := w.Records()
	if err != nil {
		return nil, nil, err
	}
	for i := range records {
		r := &records[i]
		m.advance(r.At)
		for _, e := range r.Entries {
			m.entry(e)
		}
		for _, s := range r.Spans {
			m.span(s)
		}
	}
	m.advance(m.now + time.Minute)
	if m.waits != 0 {
		return nil, nil, fmt.Errorf("%s: %d records wait for ever", w.Name, m.waits)
	}
	return m.out, m.counts, nil
}

// An item is an entry or a span on its way.
type item struct {
	entry *Entry // nil: a span
	span  *Span
	node  string
	rid   string // masked
	start int64
	end   int64
	code  int
	at    time.Duration // arrival
	left  bool          // it is out or accounted for

	// Of an entry.
	headers  map[string]string
	contexts map[string]Context // of headers, when asked for
	logger   *logger
	begin    map[string]string // headers of its start entry
	began    bool              // there was one
	head     *head
	wait     time.Duration
	poor     bool // it waits for its twin only

	// Of an attempt.
	trace, logged string
	known         string

	// Of a span.
	identity *identity
}

type identity struct{ trace, id, parent string }

type nodeState struct {
	tracer   string
	entries  bool // it sends entries
	attempts bool // it sends attempts
	spans    bool // it sends proxy spans
	alone    int  // proxy spans in a row that met no entry
}

// bucket is where an entry and its proxy span meet (rule 5).
type bucket struct {
	who string
	ms  int64
}

type printKey struct {
	node  string
	typ   int
	start int64
	rid   string
	dur   int64
	ids   string
}

type seen struct {
	log     string
	context bool
	item    *item
	logs    map[string]bool
}

type startKey struct {
	node, log, rid string
	start          int64
}

type loggerKey struct{ node, log string }

type idKey struct{ trace, id string }

type idState struct {
	at   time.Duration
	what string // "made" or "sent"
}

type headKey struct{ node, rid string }

// model is the agent.
type model struct {
	broken string
	now    time.Duration
	seq    int
	timers timers
	waits  int // records that are neither out nor accounted for
	out    []Result
	counts map[string]int

	prints   map[printKey]*seen // rule 2
	poorer   map[loggerKey]bool
	starts   map[startKey][]map[string]string // rule 1
	loggers  map[loggerKey]*logger            // rule 6
	nodes    map[string]*nodeState
	waiting  map[bucket][]*item // rule 5
	gone     map[bucket][]*gone // rule 7
	ids      map[idKey]idState  // rules 7 to 9
	heads    map[headKey][]*head
	attempts []*item
	unproven map[idKey]bool  // ids of attempts that left before anybody could prove them
	clients  map[idKey]*item // rule 8: CLIENT spans that wait for an attempt
	halves   map[idKey][]*item
	shares   map[string]bool            // endpoints that sent shared spans
	nodesOf  map[string]map[string]bool // by endpoint
}

func newModel(broken string) *model {
	return &model{
		broken: broken, counts: map[string]int{}, prints: map[printKey]*seen{}, poorer: map[loggerKey]bool{}, starts: map[startKey][]map[string]string{},
		loggers: map[loggerKey]*logger{}, nodes: map[string]*nodeState{}, waiting: map[bucket][]*item{}, gone: map[bucket][]*gone{}, ids: map[idKey]idState{},
		heads: map[headKey][]*head{}, unproven: map[idKey]bool{}, clients: map[idKey]*item{}, halves: map[idKey][]*item{}, shares: map[string]bool{}, nodesOf: map[string]map[string]bool{},
	}
}

func (m *model) node(id string) *nodeState {
	n := m.nodes[id]
	if n == nil {
		n = &nodeState{}
		m.nodes[id] = n
	}
	return n
}

// count accounts for a record that makes nothing.
func (m *model) count(x *item, why string) {
	m.counts[why]++
	m.leave(x)
	if x.span != nil { // nobody's half
		k := idKey{x.span.Trace, x.span.ID}
		m.halves[k] = slices.DeleteFunc(m.halves[k], func(y *item) bool { return y == x })
	}
}

func (m *model) leave(x *item) {
	if x.left {
		panic("a record leaves twice: " + x.rid)
	}
	x.left = true
	m.waits--
}

// known tells how an id left in the last ten seconds: "made", "sent" or "".
func (m *model) known(trace, id string) string {
	v, ok := m.ids[idKey{trace, id}]
	if !ok || v.at+Remember < m.now || m.broken == "remembered ids" {
		return ""
	}
	return v.what
}

// timers are calls at their times, in order.
type timers []timer

type timer struct {
	at  time.Duration
	seq int
	f   func()
}

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

func (m *model) at(t time.Duration, f func()) {
	m.seq++
	heap.Push(&m.timers, timer{t, m.seq, f})
}

func (m *model) advance(to time.Duration) {
	for len(m.timers) > 0 && m.timers[0].at <= to {
		t := heap.Pop(&m.timers).(timer)
		m.now = t.at
		t.f()
	}
	m.now = to
}
