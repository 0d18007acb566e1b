package check

import (
	"slices"
	"strconv"
	"time"

	"github.com/alspan/alspan/internal/correlation"
)

func itoa(n int) string { return strconv.Itoa(n) }

// side tells whether a span stands for the downstream side of a request.
func (o *out) side() bool {
	switch o.how {
	case correlation.Joined, correlation.Alone:
		return o.in.Proxy && o.Kind != correlation.Internal
	case correlation.OfEntry:
		return !o.below
	}
	return false
}

// apart gives how far apart spans left, the first from the last.
func apart(list []*out) time.Duration {
	first, last := list[0].at, list[0].at
	for _, o := range list {
		first, last = min(first, o.at), max(last, o.at)
	}
	return last - first
}

// sides: never two SERVER-side spans for one pass of a request, as far as the agent's memory reaches.
func (j *judge) sides() {
	type passOf struct {
		pass *correlation.Pass
		key  correlation.EntryKey // where the truth does not say
	}
	all := map[passOf][]*out{}
	for _, o := range j.out {
		if !o.side() {
			continue
		}
		k := passOf{pass: j.pass(o)}
		if k.pass == nil && o.entry != nil {
			k.key = o.entry.Key()
		}
		if k != (passOf{}) {
			all[k] = append(all[k], o)
		}
	}
	for _, list := range all {
		if len(list) > 1 && apart(list) < correlation.Remember-j.slack {
			j.fail(TwoSides, "%v", list)
		}
	}
}

// unique: never one span id twice, as far as the agent's memory reaches. Halves of a shared id that never met keep it.
func (j *judge) unique() {
	for _, list := range j.ids {
		if len(list) < 2 || apart(list) >= correlation.Remember-j.slack {
			continue
		}
		halves := false
		var first, last time.Duration
		for i, o := range list {
			if o.in == nil {
				halves = false
				break
			}
			halves = halves || j.holds(o.in.Service)
			if i == 0 {
				first, last = o.in.At, o.in.At
			}
			first, last = min(first, o.in.At, max(o.in.At, j.shares[o.in.Service])), max(last, o.in.At)
			if o.in.At < j.shares[o.in.Service] { // it left before its endpoint was known to share
				last += correlation.SpanWait
			}
		}
		if !halves || last-first < correlation.SpanWait {
			j.fail(Twice, "%v", list)
		}
	}
}

func (j *judge) holds(service string) bool {
	_, ok := j.shares[service]
	return ok
}

func (j *judge) get(trace, id string) *out {
	if list := j.ids[[2]string{trace, id}]; len(list) > 0 {
		return list[0]
	}
	return nil
}

func (j *judge) cycles() {
	for _, o := range j.out {
		seen := map[*out]bool{}
		up := j.get(o.trace, o.parent)
		for up != nil && !seen[up] && up != o {
			seen[up] = true
			up = j.get(up.trace, up.parent)
		}
		if up == o {
			j.fail(Cycle, "%v", o)
		}
	}
}

// accounts: everything that was fed leaves exactly once.
func (j *judge) accounts() {
	ins, records := map[*correlation.Span]int{}, map[correlation.EntryKey]int{}
	for _, o := range j.out {
		if o.in != nil {
			ins[o.in]++
		}
		if o.entry != nil && !o.below {
			records[o.entry.Key()]++
		}
	}
	for _, s := range j.spans {
		if ins[s] == 1 {
			continue
		}
		// Dropped as already made: a span that we made has its id.
		made := slices.ContainsFunc(j.ids[[2]string{s.Trace, s.ID}], func(o *out) bool { return o.in == nil })
		if ins[s] == 0 && made {
			continue
		}
		j.fail(Lost, "span %s/%s of %s left %d times", s.Trace, s.ID, s.RequestID, ins[s])
	}
	done := map[correlation.EntryKey]bool{}
	for _, e := range j.entries {
		if k := e.Key(); records[k] != 1 && !done[k] {
			done[k] = true
			j.fail(Lost, "entry %s %s type %d %d left %d times", e.Log, e.RequestID, e.Type, e.Code, records[k])
		}
	}
}

// pairs: a pair has exactly the proxy span's identity, and is of one pass.
func (j *judge) pairs() {
	for _, o := range j.out {
		if o.in == nil {
			continue
		}
		s := o.in
		kept := o.id == s.ID && o.parent == s.Parent
		if s.Format == correlation.B3 { // rule 9 may give it another id, or another parent
			kept = o.id == s.ID || o.parent == s.ID
		}
		if !kept || o.Kind != s.Kind && o.how != correlation.Late {
			j.fail(Identity, "%v, Envoy's is %v below %q", o, s.Key(), s.Parent)
		}
		if o.how != correlation.Joined || o.entry == nil {
			continue
		}
		a, b := j.truth.Entries[o.entry.Key()], j.truth.Spans[s.Key()]
		if a != nil && b != nil && a != b || o.entry.Code != s.Code {
			j.fail(Passes, "%v", o)
		}
	}
}

// times: nothing waits longer than stated.
func (j *judge) times() {
	for _, o := range j.out {
		if o.in != nil && o.at-o.in.At > correlation.SpanWait+j.slack {
			j.fail(Late, "a span %v: %v", o.at-o.in.At, o)
		}
		if o.entry == nil {
			continue
		}
		most := correlation.Wait
		if o.entry.Type == correlation.TypeUp {
			most += correlation.SpanWait
		}
		if o.in != nil && j.holds(o.in.Service) {
			most += correlation.SpanWait
		}
		if o.at-o.entry.At > most+j.slack {
			j.fail(Late, "an entry %v: %v", o.at-o.entry.At, o)
		}
	}
}

// children: a span whose parent was fed, too, has it in the output.
func (j *judge) children() {
	fed, left := map[[2]string][]*correlation.Span{}, map[*correlation.Span]*out{}
	for _, s := range j.spans {
		k := [2]string{s.Trace, s.ID}
		fed[k] = append(fed[k], s)
	}
	for _, o := range j.out {
		left[o.in] = o
	}
	for _, o := range j.out {
		if o.in == nil || o.in.Parent == "" {
			continue
		}
		above := fed[[2]string{o.trace, o.in.Parent}]
		if len(above) > 0 && j.get(o.trace, o.parent) == nil {
			j.fail(Children, "%v", o)
		}
		// It follows a half of the same endpoint that has another id now, if it can know.
		above = slices.DeleteFunc(slices.Clone(above), func(p *correlation.Span) bool {
			return p.Service != o.in.Service || p.Kind == correlation.Client || p.Start > o.in.Start || p.End < o.in.End || left[p] == nil || p.At >= o.at
		})
		if !o.in.Proxy && len(above) == 1 && o.id == o.in.ID && o.parent != left[above[0]].id {
			j.fail(Children, "%v, which is of %v", o, left[above[0]])
		}
	}
}
