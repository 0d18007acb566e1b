package worlds

import (
	"cmp"
	"slices"
	"time"

	"github.com/alspan/alspan/internal/correlation"
)

type logItem struct {
	at     int64 // when it was logged, Unix ns
	stream stream
	entry  *correlation.Entry
}

// stream is one worker's ALS stream of one logger.
type stream struct {
	node, log string
	worker    int
}

type spanItem struct {
	at     int64 // when it ended
	sender sender
	span   *correlation.Span
}

type sender struct {
	node   string
	worker int
}

// message is what is sent at once.
type message struct {
	at      int64
	stream  int // from 1; 0: spans
	entries []*correlation.Entry
	spans   []*correlation.Span
}

// Envoy's buffers: entries leave at the next second, or when there are many; spans leave in fives, or after five seconds.
const (
	logBatch  = 40
	spanBatch = 5
)

func (g *generator) flush() (all []*message) {
	slices.SortStableFunc(g.logs, func(a, b logItem) int { return cmp.Compare(a.at, b.at) })
	slices.SortStableFunc(g.spans, func(a, b spanItem) int { return cmp.Compare(a.at, b.at) })
	numbers, phases := map[stream]int{}, map[stream]int64{}
	open := map[stream]*message{}
	for _, l := range g.logs {
		if numbers[l.stream] == 0 {
			numbers[l.stream], phases[l.stream] = len(numbers)+1, g.rnd.Int64N(s)
		}
		m := open[l.stream]
		if m == nil || m.at < l.at {
			m = &message{at: tick(l.at, s, phases[l.stream]), stream: numbers[l.stream]}
			open[l.stream] = m
			all = append(all, m)
		}
		if m.entries = append(m.entries, l.entry); len(m.entries) == logBatch {
			m.at = l.at
			delete(open, l.stream)
		}
	}
	phase := map[sender]int64{}
	batch := map[sender]*message{}
	for _, x := range g.spans {
		if _, known := phase[x.sender]; !known {
			phase[x.sender] = g.rnd.Int64N(5 * s)
		}
		m := batch[x.sender]
		if m == nil || m.at < x.at {
			m = &message{at: tick(x.at, 5*s, phase[x.sender])}
			batch[x.sender] = m
			all = append(all, m)
		}
		if m.spans = append(m.spans, x.span); len(m.spans) == spanBatch {
			m.at = x.at
			delete(batch, x.sender)
		}
	}
	return all
}

// tick gives the next flush of a timer.
func tick(at, period, phase int64) int64 {
	return (at-epoch-phase+8*period)/period*period - 7*period + phase + epoch
}

// disturb gives the events of messages, some of which come late, twice or never.
func (g *generator) disturb(all []*message) (events []correlation.Event) {
	slices.SortStableFunc(all, func(a, b *message) int { return cmp.Compare(a.at, b.at) })
	for range 1 + g.rnd.IntN(2) {
		all = g.disturbance()(all)
	}
	// An ALS stream keeps its order.
	last := map[int]int64{}
	for _, m := range all {
		if m.stream != 0 {
			m.at = max(m.at, last[m.stream])
			last[m.stream] = m.at
		}
	}
	slices.SortStableFunc(all, func(a, b *message) int { return cmp.Compare(a.at, b.at) })
	known := map[int]bool{}
	for _, m := range all {
		ev := correlation.Event{At: time.Duration(m.at - epoch), Kind: correlation.ALS, Stream: m.stream}
		switch {
		case m.stream != 0:
			ev.Bytes = encodeLogs(m.entries, !known[m.stream])
			known[m.stream] = true
		case m.spans[0].Format == correlation.B3:
			ev.Kind, ev.Bytes = correlation.Zipkin, encodeZipkin(m.spans)
		default:
			ev.Kind, ev.Bytes = correlation.OTLP, encodeOTLP(m.spans)
		}
		events = append(events, ev)
	}
	return events
}

// disturbance draws one: a function of messages in order.
func (g *generator) disturbance() func([]*message) []*message {
	traces := func(m *message) bool { return m.stream == 0 }
	logs := func(m *message) bool { return m.stream != 0 }
	lose := func(which func(*message) bool, percent int) func([]*message) []*message {
		return func(all []*message) []*message {
			return slices.DeleteFunc(all, func(m *message) bool { return which(m) && g.rnd.IntN(100) < percent })
		}
	}
	later := func(which func(*message) bool, by func() int64) func([]*message) []*message {
		return func(all []*message) []*message {
			for _, m := range all {
				if which(m) {
					m.at += by()
				}
			}
			return all
		}
	}
	any := func(*message) bool { return true }
	switch g.rnd.IntN(20) {
	case 0, 1:
		return later(any, func() int64 { return g.rnd.Int64N(12 * s) })
	case 2:
		return later(any, func() int64 { return g.rnd.Int64N(3 * s) })
	case 3:
		return later(traces, func() int64 { return 12 * s })
	case 4:
		return later(logs, func() int64 { return g.rnd.Int64N(10 * s) })
	case 5, 6:
		return lose(traces, 50)
	case 7:
		return lose(traces, 94)
	case 8:
		return lose(logs, 30)
	case 9:
		return lose(traces, 100)
	case 10:
		return lose(logs, 100)
	case 11, 12:
		return func(all []*message) (out []*message) { // every ALS message twice
			for _, m := range all {
				if out = append(out, m); logs(m) {
					c := *m
					c.at += g.rnd.Int64N(3 * s)
					out = append(out, &c)
				}
			}
			return out
		}
	case 13, 14:
		silence := epoch + g.between(s, 10*s) // nothing of a tracer until then
		return lose(func(m *message) bool { return traces(m) && m.at < silence }, 100)
	}
	return func(all []*message) []*message { return all }
}
