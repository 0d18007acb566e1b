package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// traffic is what Envoys have produced.
type traffic struct {
	ends, starts, tries int // entries of one logger: finished passes, begun ones, attempts
	others              int // entries that nobody uses
	spans               int // of the tracers
}

func (n traffic) entries() int { return n.ends + n.starts + n.tries + n.others }

// produced counts it, by Envoys' own accounts and counters.
func (s *stage) produced(t *testing.T) (n traffic, err error) {
	t.Helper()
	for _, e := range s.envoys {
		for _, r := range readRecords(t, e) {
			switch r.Type {
			case "DownstreamEnd":
				n.ends++
			case "DownstreamStart":
				n.starts++
			case "UpstreamEnd":
				n.tries++
			default:
				n.others++
			}
		}
		sent, err := e.spansSent()
		if err != nil {
			return n, err
		}
		n.spans += sent
	}
	return n, nil
}

// passes counts how often the requests pass an Envoy.
func (s *stage) passes(requests []*request) (n int) {
	for _, r := range requests {
		switch r.Path {
		case "/next":
			n += len(s.envoys)
		case "/redirect":
			n += 2
		default:
			n++
		}
	}
	return n
}

// settle waits until every pass of the requests is logged, every entry of theirs has left the agent, and every span of
// Envoy's own has come; it gives the agent's metrics then.
func (s *stage) settle(t *testing.T, c *testCase, requests []*request) metrics {
	t.Helper()
	wanted := s.passes(requests)
	var page metrics
	eventually(t, 40*time.Second, func() error {
		n, err := s.produced(t)
		if err != nil {
			return err
		}
		spans, entries := s.sink.count()
		if n.ends != wanted || spans != n.spans || entries != n.entries() {
			return fmt.Errorf("Envoy has logged %d passes of %d, %d entries in all, and sent %d spans; the sink has %d entries and %d spans",
				n.ends, wanted, n.entries(), n.spans, entries, spans)
		}
		if page, err = s.agent.metrics(); err != nil {
			return err
		}
		if err := page.idle(); err != nil {
			return err
		}
		if !c.sendsTraces() {
			n.spans = 0
		}
		exported := s.relay.count("app", "mirror")
		if !c.Envoy.Callers {
			exported = s.relay.count("caller", "app", "mirror")
		} else {
			n.spans += s.callers
		}
		return page.counted(c, n, exported)
	})
	return page
}

// idle says whether everything that the agent received has left it.
func (m metrics) idle() error {
	for _, gauge := range []string{"alspan_entries_waiting", "alspan_spans_in_flight", "alspan_spans_queued",
		"alspan_spans_open", "alspan_spans_waiting", "alspan_logs_in_flight", "alspan_logs_queued", "alspan_logs_open", "alspan_other_queued", "alspan_other_in_flight"} {
		if m[gauge] != 0 {
			return fmt.Errorf("the agent is not idle: %s is %v", gauge, m[gauge])
		}
	}
	return nil
}

// counted says whether the agent counted what there was, and whether as many spans left it as it says.
func (m metrics) counted(c *testCase, n traffic, exported int) error {
	loggers := c.Envoy.loggers()
	if !c.sendsALS() {
		n.ends, n.starts, n.tries, n.others = 0, 0, 0, 0
	}
	want := metrics{
		"alspan_entries_received_total":  float64(loggers * n.entries()),
		"alspan_entries_used_total":      float64(n.ends+n.tries) - m["alspan_join_entries_total{fate=\"unpaired_dropped\"}"] - m[unsampledEntries] - m[sampledOutEntries],
		"alspan_entries_taught_total":    float64(loggers * n.starts),
		"alspan_entries_duplicate_total": float64((loggers - 1) * (n.ends + n.tries)), // the others report the same requests
		"alspan_spans_in_total":          float64(n.spans),
		"alspan_spans_exported_total":    float64(exported),
		"alspan_spans_made_total":        float64(exported-n.spans) + m["alspan_spans_dropped_total"],
	}
	for name, value := range want {
		if m[name] != value {
			return fmt.Errorf("%s is %v, there were %v", name, m[name], value)
		}
	}
	// Whatever is sampled or filtered, each request is counted once; that which a sidecar's own pod has sent as a client.
	if requests := m.sum("alspan_requests_total", `kind="server"`); len(c.Envoy.Nodes) == 0 && requests != float64(n.ends) {
		return fmt.Errorf("alspan_requests_total is %v, there were %d", requests, n.ends)
	}
	return nil
}

// sum adds up the series of a metric with that label.
func (m metrics) sum(name, label string) (sum float64) {
	for series, value := range m {
		if strings.HasPrefix(series, name+"{") && strings.Contains(series, label) {
			sum += value
		}
	}
	return sum
}
