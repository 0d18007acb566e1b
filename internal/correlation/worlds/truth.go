package worlds

import (
	"slices"
	"strconv"
	"strings"

	"github.com/alspan/alspan/internal/correlation"
	"github.com/alspan/alspan/internal/recordings"
)

// recordedTruth finds out which entry and which proxy span are of one pass, from all that was sent.
func recordedTruth(mode string, all []correlation.Event, facts *recordings.Known) (correlation.Truth, error) {
	t := correlation.Truth{Entries: map[correlation.EntryKey]*correlation.Pass{}, Spans: map[correlation.SpanKey]*correlation.Pass{}}
	var ends []*correlation.Entry
	var proxies []*correlation.Span
	var d correlation.Decoder
	for i := range all {
		entries, spans, err := d.Event(&all[i])
		if err != nil {
			return t, err
		}
		for _, e := range entries {
			if k := e.Key(); e.Makes() && e.Type != correlation.TypeUp && t.Entries[k] == nil {
				t.Entries[k] = recordedPass(mode, e, facts)
				ends = append(ends, e)
			}
		}
		for _, s := range spans {
			if s.Proxy {
				proxies = append(proxies, s)
			}
		}
	}
	slices.SortStableFunc(proxies, func(a, b *correlation.Span) int { return int(a.Start - b.Start) })
	for _, s := range proxies {
		best := -1
		for i, e := range ends {
			if e == nil || correlation.Masked(e.RequestID) != correlation.Masked(s.RequestID) || e.Start/1000 != s.Start/1000 || e.Code != s.Code {
				continue
			}
			if best < 0 || abs(e.End()-s.End) < abs(ends[best].End()-s.End) {
				best = i
			}
		}
		if best < 0 {
			continue
		}
		p := t.Entries[ends[best].Key()]
		ends[best] = nil
		p.Trace, p.Own, p.Parent, p.Shared, p.Known, p.Exported = s.Trace, s.ID, s.Parent, s.Shared, true, true
		p.Caller = s.Parent
		if s.Shared && !strings.HasSuffix(s.Trace, s.ID) {
			p.Caller = s.ID
		}
		t.Spans[s.Key()] = p
	}
	return t, nil
}

// recordedPass tells what is known of a pass without its span: at the edge, whose span the caller's is.
func recordedPass(mode string, e *correlation.Entry, facts *recordings.Known) *correlation.Pass {
	p := &correlation.Pass{Node: e.Node, Spawn: strings.Contains(mode, "spawn") || mode == "otel-start" || mode == "otel-tags" || mode == "otel-logs"}
	switch {
	case strings.HasPrefix(mode, "otel"):
		p.Tracer = correlation.TraceContext
	case strings.HasPrefix(mode, "zipkin"):
		p.Tracer = correlation.B3
	}
	if parts := strings.Split(e.Path, "/"); p.Tracer == "" && e.Log == "edge" && len(parts) > 2 {
		name, _, _ := strings.Cut(parts[2], "?")
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "r")); err == nil && facts.Requests[n].Span != "" {
			p.Caller, p.Known = facts.Requests[n].Span, true
		}
	}
	return p
}

func abs(n int64) int64 { return max(n, -n) }
