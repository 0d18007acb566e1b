package e2e

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// view is all that is known of one request after a case has run, with names for the ids in it.
type view struct {
	*request
	hops []string
	*envoyFlags
	records  []record  // of the passes, in the order in which they ended
	tries    []record  // of their attempts
	passes   []ownSpan // Envoy's spans of the passes ...
	children []ownSpan // ... and those below them
	made     []*span   // by the agent
	others   []*span   // of the caller, the app and the mirror
	seen     []traceContext
	mirrored []traceContext

	labels map[*span]string
	ids    map[string]string // span id -> name
	traces map[string]string // trace id -> name
}

// name gives names to everything. shared has the traces that earlier requests of the case could not explain.
func (v *view) name(shared map[string]string) {
	slices.SortStableFunc(v.made, func(a, b *span) int {
		return cmp.Or(cmp.Compare(slices.Index(v.hops, a.Service), slices.Index(v.hops, b.Service)), cmp.Compare(kindRank(a), kindRank(b)),
			cmp.Compare(v.order(a), v.order(b)), cmp.Compare(v.orderAbove(a), v.orderAbove(b)), cmp.Compare(a.EndTimeUnixNano, b.EndTimeUnixNano), strings.Compare(a.id(), b.id()),
			strings.Compare(a.text("envoy.log_name"), b.text("envoy.log_name")))
	})
	// As they began: attempts that break off end in any order.
	slices.SortStableFunc(v.others, func(a, b *span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	v.labels, v.ids, v.traces = map[*span]string{}, map[string]string{}, map[string]string{}
	_, contexts := v.contextHeaders()
	names := []string{"caller", "caller.b3"}
	for i, c := range contexts {
		v.traces[c[0]], v.ids[c[1]] = names[i], names[i]
	}
	var envoy, saw, mirror, out series
	for _, r := range v.records {
		envoy.add(v.at(r.Hop)+"envoy", r.SpanID)
		v.nameTrace("envoy", r.TraceID)
	}
	for _, p := range v.passes {
		envoy.add(v.at(p.Hop)+"envoy", p.ID)
		v.nameTrace("envoy", p.Trace)
	}
	for _, c := range v.seen {
		saw.add("saw", c.Span)
		v.nameTrace("saw", c.Trace)
	}
	for _, c := range v.mirrored {
		mirror.add("mirror.saw", c.Span)
	}
	envoy.into(v.ids)
	saw.into(v.ids)
	mirror.into(v.ids)
	for _, c := range v.children {
		if v.ids[c.ID] == "" {
			out.add(v.at(c.Hop)+"out", c.ID)
		}
	}
	out.into(v.ids)
	for _, s := range v.made {
		if v.traces[s.trace()] == "" {
			if shared[s.trace()] == "" {
				shared[s.trace()] = v.Name
			}
			v.traces[s.trace()] = "new"
			if first := shared[s.trace()]; first != v.Name {
				v.traces[s.trace()] = "same-as-" + first
			}
		}
	}
	v.label()
}

// ended gives when the pass ended of which Envoy exported a span: Zipkin's span of a redirect's second pass ends too late.
func (v *view) ended(own ownSpan) int64 {
	if r, ok := v.passOf(own.Hop, number(own.Code)); ok {
		return r.startNano() + r.Length
	}
	return own.End
}

// kindRank puts the spans of requests first, and those of mirrors last.
func kindRank(s *span) int {
	switch {
	case s.Kind == trace.Span_SPAN_KIND_INTERNAL:
		return 1
	case s.ofRequest():
		return 0
	case s.mirrors():
		return 3
	}
	return 2
}

// mirrors tells whether s is about a copy of a request.
func (s *span) mirrors() bool {
	return s.Name == "mirror" || s.text("envoy.upstream_cluster") == "mirror"
}

// order is the time by which spans of one kind are numbered: passes begin at the same time, attempts do not.
func (v *view) order(s *span) uint64 {
	if !s.ofRequest() {
		return s.StartTimeUnixNano
	}
	if r, ok := v.passOf(s.Service, s.code()); ok {
		return uint64(r.startNano() + r.Length)
	}
	return s.EndTimeUnixNano
}

// orderAbove is that of the request's span above an attempt: without timings the attempts of all passes begin when the request does.
func (v *view) orderAbove(s *span) uint64 {
	for _, p := range v.made {
		if p.id() == s.parent() && p.ofRequest() && !s.ofRequest() {
			return v.order(p)
		}
	}
	return 0
}

// code is the status of the response, "" without one.
func (s *span) code() string {
	return cmp.Or(s.text("http.response.status_code"), strings.TrimPrefix(s.text("http.status_code"), "0"))
}

// passOf gives the record of the pass with that code on a hop.
func (v *view) passOf(hop, code string) (record, bool) {
	for _, r := range v.records {
		if r.Hop == hop && number(r.Code) == code {
			return r, true
		}
	}
	return record{}, false
}

// label gives every span its name in parents and trees: SERVER, or edge.SERVER where several Envoys are in the way.
func (v *view) label() {
	all := append(slices.Clone(v.made), v.others...)
	text := func(s *span) string {
		switch {
		case !slices.Contains(v.hops, s.Service):
		case s.mirrors():
			return v.at(s.Service) + "MIRROR"
		default:
			return v.at(s.Service) + kindName(s.Kind)
		}
		if s.Service == "caller" && s.id() == v.Span2 {
			return "caller.b3"
		}
		return s.Service
	}
	count := map[string]int{}
	for _, s := range all {
		count[text(s)]++
	}
	number := map[string]int{}
	for _, s := range all {
		name := text(s)
		number[name]++
		if v.labels[s] = name; count[name] > 1 {
			v.labels[s] = name + "#" + strconv.Itoa(number[name])
		}
	}
}

func (v *view) at(hop string) string {
	if len(v.hops) == 1 {
		return ""
	}
	return hop + "."
}

func (v *view) nameTrace(name, id string) {
	if id != "" && v.traces[id] == "" {
		v.traces[id] = name
	}
}

// lines gives what came out of the agent in the notation of the wants.
func (v *view) lines() []string {
	var all []string
	for _, s := range v.made {
		all = append(all, v.line(s))
	}
	return append(all, strings.TrimSpace("tree "+v.tree()))
}

func (v *view) line(s *span) string {
	words := []string{v.labels[s]}
	if origin := s.origin(); origin != made {
		words = append(words, origin)
	}
	words = append(words, "name="+quoted(s.Name))
	add := func(key, value string) {
		if value != "" {
			words = append(words, key+"="+quoted(value))
		}
	}
	add("code", s.code())
	add("grpc", s.text("rpc.response.status_code"))
	add("id", cmp.Or(v.ids[s.id()], "new"))
	add("parent", v.parentName(s))
	add("trace", v.traces[s.trace()])
	if s.origin() == made { // from 1.40 Envoy says them, too
		add("flags", fmt.Sprintf("%02x", s.Flags&0xff))
	}
	add("state", s.TraceState)
	for _, l := range s.Links {
		id, trace := cmp.Or(v.ids[hex.EncodeToString(l.SpanId)], "?"), cmp.Or(v.traces[hex.EncodeToString(l.TraceId)], "?")
		if id == trace {
			add("link", id)
		} else {
			add("link", trace+"/"+id)
		}
	}
	if s.Status.GetCode() != trace.Status_STATUS_CODE_UNSET {
		add("status", strings.ToLower(strings.TrimPrefix(s.Status.GetCode().String(), "STATUS_CODE_")))
	}
	add("error.type", s.text("error.type"))
	add("cluster", s.text("cluster"))
	add("rule", s.text(samplingRule))
	add("rf", s.text("envoy.response_flags"))
	if n := s.text("envoy.attempts"); n != "1" {
		add("attempts", n)
	}
	if name := s.text("envoy.log_name"); s.Kind == trace.Span_SPAN_KIND_SERVER && name != s.Service && s.origin() != sent && !slices.Contains(v.Logs, name) {
		add("log", cmp.Or(name, "none"))
	}
	return strings.Join(words, " ")
}

func (v *view) parentName(s *span) string {
	if len(s.ParentSpanId) == 0 {
		return "none"
	}
	for _, p := range v.made {
		if p.id() == s.parent() && p.trace() == s.trace() {
			return v.labels[p]
		}
	}
	return cmp.Or(v.ids[s.parent()], "?")
}

// tree gives all spans of the request as a backend shows them: parent(child child); what hangs below a span that was
// not reported is ?name(child); separate trees are divided by |, and named by [trace] if there are several traces.
func (v *view) tree() string {
	all := append(slices.Clone(v.others), v.made...) // the caller's come first
	slices.SortStableFunc(all, func(a, b *span) int { return cmp.Compare(v.rank(a), v.rank(b)) })
	below := map[string][]*span{}
	known, traces := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		below[s.trace()+s.parent()] = append(below[s.trace()+s.parent()], s)
		known[s.trace()+s.id()], traces[s.trace()] = true, true
	}
	var draw func(trace, id string) string
	draw = func(trace, id string) string {
		var parts []string
		for _, s := range below[trace+id] {
			parts = append(parts, v.labels[s]+draw(trace, s.id()))
		}
		if len(parts) == 0 {
			return ""
		}
		return "(" + strings.Join(parts, " ") + ")"
	}
	var trees []string
	done := map[string]bool{}
	for _, s := range all {
		text, key := "", s.trace()+s.parent()
		switch {
		case len(s.ParentSpanId) == 0:
			text = v.labels[s] + draw(s.trace(), s.id())
		case !known[key] && !done[key]:
			done[key] = true
			text = "?" + v.ids[s.parent()] + draw(s.trace(), s.parent())
		default:
			continue
		}
		if len(traces) > 1 {
			text = "[" + cmp.Or(v.traces[s.trace()], "?") + "] " + text
		}
		trees = append(trees, text)
	}
	return strings.Join(trees, " | ")
}

// rank orders spans in a tree: caller, Envoys, app, mirror.
func (v *view) rank(s *span) int {
	switch s.Service {
	case "caller":
		return 0
	case "app":
		return 100
	case "mirror":
		return 101
	}
	return 1 + slices.Index(v.made, s)
}

// series gives names to ids in order: name when there is one, name#1, name#2 when there are several.
type series struct {
	names []string
	ids   map[string][]string
}

func (s *series) add(name, id string) {
	if s.ids == nil {
		s.ids = map[string][]string{}
	}
	if id == "" || slices.Contains(s.ids[name], id) {
		return
	}
	if s.ids[name] == nil {
		s.names = append(s.names, name)
	}
	s.ids[name] = append(s.ids[name], id)
}

// into enters the names of ids that have none yet.
func (s *series) into(ids map[string]string) {
	for _, name := range s.names {
		for i, id := range s.ids[name] {
			if ids[id] != "" {
				continue
			}
			if ids[id] = name; len(s.ids[name]) > 1 {
				ids[id] = name + "#" + strconv.Itoa(i+1)
			}
		}
	}
}

func quoted(text string) string {
	if strings.ContainsAny(text, " \"") {
		return strconv.Quote(text)
	}
	return text
}
