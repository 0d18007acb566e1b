package check

import (
	"cmp"

	"github.com/alspan/alspan/internal/correlation"
)

// link finds out what every span that was sent is of.
func (j *judge) link(output []Out) {
	spans := map[spanKey][]*correlation.Span{}
	for _, s := range j.spans {
		k := spanKey{s.Trace, s.Start, s.End, sameText(s.RequestID)}
		spans[k] = append(spans[k], s)
	}
	entries := map[entryKey][]*correlation.Entry{}
	for _, e := range j.entries {
		k := entryKey{sameText(e.Log), sameText(e.RequestID)}
		entries[k] = append(entries[k], e)
	}
	taken := map[*correlation.Span]bool{}
	for _, batch := range output {
		for _, rs := range batch.Spans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					o := &out{Span: s, at: batch.At, trace: hexID(s.TraceId), id: hexID(s.SpanId), parent: hexID(s.ParentSpanId), attrs: correlation.Attributes(s.Attributes)}
					j.out = append(j.out, o)
					k := [2]string{o.trace, o.id}
					j.ids[k] = append(j.ids[k], o)
					j.identify(o, spans, entries, taken)
				}
			}
		}
	}
	j.linkBelow()
	for _, o := range j.out {
		if o.entry == nil && o.in == nil {
			j.fail(Foreign, "%v", o)
		}
	}
}

type spanKey struct {
	trace      string
	start, end int64
	rid        string
}

type entryKey struct{ log, rid string }

// sameText takes what bytes that are not printable ASCII become on their ways: the signals write and repair them
// differently. A run of them is one "!".
func sameText(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' {
			c = '!'
		}
		if c != '!' || len(out) == 0 || out[len(out)-1] != '!' {
			out = append(out, c)
		}
	}
	return string(out)
}

// identify says whether a span was sent by an Envoy or made, and of what.
func (j *judge) identify(o *out, spans map[spanKey][]*correlation.Span, entries map[entryKey][]*correlation.Entry, taken map[*correlation.Span]bool) {
	log, logged := o.attrs["envoy.log_name"]
	if o.attrs["component"] == "" && o.attrs["node_id"] == "" && o.attrs["guid:x-request-id"] == "" {
		if logged {
			j.made(o, entries[entryKey{sameText(log), sameText(o.attrs["envoy.request_id"])}])
		}
		return
	}
	// Of those with the same facts the one with its id; else the half whose id was shared, and is the parent now.
	for _, id := range []string{o.id, o.parent} {
		for _, s := range spans[spanKey{o.trace, int64(o.StartTimeUnixNano), int64(o.EndTimeUnixNano), sameText(o.attrs["guid:x-request-id"])}] {
			if !taken[s] && s.ID == id && s.Name == o.Name && o.in == nil {
				o.in, taken[s] = s, true
			}
		}
	}
	if o.in == nil {
		return
	}
	switch {
	case o.Kind == correlation.Internal && o.in.Kind != correlation.Internal:
		o.how = correlation.Late
	case !logged:
		o.how = correlation.Alone
	default:
		o.how = correlation.Joined
		j.joinedWith(o, entries[entryKey{sameText(log), sameText(o.attrs["envoy.request_id"])}])
	}
}

// joinedWith finds the entry of a pair: that of the start, and of redirects the one with the code and the nearest end.
func (j *judge) joinedWith(o *out, entries []*correlation.Entry) {
	var best int64
	for _, e := range entries {
		far := max(e.End()-o.in.End, o.in.End-e.End())
		if e.Type == correlation.TypeUp { // its start is its own
			if c := correlation.Contexts(e.Headers); o.in.Proxy || itoa(e.Code) != cmp.Or(o.attrs["http.response.status_code"], "0") || c["w3c"].ID != o.in.ID && c["b3"].ID != o.in.ID && c["b3s"].ID != o.in.ID {
				continue
			}
		} else if !o.in.Proxy || e.Start/1000 != o.in.Start/1000 || cmp.Or(o.attrs["http.response.status_code"], "0") != itoa(e.Code) {
			continue
		}
		if o.entry == nil || far < best {
			o.entry, best = e, far
		}
	}
	if o.entry == nil {
		j.fail(Foreign, "a pair without an entry: %v", o)
	}
}

// made finds the entry of a span that we made.
func (j *judge) made(o *out, entries []*correlation.Entry) {
	for _, e := range entries {
		if e.Start != int64(o.StartTimeUnixNano) || e.End() != int64(o.EndTimeUnixNano) || o.entry != nil && o.entry.Key() != e.Key() {
			continue
		}
		if o.entry == nil || len(correlation.Contexts(o.entry.Headers)) == 0 { // of several copies the best
			o.entry = e
		}
	}
	switch {
	case o.entry == nil:
	case o.Kind == correlation.Internal:
		o.how = correlation.Unpaired
	case o.entry.Type == correlation.TypeUp:
		o.how = correlation.Attempt
	default:
		o.how = correlation.OfEntry
	}
}

// linkBelow finds what the CLIENT spans are of that were made of an End: they say only what they are below.
func (j *judge) linkBelow() {
	for _, o := range j.out {
		if o.in != nil || o.entry != nil {
			continue
		}
		for _, p := range j.ids[[2]string{o.trace, o.parent}] {
			if p.how == correlation.OfEntry && !p.below && o.Kind == correlation.Client {
				o.how, o.below, o.entry = correlation.OfEntry, true, p.entry
			}
		}
	}
}
